import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    IterableDataset,
    SequentialSampler,
    TensorDataset,
)

from lightning_lossmeta.data import BatchLoader
from lightning_lossmeta.training.sample_limit import limit_samples

INPUTS = torch.arange(60.0)
LABELS = torch.tensor([0] * 40 + [1] * 12 + [2] * 8)


class _WithTargets(Dataset):
    targets = LABELS.tolist()

    def __len__(self):
        return 60

    def __getitem__(self, index):
        return INPUTS[index], LABELS[index]


class _Silent(_WithTargets):
    targets = None


class _Endless(IterableDataset):
    def __iter__(self):
        return iter([])


LOADERS = {
    "BatchLoader": BatchLoader(INPUTS, LABELS, 4, shuffle=True),
    "TensorDataset": DataLoader(TensorDataset(INPUTS, LABELS), 4),
    "targets": DataLoader(_WithTargets(), 4),
}


def _samples(loader):
    batches = list(loader)
    return torch.cat([x for x, _ in batches]), torch.cat([y for _, y in batches])


@pytest.mark.parametrize("kind", LOADERS)
def test_as_many_of_each_class_as_can_be(kind):
    inputs, labels = _samples(limit_samples(LOADERS[kind], 24, seed=1))
    assert len(inputs.unique()) == 24
    assert labels.bincount().tolist() == [8, 8, 8]
    _, labels = _samples(limit_samples(LOADERS[kind], 34, seed=1))
    assert labels.bincount().tolist() == [14, 12, 8]


@pytest.mark.parametrize("kind", LOADERS)
def test_chosen_by_the_seed_and_shuffled_each_epoch(kind):
    loader = limit_samples(LOADERS[kind], 20, seed=1)
    first, second = _samples(loader)[0], _samples(loader)[0]
    assert not torch.equal(first, second)
    assert torch.equal(first.sort().values, second.sort().values)
    again = _samples(limit_samples(LOADERS[kind], 20, seed=1))[0]
    other = _samples(limit_samples(LOADERS[kind], 20, seed=2))[0]
    assert torch.equal(first.sort().values, again.sort().values)
    assert not torch.equal(first.sort().values, other.sort().values)


def test_without_labels_any_samples():
    inputs, _ = _samples(limit_samples(DataLoader(_Silent(), 4), 20, seed=1))
    assert len(inputs.unique()) == 20


def test_real_targets_are_no_classes():
    dataset = TensorDataset(INPUTS, torch.linspace(0, 1, 60))
    inputs, _ = _samples(limit_samples(DataLoader(dataset, 4), 20, seed=1))
    assert len(inputs.unique()) == 20


@pytest.mark.parametrize("kind", LOADERS)
def test_more_than_there_are(kind):
    inputs, _ = _samples(limit_samples(LOADERS[kind], 1000, seed=1))
    assert len(inputs) == 60


def test_fewer_than_a_batch_are_one_batch():
    loader = DataLoader(TensorDataset(INPUTS, LABELS), 16, drop_last=True)
    assert [len(x) for x, _ in limit_samples(loader, 5, seed=1)] == [5]
    assert [len(x) for x, _ in limit_samples(loader, 20, seed=1)] == [16]


def test_other_loaders_are_refused():
    with pytest.raises(TypeError, match="`train_samples`, got list"):
        limit_samples([1, 2], 1, seed=0)
    with pytest.raises(TypeError, match="DataLoader over a data set with a length"):
        limit_samples(DataLoader(_Endless()), 1, seed=0)
    dataset = TensorDataset(INPUTS, LABELS)
    batches = BatchSampler(SequentialSampler(dataset), 4, drop_last=False)
    with pytest.raises(TypeError, match="`batch_sampler`"):
        limit_samples(DataLoader(dataset, batch_sampler=batches), 1, seed=0)
