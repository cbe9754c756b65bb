import copy
import pickle

import pytest
import torch
from torch import nn

from lightning_lossmeta.artifacts import Artifact, LearnedLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily, Normalisation, NormalisedLoss
from lightning_lossmeta.losses import (
    CrossEntropy,
    LossFunction,
    ProgressDependentLoss,
    depends_on_progress,
    set_progress,
)
from lightning_lossmeta.modules import StackedLosses

FADING = Candidate("mul(sub(+1, t), square(sub(f, y)))", (1.0,) * 7)
STEEP = Candidate(FADING.structure, (1.0, 1.0, 0.5, 3.0, 1.0, 0.8, 1.0))
FAMILY = ExpressionFamily(progress=True)


class Fading(ProgressDependentLoss):
    """(1 - t) times the cross-entropy."""

    def per_sample(self, output, target):
        error = nn.functional.cross_entropy(output, target, reduction="none")
        return (1 - self.progress.to(output.dtype)) * error


class Clocked(LossFunction):
    """Has a buffer of the same name that means something else."""

    def __init__(self):
        super().__init__()
        self.register_buffer("progress", torch.tensor(7.0), persistent=False)

    def per_sample(self, output, target):
        return self.progress * output.sum(1)


def _batch(count=None):
    generator = torch.Generator().manual_seed(0)
    shape = (6, 3) if count is None else (count, 6, 3)
    return torch.randn(shape, generator=generator, dtype=torch.float64), torch.arange(6) % 3


def _normalised(loss):
    return NormalisedLoss(loss, Normalisation(2.0, 0.25, 1.0, 3))


@pytest.mark.parametrize("time", [0, 0.0, 0.3, 1.0, 1])
def test_a_loss_of_ones_own_is_told_the_time(time):
    loss = Fading()
    set_progress(loss, time)
    expected = (1 - time) * nn.functional.cross_entropy(*_batch())
    torch.testing.assert_close(loss(*_batch()), expected)


def test_time_begins_at_zero_and_is_exact():
    loss = Fading()
    assert loss(*_batch()) == CrossEntropy()(*_batch())
    set_progress(loss, 1 / 3)
    for moved in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss)), loss.half().float()):
        assert moved.progress.dtype == torch.float64
        assert moved.progress.item() == 1 / 3
    assert loss.state_dict() == {}


@pytest.mark.parametrize("value", [-1e-9, 1.0000001, 5, float("nan"), float("inf"), "0", True])
def test_no_share_of_a_training_is_refused(value):
    loss = Fading()
    with pytest.raises(ValueError, match=r"`value` to be a number in \[0, 1\]"):
        set_progress(loss, value)
    assert loss.progress == 0


def test_every_timed_loss_inside_is_told_and_nothing_else(tmp_path):
    Artifact(FAMILY, FADING).save(tmp_path / "found.json")
    parts = [Fading(), _normalised(FAMILY.build(FADING)), LearnedLoss(tmp_path / "found.json")]
    module = nn.ModuleDict({"a": nn.ModuleList(parts), "b": nn.Linear(2, 2)})
    clocked = Clocked()
    module["c"] = clocked
    set_progress(module, 0.75)
    assert depends_on_progress(module)
    assert [part.progress.item() for part in (parts[0], parts[1].loss, parts[2].loss)] == [0.75] * 3
    assert clocked.progress == 7
    assert not any(map(depends_on_progress, (clocked, module["b"], CrossEntropy())))


def test_stacked_losses_are_told_at_every_depth():
    losses = [
        FAMILY.build(FADING),
        Fading(),
        CrossEntropy(),
        FAMILY.build(STEEP),
        _normalised(FAMILY.build(STEEP)),
        Clocked(),
        _normalised(FAMILY.build(FADING)),
    ]
    keys = ["tree", "own", "ce", "tree", "normalised", "clocked", "normalised"]
    stacked = nn.ModuleDict({"losses": StackedLosses(losses, keys)})
    outputs, target = _batch(7)
    expected = []
    for time in (0.0, 0.6):
        assert depends_on_progress(stacked)
        set_progress(stacked, time)
        for loss in losses:
            set_progress(loss, time)
        expected.append(
            torch.stack([loss(x, target) for loss, x in zip(losses, outputs, strict=True)])
        )
        torch.testing.assert_close(stacked["losses"](outputs, target), expected[-1])
    assert (expected[0] != expected[1]).tolist() == [True, True, False, True, True, False, True]
    assert not depends_on_progress(StackedLosses([CrossEntropy(), Clocked()], ["ce", "clocked"]))


def test_a_compiled_stack_follows_without_being_compiled_again():
    stacked = StackedLosses([FAMILY.build(FADING), FAMILY.build(STEEP)], ["tree"] * 2)
    graphs = []

    def counted(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compiled = torch.compile(stacked, backend=counted, fullgraph=True)
    outputs, target = _batch(2)
    for time in (0.0, 0.5, 1.0):
        set_progress(stacked, time)
        torch.testing.assert_close(compiled(outputs, target), stacked(outputs, target))
        found = compiled(outputs, target)[0]
        error = (outputs[0].softmax(1) - nn.functional.one_hot(target, 3)).square().mean()
        torch.testing.assert_close(found, (1 - time) * error)
    assert len(graphs) == 1
