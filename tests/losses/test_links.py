"""Links, the losses made by them, and what is held against them."""

import copy
import pickle

import pytest
import torch
from torch import nn
from torch.nn import functional as F  # noqa: N812

from lightning_lossmeta.analysis import summarise
from lightning_lossmeta.analysis.curves import right_class_curve, soft_label_map
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily, TaylorLoss
from lightning_lossmeta.losses import (
    BinaryCrossEntropy,
    ElementwiseLoss,
    Identity,
    RegressionSquaredError,
    Sigmoid,
    Softmax,
    baseline_losses,
)
from lightning_lossmeta.modules import StackedLosses
from lightning_lossmeta.theory import learning_rule, logit_step, pull_to_push, trainable

LINKS = [Softmax(), Sigmoid(), Identity()]
SHAPES = [(6,), (6, 1), (6, 5), (2, 3, 4, 5)]


class Squared(ElementwiseLoss):
    def values(self, prediction, label):
        return (prediction - label).square()


def _pair(shape, seed=0, scale=1.0):
    generator = torch.Generator().manual_seed(seed)
    output = scale * torch.randn(shape, generator=generator, dtype=torch.float64)
    return output.requires_grad_(), torch.randint(2, shape, generator=generator).double()


def _value_and_gradient(loss, output, target):
    value = loss(output, target)
    return value, torch.autograd.grad(value, output)[0]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("scale", [1.0, 1e4])
@pytest.mark.parametrize("soft", [False, True])
def test_binary_cross_entropy_is_that_of_torch(shape, scale, soft):
    output, target = _pair(shape, scale=scale)
    target = 0.25 + target / 2 if soft else target
    found = _value_and_gradient(BinaryCrossEntropy(), output, target)
    expected = _value_and_gradient(nn.BCEWithLogitsLoss(), output, target)
    torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("shape", SHAPES)
def test_one_formula_serves_all_links(shape):
    output, target = _pair(shape)
    for link, predict in ((Sigmoid(), torch.sigmoid), (Identity(), lambda z: z)):
        found = _value_and_gradient(Squared(link), output, target)
        expected = _value_and_gradient(lambda z, y: F.mse_loss(predict(z), y), output, target)  # noqa: B023
        torch.testing.assert_close(found, expected)


def test_the_softmax_is_over_the_classes():
    output, _ = _pair((2, 5, 3, 4))
    target = torch.arange(24).view(2, 3, 4) % 5
    onehot = F.one_hot(target, 5).movedim(-1, 1).double()
    found = _value_and_gradient(Squared(), output, target)
    expected = _value_and_gradient(lambda z, y: F.mse_loss(z.softmax(1), y), output, onehot)
    torch.testing.assert_close(found, expected)


def test_another_index_can_be_ignored():
    output, _ = _pair((4, 3))
    target = torch.tensor([0, 255, 2, 1])
    loss = Squared(Softmax(ignore_index=255))
    assert torch.equal(loss(output, target), loss(output[[0, 2, 3]], target[[0, 2, 3]]))
    with pytest.raises(RuntimeError):
        loss(output, torch.tensor([0, -100, 2, 1]))
    with pytest.raises(RuntimeError):
        Squared()(output, target)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_class_indices_of_any_integer_type(dtype):
    output, _ = _pair((4, 3))
    target = torch.tensor([0, 2, 2, 1])
    assert torch.equal(Squared()(output, target.to(dtype)), Squared()(output, target))


def test_a_compiled_stack_refuses_labels_that_are_none():
    stacked = StackedLosses([Squared(), Squared()], ["key", "key"])
    compiled = torch.compile(stacked)
    output, target = torch.randn(2, 6, 4), torch.arange(6) % 4
    torch.testing.assert_close(compiled(output, target), stacked(output, target))
    target[2] = -100
    torch.testing.assert_close(compiled(output, target), stacked(output, target))
    for label in (-1, 4, 255):
        target[2] = label
        with pytest.raises(RuntimeError):
            compiled(output, target)


@pytest.mark.parametrize("link", LINKS)
def test_links_are_values(link):
    for other in (copy.deepcopy(link), pickle.loads(pickle.dumps(link)), type(link)()):
        assert other == link
        assert hash(other) == hash(link)
    assert [other == link for other in LINKS].count(True) == 1
    assert repr(link) in repr(Squared(link)) or link == Softmax()


@pytest.mark.parametrize("link", LINKS)
def test_a_perfect_output_has_no_error_and_baselines_reach_it(link):
    output, target = link.example(30, 3, torch.Generator().manual_seed(0))
    label = link.label(output, target)
    perfect = label if link == Identity() else 50 * (2 * label - 1)
    assert (link.error(perfect, target) == 0).all()
    assert link.error(output, target).mean() > 0.3
    for name, loss in baseline_losses(link).items():
        assert loss.link == link
        assert loss(perfect, target) < 1e-6, name
        assert loss(output, target) > 0.1, name


def test_a_link_of_ones_own():
    class Half(Identity):
        def predict(self, output):
            return output / 2

    output, target = _pair((6, 2))
    expected = F.mse_loss(output / 2, target)
    torch.testing.assert_close(Squared(Half())(output, target), expected)


@pytest.mark.parametrize("loss", [TaylorLoss([0.1] * 8, link=Sigmoid()), BinaryCrossEntropy()])
@pytest.mark.parametrize("link", [Sigmoid(), Identity()])
def test_what_is_said_of_classes_is_not_said_of_others(loss, link):
    loss = RegressionSquaredError() if link == Identity() else loss
    points, target = torch.full((2, 3), 1 / 3), torch.tensor([0, 1])
    grid = torch.tensor([0.2, 0.8])
    questions = (
        lambda: loss.from_probabilities(points, target),
        lambda: learning_rule(loss, points, target),
        lambda: logit_step(loss, points, target),
        lambda: trainable(loss, 3),
        lambda: pull_to_push(loss, 3),
        lambda: right_class_curve(loss, grid, 3),
        lambda: soft_label_map(loss, grid, grid, 3),
        lambda: summarise(loss, 3),
    )
    for question in questions:
        with pytest.raises(
            TypeError, match=f"classification loss, .* for problem='{link.problem}'"
        ):
            question()


@pytest.mark.parametrize("problem", ["binary", "regression"])
def test_only_losses_of_classes_are_normalised_over_the_simplex(problem):
    family = NormalisedFamily(TaylorFamily(start="mse", problem=problem), num_classes=3)
    with pytest.raises(TypeError, match="Expected a classification loss"):
        family.build(family.family.baselines().popitem()[1])


def test_ignored_samples_stay_ignored_when_normalised():
    family = NormalisedFamily(TaylorFamily(start="mse"), num_classes=3)
    loss = family.build(family.baselines()["mse"])
    output, target = torch.randn(4, 3), torch.tensor([0, -100, 2, 1])
    assert (loss.per_sample(output, target) == 0).tolist() == [False, True, False, False]
    torch.testing.assert_close(loss(output, target), loss(output[[0, 2, 3]], target[[0, 2, 3]]))
