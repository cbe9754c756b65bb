"""What every loss of the package keeps."""

import copy
import math
import pickle
from functools import partialmethod

import pytest
import torch
from walking import concrete_subclasses, constructor_arguments, each_example

from lightning_lossmeta.artifacts import LearnedLoss
from lightning_lossmeta.families import NormalisedLoss, TaylorLoss
from lightning_lossmeta.losses import (
    CrossEntropy,
    Identity,
    LossFunction,
    Sigmoid,
)
from lightning_lossmeta.modules import StackedLosses

CLASSES = 3
LOSSES = concrete_subclasses(LossFunction)


EXAMPLES = each_example(LossFunction)


def _with_link(fits):
    """The examples whose link is of some kind."""
    return [example for example in EXAMPLES if fits(example.values[0]().link)]


@pytest.fixture(params=EXAMPLES)
def loss(request):
    return request.param()


@pytest.fixture(params=_with_link(lambda link: link.simplex))
def softmax_loss(request):
    return request.param()


@pytest.fixture(params=_with_link(lambda link: link == Sigmoid()))
def sigmoid_loss(request):
    return request.param()


@pytest.fixture(params=_with_link(lambda link: not link.simplex))
def entrywise(request):
    return request.param()


def _batch(loss, size=6, dtype=torch.float32, seed=0):
    """Outputs and targets of the kind that a loss takes."""
    output, target = loss.link.example(size, CLASSES, torch.Generator().manual_seed(seed))
    return output.to(dtype), target.to(dtype) if target.is_floating_point() else target


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


def test_a_sample_of_weight_k_counts_as_k_samples(loss):
    output, target = _batch(loss, dtype=torch.float64)
    counts = torch.tensor([2, 0, 1, 3, 1, 0])
    often = torch.arange(6).repeat_interleave(counts)
    for reduction in ("mean", "sum"):
        loss.reduction = reduction
        found = loss(output, target, sample_weight=counts)
        torch.testing.assert_close(found, loss(output[often], target[often]))
    loss.reduction = "none"
    found = loss(output, target, counts / 2)
    torch.testing.assert_close(found, loss(output, target) * counts / 2)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        ([1.0, 2.0], r"each of the 6 samples.*got \(2,\)"),
        ([[1.0]] * 6, r"got \(6, 1\)"),
        ([1.0, 1, 1, -0.5, 1, 1], "at least 0, got -0.5"),
        ([1.0, math.nan, 1, 1, 1, 1], "at least 0, got nan"),
        ([1.0, 1, 1, 1, 1, math.inf], "at least 0, got inf"),
    ],
)
def test_weights_of_samples_that_are_none_are_refused(loss, weights, message):
    with pytest.raises(ValueError, match=rf"`sample_weight`.*{message}"):
        loss(*_batch(loss), sample_weight=torch.tensor(weights))


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


def test_pixelwise_and_soft_targets(softmax_loss):
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(2, CLASSES, 2, 2, generator=generator)
    target = torch.randint(CLASSES, (2, 2, 2), generator=generator)
    values = softmax_loss.per_sample(output, target)
    flat = output.permute(0, 2, 3, 1).reshape(-1, CLASSES)
    torch.testing.assert_close(values.flatten(), softmax_loss.per_sample(flat, target.flatten()))
    onehot = torch.nn.functional.one_hot(target, CLASSES).movedim(-1, 1).float()
    torch.testing.assert_close(
        softmax_loss.per_sample(output, onehot), values, rtol=1e-4, atol=1e-5
    )


def test_weights_of_images_are_those_of_their_pixels(softmax_loss):
    generator = torch.Generator().manual_seed(1)
    output = torch.randn(2, CLASSES, 2, 2, generator=generator)
    target = torch.randint(CLASSES, (2, 2, 2), generator=generator)
    target[0, 1, 1] = -100
    weights = torch.tensor([0.5, 3.0])
    found = softmax_loss(output, target, weights)
    flat = output.movedim(1, -1).reshape(-1, CLASSES), target.flatten()
    expected = softmax_loss(*flat, weights.repeat_interleave(4))
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(
        softmax_loss(output, target, weights.view(2, 1, 1).expand(2, 2, 2)), expected
    )


def test_probabilities_agree_with_logits(loss):
    output, target = _batch(loss, dtype=torch.float64)
    if not loss.link.simplex:
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


@pytest.mark.parametrize(
    "cls",
    [cls for cls in LOSSES if "reduction" in constructor_arguments(cls)],
    ids=lambda cls: cls.__name__,
)
def test_unknown_reductions_are_refused(cls, monkeypatch):
    monkeypatch.setattr(cls, "__init__", partialmethod(cls.__init__, reduction="max"))
    with pytest.raises(ValueError, match=r"`reduction` to be .* got 'max'"):
        cls.example()


