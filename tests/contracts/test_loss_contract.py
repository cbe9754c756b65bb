"""What every loss of the package keeps."""

import copy
import pickle

import pytest
import torch
from walking import concrete_subclasses

from lightning_lossmeta.artifacts import Artifact, LearnedLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    NetworkSpace,
    Normalisation,
    NormalisedLoss,
    TaylorFamily,
    TaylorLoss,
)
from lightning_lossmeta.losses import CrossEntropy, LossFunction, RegressionLoss
from lightning_lossmeta.modules import StackedLosses

CLASSES = 3
THETA = (0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8)


def _learned(folder):
    Artifact(TaylorFamily(), Candidate(None, THETA)).save(folder / "learned.json")
    return LearnedLoss(folder / "learned.json")


#: How losses are made that need arguments.
MADE = {
    "ExpressionLoss": lambda folder: {"structure": "aq(sub(f, y), f)", "theta": [0.9, 0.8, 1.1, 2]},
    "ExpressionRegressionLoss": lambda folder: {"structure": "sub(f, y)", "theta": [0.9, 1.1]},
    "ForwardCorrection": lambda folder: {"transition": 0.7 * torch.eye(CLASSES) + 0.1},
    "LearnedLoss": lambda folder: {"path": _learned(folder) and folder / "learned.json"},
    "NormalisedLoss": lambda folder: {
        "loss": CrossEntropy(),
        "normalisation": Normalisation(2.0, -0.1, 1.0, CLASSES),
    },
    "NetworkLoss": lambda folder: {
        "theta": NetworkSpace.of((2, 5, 4, 1)).draw(1),
        "hidden": [5, 4],
    },
    "NetworkRegressionLoss": lambda folder: {
        "theta": NetworkSpace.of((2, 5, 4, 1)).draw(1),
        "hidden": [5, 4],
    },
    "TaylorLoss": lambda folder: {"theta": THETA},
    "TaylorRegressionLoss": lambda folder: {"theta": THETA},
    "ProgressExpressionLoss": lambda folder: {
        "structure": "aq(sub(f, y), add(f, t))",
        "theta": [0.9, 0.8, 1.1, 2, 1, 0.5],
    },
    "ProgressExpressionRegressionLoss": lambda folder: {
        "structure": "add(mul(t, f), sub(f, y))",
        "theta": [0.9, 1.1, 1, 1, 1, 0.7],
    },
}
LOSSES = concrete_subclasses(LossFunction)


@pytest.fixture(params=LOSSES, ids=lambda cls: cls.__name__)
def loss(request, tmp_path):
    arguments = MADE.get(request.param.__name__, lambda folder: {})(tmp_path)
    return request.param(**arguments)


def _batch(loss, size=6, dtype=torch.float32, seed=0):
    """Outputs and targets of the kind that a loss takes."""
    generator = torch.Generator().manual_seed(seed)
    output = torch.randn(size, CLASSES, generator=generator, dtype=dtype)
    if isinstance(loss, RegressionLoss):
        return output, torch.randn(size, CLASSES, generator=generator, dtype=dtype)
    return output, torch.arange(size) % CLASSES


def _is_classification(loss):
    return not isinstance(loss, RegressionLoss)


def test_the_walk_finds_what_there_is():
    assert {CrossEntropy, LearnedLoss, NormalisedLoss, TaylorLoss} <= set(LOSSES)


def test_one_value_a_sample(loss):
    output, target = _batch(loss)
    values = loss.per_sample(output, target)
    assert values.shape == (6,)
    assert values.dtype == output.dtype
    for index in range(6):
        alone = loss.per_sample(output[index : index + 1], target[index : index + 1])
        torch.testing.assert_close(alone, values[index : index + 1])


def test_reductions(loss):
    output, target = _batch(loss)
    values = loss.per_sample(output, target)
    for reduction, expected in [
        ("mean", values.mean()),
        ("sum", values.sum()),
        ("none", values),
    ]:
        loss.reduction = reduction
        torch.testing.assert_close(loss(output, target), expected)


def test_gradient_is_that_of_finite_differences(loss):
    output, target = _batch(loss, 4, torch.float64)
    loss = loss.double()
    output.requires_grad_()
    assert torch.autograd.gradcheck(lambda z: loss(z, target), output, rtol=1e-4, atol=1e-8)


def test_extreme_outputs_have_finite_values_and_gradients(loss):
    output, target = _batch(loss)
    output = (1e4 * output.sign()).requires_grad_()
    value = loss(output, target)
    (gradient,) = torch.autograd.grad(value, output)
    assert value.isfinite()
    assert gradient.isfinite().all()


def test_nan_is_not_swallowed(loss):
    output, target = _batch(loss)
    output[2, 1] = float("nan")
    found = loss.per_sample(output, target).isnan()
    assert found.tolist() == [index == 2 for index in range(6)]


def test_half_precision_is_computed_in_float32(loss):
    output, target = _batch(loss)
    for dtype in (torch.bfloat16, torch.float16):
        low = output.to(dtype)
        expected = loss(low.float(), target)
        assert expected.dtype == torch.float32
        with torch.autocast("cpu", dtype=torch.bfloat16):
            found = loss(low, target)
        assert torch.equal(found, expected)
        assert torch.equal(loss(low, target), expected)


def test_pixelwise_and_soft_targets(loss):
    if not _is_classification(loss):
        pytest.skip("regression has no classes")
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(2, CLASSES, 2, 2, generator=generator)
    target = torch.randint(CLASSES, (2, 2, 2), generator=generator)
    values = loss.per_sample(output, target)
    flat = output.permute(0, 2, 3, 1).reshape(-1, CLASSES)
    torch.testing.assert_close(values.flatten(), loss.per_sample(flat, target.flatten()))
    onehot = torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).float()
    torch.testing.assert_close(loss.per_sample(output, onehot), values, rtol=1e-4, atol=1e-5)


def test_probabilities_agree_with_logits(loss):
    output, target = _batch(loss, dtype=torch.float64)
    if not _is_classification(loss):
        with pytest.raises(TypeError, match="Expected a classification loss"):
            loss.from_probabilities(output.softmax(1), target)
        return
    found = loss.from_probabilities(output.softmax(1), target)
    torch.testing.assert_close(found, loss.per_sample(output, target))


def test_copies_and_casts_change_nothing(loss):
    output, target = _batch(loss, dtype=torch.float64)
    expected = loss(output, target)
    for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(copied(output, target), expected)
    assert torch.equal(loss.half().float()(output, target), expected)


def test_leaves_no_trace_in_a_checkpoint(loss):
    assert loss.state_dict() == {}
    assert list(loss.parameters()) == []


def test_losses_of_one_class_can_be_stacked(loss):
    output, target = _batch(loss)
    stacked = StackedLosses([loss, copy.deepcopy(loss)], ["key", "key"])
    found = stacked(torch.stack([output, 2 * output]), target)
    expected = torch.stack([loss(output, target), loss(2 * output, target)])
    torch.testing.assert_close(found, expected)


def test_unknown_reductions_are_refused(loss, tmp_path):
    arguments = MADE.get(type(loss).__name__, lambda folder: {})(tmp_path)
    if type(loss) is NormalisedLoss:
        pytest.skip("takes its reduction from the loss within")
    with pytest.raises(ValueError, match=r"`reduction` to be .* got 'max'"):
        type(loss)(**arguments, reduction="max")
