import pytest
import torch

from lightning_lossmeta.data import BatchLoader


def _loader(count=10, **changes):
    return BatchLoader(torch.arange(count)[:, None].float(), torch.arange(count) % 3, **changes)


def test_every_sample_comes_once_an_epoch_in_another_order():
    loader = _loader(10, batch_size=4, shuffle=True)
    torch.manual_seed(0)
    first, second = (torch.cat([x for x, _ in loader]).flatten() for _ in range(2))
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(10))
    assert first.tolist() != second.tolist()


def test_inputs_stay_with_their_targets():
    for x, y in _loader(100, batch_size=7, shuffle=True):
        assert torch.equal(x.flatten().long() % 3, y)


def test_the_global_seed_fixes_the_batches():
    loader = _loader(50, batch_size=8, shuffle=True)
    orders = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        orders.append(torch.cat([x for x, _ in loader]).flatten().tolist())
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4, 4, 2]), (True, [4, 4])])
def test_lengths(drop_last, sizes):
    loader = _loader(10, batch_size=4, drop_last=drop_last)
    assert [len(x) for x, _ in loader] == sizes
    assert len(loader) == len(sizes)


def test_fewer_samples_than_a_batch_are_one_batch_even_when_the_last_is_dropped():
    loader = _loader(3, batch_size=8, drop_last=True)
    assert [len(x) for x, _ in loader] == [3]
    assert len(loader) == 1


def test_a_subset_is_class_balanced_and_fixed_by_its_seed():
    loader = _loader(99, batch_size=5, shuffle=True)
    counts = loader.subset(30, seed=0).targets.bincount()
    assert counts.tolist() == [10, 10, 10]
    same, other = loader.subset(30, seed=0), loader.subset(30, seed=1)
    assert torch.equal(same.inputs, loader.subset(30, seed=0).inputs)
    assert not torch.equal(same.inputs, other.inputs)
    assert len(set(same.inputs.flatten().tolist())) == 30
    assert len(loader.subset(1000, seed=0).targets) == 99


def test_a_subset_of_regression_targets():
    loader = BatchLoader(torch.arange(20.0)[:, None], torch.arange(20.0), batch_size=5)
    subset = loader.subset(7, seed=0)
    assert torch.equal(subset.inputs.flatten(), subset.targets)
    assert len(subset.targets) == 7


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match=r"`batch_size`.*got 0"):
        _loader(4, batch_size=0)
    with pytest.raises(ValueError, match="got 3 and 2"):
        BatchLoader(torch.zeros(3), torch.zeros(2), 1)
    with pytest.raises(ValueError, match="at least one"):
        BatchLoader(torch.zeros(0), torch.zeros(0), 1)
