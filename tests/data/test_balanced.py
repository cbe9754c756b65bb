import pytest
import torch

from lightning_lossmeta.data import BatchLoader
from lightning_lossmeta.data.balanced import balanced_subset


def _in_rounds(labels, seed):
    """The definition, sample by sample."""
    generator = torch.Generator().manual_seed(seed)
    queues = {}
    for position in torch.randperm(len(labels), generator=generator).tolist():
        queues.setdefault(labels[position], []).append(position)
    depth = max(map(len, queues.values()))
    return [
        [queue[turn] for queue in queues.values() if turn < len(queue)] for turn in range(depth)
    ]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("classes", [1, 3, 1000])
def test_samples_are_taken_in_rounds_of_the_classes(seed, classes):
    labels = torch.randint(classes, (300,), generator=torch.Generator().manual_seed(seed)).pow(2)
    order = balanced_subset(labels, 300, seed).tolist()
    for expected in _in_rounds(labels.tolist(), seed):
        taken, order = order[: len(expected)], order[len(expected) :]
        assert sorted(taken) == sorted(expected)
    assert not order


@pytest.mark.parametrize("targets", [torch.linspace(0, 1, 50), torch.zeros(50, 2)])
def test_targets_that_are_no_classes_are_shuffled_alone(targets):
    expected = torch.randperm(50, generator=torch.Generator().manual_seed(4))[:20]
    assert torch.equal(balanced_subset(targets, 20, seed=4), expected)


def test_a_loader_s_subset_is_that_of_its_targets():
    labels = torch.arange(40) % 7
    part = BatchLoader(torch.arange(40), labels, 5).subset(9, seed=2)
    assert torch.equal(part.inputs, balanced_subset(labels, 9, seed=2))
    assert len(balanced_subset(labels, 100, seed=2)) == 40