def test_ignored_samples_count_nothing(softmax_loss):
    output, target = _batch(softmax_loss, dtype=torch.float64)
    target[[1, 4]] = -100
    output.requires_grad_()
    kept = target != -100
    for reduction in ("mean", "sum"):
        softmax_loss.reduction = reduction
        value = softmax_loss(output, target)
        torch.testing.assert_close(value, softmax_loss(output[kept], target[kept]))
        (gradient,) = torch.autograd.grad(value, output)
        assert (gradient[~kept] == 0).all()
        assert gradient[kept].abs().sum() > 0
    assert (softmax_loss.per_sample(output, target)[~kept] == 0).all()


def test_a_batch_that_is_all_ignored_is_as_that_of_torch(softmax_loss):
    output, target = _batch(softmax_loss)
    output.requires_grad_()
    value = softmax_loss(output, torch.full_like(target, -100))
    expected = torch.nn.CrossEntropyLoss()(output, torch.full_like(target, -100))
    assert value.isnan()
    assert expected.isnan()
    (gradient,) = torch.autograd.grad(value, output)
    assert torch.equal(gradient, torch.autograd.grad(expected, output)[0])


@pytest.mark.parametrize("label", [-1, CLASSES, 255, -101])
@pytest.mark.parametrize("stacked", [False, True])
def test_labels_that_are_none_are_refused(softmax_loss, label, stacked):
    output, target = _batch(softmax_loss)
    target[3] = label
    if not stacked:
        with pytest.raises((RuntimeError, IndexError)):
            softmax_loss(output, target)
        return
    pair = StackedLosses([softmax_loss, copy.deepcopy(softmax_loss)], ["key", "key"])
    for own in (False, True):
        with pytest.raises((RuntimeError, IndexError)):
            pair(output.expand(2, -1, -1), target.expand(2, -1) if own else target, own)


@pytest.mark.parametrize("shape", [(6, 1), (6,), (6, 1, 2, 2)])
@pytest.mark.parametrize("kind", [torch.float32, torch.long])
def test_one_logit_is_no_softmax(softmax_loss, shape, kind):
    """A vector is one sample to a hand-made loss, as it is to torch, whose labels are several."""
    labels = (torch.arange(math.prod(shape)).view(shape) % 2).to(kind)
    for target in (labels, labels.squeeze(1)) if len(shape) > 1 else (labels,):
        with pytest.raises(ValueError, match='problem="binary"'):
            softmax_loss(torch.zeros(shape), target)


@pytest.mark.parametrize("kind", [torch.float32, torch.float64, torch.long, torch.bool])
def test_several_labels_at_once_are_no_classes(softmax_loss, kind):
    output, _ = _batch(softmax_loss)
    several = torch.tensor([[1, 1, 0], [0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 1], [0, 0, 1]])
    with pytest.raises(ValueError, match=r'do not exclude each other .* problem="binary"'):
        softmax_loss(output, several.to(kind))
    assert softmax_loss(
        output,
        several.float() / several.sum(1, True).clamp_min(1) + (several.sum(1, True) == 0) / 3,
    ).isfinite()


def test_labels_of_yes_and_no_are_from_0_to_1(sigmoid_loss):
    output, target = _batch(sigmoid_loss)
    for kind in (torch.bool, torch.long, torch.uint8, torch.float64, torch.bfloat16):
        torch.testing.assert_close(
            sigmoid_loss(output, target.to(kind)), sigmoid_loss(output, target)
        )
    for label in (-100, -1, 2, 255, float("nan")):
        wrong = target.clone()
        wrong[2, 1] = label
        with pytest.raises(ValueError, match="labels from 0 to 1"):
            sigmoid_loss(output, wrong)


def test_shapes_are_not_broadcast(loss):
    output, target = _batch(loss)
    if loss.link.simplex:
        pairs = [(output, target[:1]), (output, target[:, None])]
    else:
        pairs = [(output, target[:1]), (output, target[:, :1]), (output[:, 0], target)]
        if loss.link == Identity():
            pairs.append((output[:, :1], target[:, 0]))
    for pair in pairs:
        with pytest.raises((TypeError, ValueError), match="Expected argument"):
            loss(*pair)


@pytest.mark.parametrize("shape", [(6,), (6, 1), (6, 4), (2, 3, 4, 5)])
def test_entries_of_all_shapes_are_averaged(entrywise, shape):
    output, target = entrywise.link.example(120, 1, torch.Generator().manual_seed(1))
    output, target = (x[: math.prod(shape)].reshape(shape) for x in (output, target))
    each = torch.stack([entrywise(z[None], y[None]) for z, y in zip(output, target, strict=True)])
    entries = torch.stack(
        [
            entrywise(z[None], y[None])
            for z, y in zip(output.flatten(), target.flatten(), strict=True)
        ]
    )
    torch.testing.assert_close(entrywise.per_sample(output, target), each)
    torch.testing.assert_close(
        each, entries.view(shape).flatten(1).mean(1) if len(shape) > 1 else entries
    )
    if shape[1:] == (1,) and entrywise.link == Sigmoid():
        torch.testing.assert_close(entrywise(output, target[:, 0]), entrywise(output, target))
