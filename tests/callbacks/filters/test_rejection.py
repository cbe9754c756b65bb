import math
from dataclasses import replace

import pytest
import torch
from searches import make_search

from lightning_lossmeta.callbacks.filters.rejection import (
    RejectionFilter,
    artificial_predictions,
    improvement,
)
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import ExpressionFamily, ExpressionLoss
from lightning_lossmeta.losses import (
    Baikal,
    CrossEntropy,
    Identity,
    LossFunction,
    MeanAbsoluteError,
    MeanSquaredError,
    RegressionAbsoluteError,
    RegressionHuber,
    RegressionLoss,
    RegressionSquaredError,
)

CANDIDATE = Candidate(None, (1.0,))


class Times(LossFunction):
    """Another loss times a number."""

    def __init__(self, loss, number):
        super().__init__()
        self.inner = loss
        self.number = number

    def per_sample(self, output, target):
        return self.number * self.inner.per_sample(output, target)


class RegressionTimes(Times, RegressionLoss):
    def values(self, output, target):
        return self.number * self.inner.values(output, target)


class Constant(LossFunction):
    def per_sample(self, output, target):
        return torch.ones(len(output), dtype=output.dtype)


class Undefined(LossFunction):
    def per_sample(self, output, target):
        return (output.sum(dim=1) * 0).log() * output.sum(dim=1)


def _started(tmp_path, num_classes=3, seed=0, **settings):
    rejection = RejectionFilter(**settings)
    rejection.on_search_start(replace(make_search(tmp_path), num_classes=num_classes, seed=seed))
    return rejection


@pytest.mark.parametrize("num_classes", [2, 10])
def test_classification(tmp_path, num_classes):
    rejection = _started(tmp_path, num_classes)
    good = [
        CrossEntropy(),
        MeanSquaredError(),
        MeanAbsoluteError(),
        Baikal(),
        Times(CrossEntropy(), 1e-4),
        Times(CrossEntropy(), 1e6),
        ExpressionLoss("square(sub(f, y))", [1.0] * 3),
        ExpressionLoss("mul(-1, mul(y, log(f)))", [1.0] * 5),
    ]
    bad = [
        Times(CrossEntropy(), -1.0),
        Times(MeanSquaredError(), -1.0),
        Constant(),
        Undefined(),
        Times(CrossEntropy(), 0.0),
        ExpressionLoss("mul(f, y)", [1.0, 1.0]),
        ExpressionLoss("sign(sub(f, y))", [1.0] * 3),
        ExpressionLoss("add(f, y)", [1.0, 1.0]),  # the sum of probabilities
    ]
    for loss in good:
        assert rejection.screen(CANDIDATE, loss) is None, loss
    for loss in bad:
        found = rejection.screen(CANDIDATE, loss)
        assert (found.status, found.candidate) == (Status.REJECTED, CANDIDATE), loss
        assert "rejection protocol: predictions improve by" in found.message
    assert rejection.counts == {"passed": len(good), "rejected": len(bad)}


def test_regression(tmp_path):
    rejection = _started(tmp_path, num_classes=None)
    for loss in (
        RegressionSquaredError(),
        RegressionAbsoluteError(),
        RegressionHuber(),
        ExpressionLoss("log(sub(f, y))", [1.0] * 3, link=Identity()),
        RegressionTimes(RegressionSquaredError(), 1e-4),
    ):
        assert rejection.screen(CANDIDATE, loss) is None, loss
    for loss in (
        RegressionTimes(RegressionSquaredError(), -1.0),
        RegressionTimes(RegressionSquaredError(), 0.0),
        ExpressionLoss("add(f, y)", [1.0] * 2, link=Identity()),
        ExpressionLoss("sign(sub(f, y))", [1.0] * 3, link=Identity()),
    ):
        assert rejection.screen(CANDIDATE, loss).status is Status.REJECTED, loss


