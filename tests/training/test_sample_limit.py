import inspect

import pytest
import torch
from torch.utils.data import (
    BatchSampler,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
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


TABLE = TensorDataset(INPUTS, LABELS)


class _OwnSampler(SequentialSampler):
    """Draws the first ten alone."""

    def __iter__(self):
        return iter(range(10))


class _OwnLoader(DataLoader):
    def __iter__(self):
        return iter([])


class _Endowed(_Endless):
    def __len__(self):
        return 60


SAMPLERS = {
    "WeightedRandomSampler": WeightedRandomSampler([1.0] * 60, 60),
    "RandomSampler": RandomSampler(TABLE, replacement=True),
    "_OwnSampler": _OwnSampler(TABLE),
    "DistributedSampler": DistributedSampler(TABLE, num_replicas=2, rank=0),
    "list": list(range(60)),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_samplers_with_a_meaning_of_their_own_are_refused_by_name(name):
    loader = DataLoader(TABLE, 4, sampler=SAMPLERS[name])
    with pytest.raises(TypeError, match=f"`train_samples`, got {name}, .*Leave out"):
        limit_samples(loader, 20, seed=0)


@pytest.mark.parametrize("count", [20, 200])
def test_random_samplers_of_fewer_or_more_than_there_are_are_refused(count):
    loader = DataLoader(TABLE, 4, sampler=RandomSampler(TABLE, num_samples=count))
    with pytest.raises(TypeError, match="got RandomSampler"):
        limit_samples(loader, 20, seed=0)


def test_a_subset_sampler_keeps_to_its_samples():
    part = list(range(5, 60, 3))  # the rest may be the user's validation samples
    loader = DataLoader(TABLE, 4, sampler=SubsetRandomSampler(part))
    inputs, labels = _samples(limit_samples(loader, 9, seed=1))
    assert set(inputs.long().tolist()) < set(part)
    assert labels.bincount().tolist() == [3, 3, 3]
    everything, _ = _samples(limit_samples(loader, 1000, seed=1))
    assert sorted(everything.long().tolist()) == part


@pytest.mark.parametrize("where", ["loader", "sampler"])
def test_a_generator_of_the_user_s_own_still_draws_the_batches(where):
    def epochs(seed):
        own = torch.Generator().manual_seed(seed)
        if where == "loader":
            loader = DataLoader(TABLE, 4, shuffle=True, generator=own)
        else:
            loader = DataLoader(TABLE, 4, sampler=RandomSampler(TABLE, generator=own))
        limited = limit_samples(loader, 20, seed=1)
        torch.manual_seed(int(own.initial_seed()) * 1000 + len(where))
        first = _samples(limited)[0]
        torch.manual_seed(99)  # nothing depends on the global generator
        return torch.cat([first, _samples(limited)[0]])

    one, again, other = epochs(3), epochs(3), epochs(4)
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def _collate(batch):
    return batch


def _start(worker):
    pass


#: Settings that differ from PyTorch's own, as its constructor takes them.
SETTINGS = {
    "batch_size": 5,
    "num_workers": 2,
    "collate_fn": _collate,
    "timeout": 17.0,
    "worker_init_fn": _start,
    "generator": torch.Generator().manual_seed(3),
    "prefetch_factor": 7,
    "persistent_workers": True,
    "pin_memory": True,
    "pin_memory_device": "cpu",
    "drop_last": True,
}


def test_every_setting_of_the_loader_is_kept():
    loader = DataLoader(TABLE, shuffle=True, multiprocessing_context="spawn", **SETTINGS)
    limited = limit_samples(loader, 20, seed=1)
    assert {name: getattr(limited, name) for name in SETTINGS} == SETTINGS
    assert limited.multiprocessing_context.get_start_method() == "spawn"
    named = inspect.signature(DataLoader.__init__).parameters.keys()
    replaced = {"self", "dataset", "shuffle", "sampler", "batch_sampler", "in_order"}
    assert named - SETTINGS.keys() - replaced == {"multiprocessing_context"}  # none forgotten here


def test_loaders_of_the_user_s_own_class_are_refused():
    with pytest.raises(
        TypeError, match=r"`train_samples`, got _OwnLoader.*`subset\(count, seed\)`"
    ):
        limit_samples(_OwnLoader(TABLE, 4), 20, seed=0)
    with pytest.raises(TypeError, match="got a DataLoader over _Endowed"):
        limit_samples(DataLoader(_Endowed(), 4), 20, seed=0)