def test_improvement_is_what_gradient_descent_finds():
    output, target = artificial_predictions(RegressionSquaredError(), 50, None, 0)
    before = float((output - target).square().mean())
    squared = RegressionSquaredError()
    halfway = ExpressionLoss("square(sub(f, y))", [1.0, 2.0, 1.0], link=Identity())  # best at y / 2
    expected = before - float((target / 2).square().mean())
    for number in (1e-3, 1e3):
        found = improvement(RegressionTimes(squared, number), output, target, 400)
        assert found == pytest.approx(before, rel=1e-2)
        found = improvement(RegressionTimes(halfway, number), output, target, 400)
        assert found == pytest.approx(expected, rel=1e-2)


def test_improvement_counts_errors():
    output = torch.tensor([[2.0, 0.0], [0.0, 2.0], [2.0, 0.0], [0.0, 2.0]])
    target = torch.tensor([0, 1, 1, 1])
    kept = output.clone()
    assert improvement(CrossEntropy(), output, target) == 0.25
    assert improvement(Times(CrossEntropy(), -1.0), output, target) == -0.75
    assert improvement(Constant(), output, target) == 0
    assert improvement(Undefined(), output, target) == -math.inf
    assert improvement(CrossEntropy(), output, target, steps=1) == 0
    assert torch.equal(output, kept)


def test_predictions_are_fixed_by_the_seed():
    state = torch.get_rng_state()
    output, target = artificial_predictions(CrossEntropy(), 12, 3, 5)
    assert torch.equal(torch.get_rng_state(), state)
    assert output.shape == (12, 3)
    assert target.bincount().tolist() == [4, 4, 4]
    assert torch.equal(output, artificial_predictions(Baikal(), 12, 3, 5)[0])
    assert not torch.equal(output, artificial_predictions(Baikal(), 12, 3, 6)[0])
    real = artificial_predictions(RegressionHuber(), 12, None, 5)
    assert [item.shape for item in real] == [(12, 1), (12, 1)]


def test_same_verdict_wherever_gradients_are_off(tmp_path):
    verdicts = []
    for mode in (torch.no_grad(), torch.inference_mode(), torch.enable_grad()):
        with mode:
            rejection = _started(tmp_path, seed=3, threshold=0.9)
            verdicts.append(rejection.screen(CANDIDATE, CrossEntropy()))
    assert verdicts[0] is not None
    assert verdicts[0] == verdicts[1] == verdicts[2]


def test_threshold(tmp_path):
    loss = MeanSquaredError()
    assert _started(tmp_path, threshold=0.3).screen(CANDIDATE, loss) is None
    assert _started(tmp_path, threshold=0.9).screen(CANDIDATE, loss).status is Status.REJECTED
    push = Times(CrossEntropy(), -1.0)
    assert _started(tmp_path, threshold=-1.0).screen(CANDIDATE, push) is None


def test_candidates_of_a_family(tmp_path):
    family = ExpressionFamily()
    rejection = _started(tmp_path)
    good = Candidate("square(sub(f, y))", (1.0, 1.0, 1.0))
    flipped = Candidate("mul(-1, square(sub(f, y)))", (1.0, 1.0, 1.0, 1.0, 1.0))
    assert rejection.screen(good, family.build(good)) is None
    assert rejection.screen(flipped, family.build(flipped)).candidate == flipped


def test_refuses(tmp_path):
    with pytest.raises(ValueError, match="Expected class indices as targets to judge Baikal"):
        _started(tmp_path, num_classes=None).screen(CANDIDATE, Baikal())
    for settings, message in (
        ({"samples": 0}, "`samples` to be an integer of at least 1, got 0"),
        ({"steps": 0}, "`steps` to be an integer of at least 1, got 0"),
        ({"threshold": math.nan}, "`threshold` to be a number"),
        ({"step_length": 0.0}, "`step_length` to be a number in"),
    ):
        with pytest.raises(ValueError, match=message):
            RejectionFilter(**settings)
