"""Every hand-made loss is called as ``F.cross_entropy`` is, and computes its formula."""

import inspect
import math

import pytest
import torch
import torch.nn.functional as F  # noqa: N812

from lightning_lossmeta import losses
from lightning_lossmeta.losses import ClassificationLoss, functional
from lightning_lossmeta.losses.classification import at_target

T4 = torch.tensor(
    [[0.7, 0.1, 0.2, 0.0], [0.0, 0.9, 0.1, 0.0], [0.0, 0.0, 1.0, 0.0], [0.1, 0.1, 0.1, 0.7]],
    dtype=torch.float64,
)

# Class, function, parameters, and the formula of one sample written down once more: h and y are
# the lists of n probabilities.
FORMULAS = {
    "CrossEntropy": ({}, lambda h, y: -sum(b * math.log(a) for a, b in zip(h, y, strict=True))),
    "MeanSquaredError": (
        {},
        lambda h, y: sum((a - b) ** 2 for a, b in zip(h, y, strict=True)) / len(h),
    ),
    "MeanAbsoluteError": ({}, lambda h, y: sum(abs(a - b) for a, b in zip(h, y, strict=True))),
    "GeneralizedCrossEntropy": (
        {"q": 0.3},
        lambda h, y: sum(b * (1 - a**0.3) / 0.3 for a, b in zip(h, y, strict=True)),
    ),
    "TruncatedGeneralizedCrossEntropy": (
        {"q": 0.3, "k": 0.4},
        lambda h, y: sum(b * (1 - max(a, 0.4) ** 0.3) / 0.3 for a, b in zip(h, y, strict=True)),
    ),
    "SymmetricCrossEntropy": (
        {"alpha": 0.5, "beta": 2.0, "log_zero": -6.0},
        lambda h, y: (
            0.5 * FORMULAS["CrossEntropy"][1](h, y)
            - 2 * sum(a * (max(math.log(b), -6) if b else -6) for a, b in zip(h, y, strict=True))
        ),
    ),
    "BootstrapSoft": (
        {"beta": 0.7},
        lambda h, y: -sum((0.7 * b + 0.3 * a) * math.log(a) for a, b in zip(h, y, strict=True)),
    ),
    "BootstrapHard": (
        {"beta": 0.7},
        lambda h, y: 0.7 * FORMULAS["CrossEntropy"][1](h, y) - 0.3 * math.log(max(h)),
    ),
    "ForwardCorrection": (
        {"transition": T4},
        lambda h, y: (
            -sum(
                b * math.log(sum(a * float(T4[i, j]) for i, a in enumerate(h)))
                for j, b in enumerate(y)
            )
        ),
    ),
    "LabelSmoothing": (
        {"xi": 0.3},
        lambda h, y: (
            -sum((0.7 * b + 0.3 / len(h)) * math.log(a) for a, b in zip(h, y, strict=True))
        ),
    ),
    "Focal": (
        {"gamma": 1.5},
        lambda h, y: -sum(b * (1 - a) ** 1.5 * math.log(a) for a, b in zip(h, y, strict=True)),
    ),
    "Poly1": (
        {"epsilon": -0.5},
        lambda h, y: sum(b * (-math.log(a) - 0.5 * (1 - a)) for a, b in zip(h, y, strict=True)),
    ),
    "Baikal": (
        {},
        lambda h, y: sum(b / a - math.log(a) for a, b in zip(h, y, strict=True)) / len(h),
    ),
    "AbsoluteCrossEntropy": (
        {"phi0": 2.0, "phi1": 1.7},
        lambda h, y: sum(2 * b * abs(math.log(1.7 * a)) for a, b in zip(h, y, strict=True)),
    ),
    "SparseLabelSmoothing": (
        {"xi": 0.2, "eps": 1e-3},
        lambda h, y: (
            -sum(
                b
                * (
                    (0.8 + 0.2 / len(h)) * math.log(a)
                    + 0.2 * (len(h) - 1) / len(h) * math.log((1 - a + 1e-3) / (len(h) - 1))
                )
                for a, b in zip(h, y, strict=True)
            )
        ),
    ),
    "FocalSparseLabelSmoothing": (
        {"xi": 0.2, "gamma": 1.5, "eps": 1e-3},
        lambda h, y: (
            -sum(
                b
                * (
                    (1 - a) ** 1.5 * (0.8 + 0.2 / len(h)) * math.log(a)
                    + a**1.5 * 0.2 * (len(h) - 1) / len(h) * math.log((1 - a + 1e-3) / (len(h) - 1))
                )
                for a, b in zip(h, y, strict=True)
            )
        ),
    ),
    "NormalizedCrossEntropy": (
        {},
        lambda h, y: (
            sum(b * math.log(a) for a, b in zip(h, y, strict=True)) / sum(map(math.log, h))
        ),
    ),
    "NCEAndRCE": (
        {"alpha": 2.0, "beta": 0.5, "log_zero": -5.0},
        lambda h, y: (
            2 * FORMULAS["NormalizedCrossEntropy"][1](h, y)
            - 0.5 * sum(a * (max(math.log(b), -5) if b else -5) for a, b in zip(h, y, strict=True))
        ),
    ),
    "NCEAndMAE": (
        {"alpha": 2.0, "beta": 0.5},
        lambda h, y: (
            2 * FORMULAS["NormalizedCrossEntropy"][1](h, y)
            + 0.5 * FORMULAS["MeanAbsoluteError"][1](h, y)
        ),
    ),
    "AsymmetricGeneralizedCrossEntropy": (
        {"a": 4.0, "q": 0.2},
        lambda h, y: sum(b * (5**0.2 - (4 + a) ** 0.2) / 0.2 for a, b in zip(h, y, strict=True)),
    ),
    "AsymmetricUnhinged": (
        {"a": 3.0, "q": 0.1},
        lambda h, y: sum(b * ((3 - a) ** 0.1 - 2**0.1) / 0.1 for a, b in zip(h, y, strict=True)),
    ),
    "NCEAndAGCE": (
        {"alpha": 2.0, "beta": 0.5, "a": 6.0, "q": 1.5},
        lambda h, y: (
            2 * FORMULAS["NormalizedCrossEntropy"][1](h, y)
            + 0.5 * sum(b * (7**1.5 - (6 + a) ** 1.5) / 1.5 for a, b in zip(h, y, strict=True))
        ),
    ),
    "NCEAndNNCE": (
        {"alpha": 2.0, "beta": 0.5, "smallest": 1e-7},
        lambda h, y: (
            2 * FORMULAS["NormalizedCrossEntropy"][1](h, y)
            + 0.5
            - 0.5
            * sum(b * math.log(max(a, 1e-7) / 1e-7) for a, b in zip(h, y, strict=True))
            / sum(math.log(max(a, 1e-7) / 1e-7) for a in h)
        ),
    ),
    "CEEpsilonAndMAE": (
        {"alpha": 0.5, "beta": 2.0, "m": 9.0, "smallest": 0.01},
        lambda h, y: (
            -0.5
            * sum(
                b * math.log(max((a + 9 * (k == h.index(max(h)))) / 10, 0.01))
                for k, (a, b) in enumerate(zip(h, y, strict=True))
            )
            + 2 * FORMULAS["MeanAbsoluteError"][1](h, y)
        ),
    ),
    "NCEAndAMSE": (
        {"alpha": 2.0, "beta": 0.5, "a": 30.0},
        lambda h, y: (
            2 * FORMULAS["NormalizedCrossEntropy"][1](h, y)
            + 0.5 * sum((a - 30 * b) ** 2 for a, b in zip(h, y, strict=True)) / len(h)
        ),
    ),
    "LogitBias": (
        {"epsilon": 1.5},
        lambda h, y: FORMULAS["MeanAbsoluteError"][1](_biased(h, y), y),
    ),
}


def _biased(h, y):
    """Softmax of the logits log h with 1.5 more at the target."""
    powers = [a * math.exp(1.5 * b) for a, b in zip(h, y, strict=True)]
    return [power / sum(powers) for power in powers]


FUNCTIONS = {
    "NCEAndRCE": "nce_and_rce",
    "NCEAndAGCE": "nce_and_agce",
    "NCEAndNNCE": "nce_and_nnce",
    "NCEAndAMSE": "nce_and_amse",
    "CEEpsilonAndMAE": "ce_epsilon_and_mae",
    "NCEAndMAE": "nce_and_mae",
    "Poly1": "poly1",
}


def function_of(name):
    snake = "".join("_" + c.lower() if c.isupper() else c for c in name).lstrip("_")
    return getattr(functional, FUNCTIONS.get(name, snake))


def build(name, **options):
    return getattr(losses, name)(**FORMULAS[name][0], **options)


def draw(*shape, classes=4, seed=0):
    generator = torch.Generator().manual_seed(seed)
    logits = 2 * torch.randn(shape[0], classes, *shape[1:], generator=generator).double()
    return logits, torch.randint(classes, shape, generator=generator)


each_loss = pytest.mark.parametrize("name", FORMULAS)


def test_no_loss_is_left_out():
    public = [getattr(losses, name) for name in losses.__all__]
    classes = {
        c.__name__
        for c in public
        if inspect.isclass(c) and issubclass(c, ClassificationLoss) and c is not ClassificationLoss
    }
    assert classes == set(FORMULAS)
    assert {function_of(name).__name__ for name in FORMULAS} == set(functional.__all__)


@each_loss
@pytest.mark.parametrize("kind", ["index", "soft"])
def test_formula(name, kind):
    logits, index = draw(7)
    soft = draw(7, seed=1)[0].softmax(1)
    target = index if kind == "index" else soft
    rows = F.one_hot(index, 4).double() if kind == "index" else soft
    expected = [
        FORMULAS[name][1](h, y)
        for h, y in zip(logits.softmax(1).tolist(), rows.tolist(), strict=True)
    ]
    values = build(name, reduction="none")(logits, target)
    expected = torch.tensor(expected, dtype=torch.float64)
    torch.testing.assert_close(values, expected, rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(
        build(name).from_probabilities(logits.softmax(1), target), values, rtol=1e-10, atol=1e-10
    )


@each_loss
def test_one_hot_targets_are_class_indices(name):
    logits, index = draw(5, 2)
    one_hot = F.one_hot(index, 4).movedim(-1, 1).double()
    loss = build(name, weight=[0.5, 1.0, 2.0, 3.0], reduction="none")
    torch.testing.assert_close(loss(logits, one_hot), loss(logits, index))


@each_loss
def test_function_and_module_are_one(name):
    logits, index = draw(6)
    parameters = FORMULAS[name][0]
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0])
    options = {"ignore_index": 1, "reduction": "sum", "validate_args": True}
    expected = build(name, weight=weight, **options)(logits, index)
    value = function_of(name)(logits, index, **parameters, weight=weight, **options)
    assert value == expected
    defaults = {"transition": T4} if name == "ForwardCorrection" else {}
    ours = inspect.signature(getattr(losses, name)).parameters
    theirs = inspect.signature(function_of(name)).parameters
    assert all(theirs[key].default == ours[key].default for key in ours if key in theirs)
    assert getattr(losses, name)(**defaults)(logits, index) == function_of(name)(
        logits, index, **defaults
    )


@pytest.mark.parametrize("shape", [(6,), (3, 5), (2, 3, 4)])
@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("weight", [None, torch.tensor([0.5, 1.0, 2.0, 3.0]).double()])
@pytest.mark.parametrize("kind", ["index", "ignored", "soft"])
@pytest.mark.parametrize(("name", "xi"), [("CrossEntropy", 0.0), ("LabelSmoothing", 0.3)])
def test_call_equals_cross_entropy(name, xi, kind, weight, reduction, shape):
    logits, target = draw(*shape)
    ignore_index = 2 if kind == "ignored" else -100
    if kind == "soft":
        target = draw(*shape, seed=1)[0].softmax(1)
    loss = build(name, weight=weight, ignore_index=ignore_index, reduction=reduction)
    expected = F.cross_entropy(
        logits,
        target,
        weight,
        ignore_index=ignore_index,
        reduction=reduction,
        label_smoothing=xi,
    )
    torch.testing.assert_close(loss(logits, target), expected)


@each_loss
def test_trailing_dimensions_are_further_samples(name):
    logits, target = draw(3, 2, 2)
    flat = logits.movedim(1, -1).reshape(-1, 4), target.reshape(-1)
    loss = build(name, weight=[0.5, 1.0, 2.0, 3.0], ignore_index=0)
    torch.testing.assert_close(loss(logits, target), loss(*flat))
    assert loss.per_sample(logits, target).shape == target.shape


@each_loss
def test_ignored_samples_have_no_value_and_no_gradient(name):
    logits, target = draw(5)
    target[1] = -1
    logits.requires_grad_()
    loss = build(name, ignore_index=-1)
    rest = [0, 2, 3, 4]
    torch.testing.assert_close(loss(logits, target), loss(logits[rest], target[rest]))
    loss(logits, target).backward()
    assert logits.grad[1].eq(0).all()
    assert logits.grad[rest].ne(0).any()


@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "LabelSmoothing"])
def test_weighted_mean_is_over_weights(name):
    logits, target = draw(6)
    weight = torch.tensor([0.5, 1.0, 2.0, 3.0]).double()
    plain = build(name, reduction="none")(logits, target)
    expected = (plain * weight[target]).sum() / weight[target].sum()
    torch.testing.assert_close(build(name, weight=weight)(logits, target), expected)


@each_loss
def test_single_sample_without_batch(name):
    logits, target = draw(1)
    loss = build(name, reduction="none")
    value = loss(logits[0], target[0])
    assert value.shape == ()
    torch.testing.assert_close(value, loss(logits, target)[0])


@pytest.mark.parametrize("classes", [2, 100_000])
@pytest.mark.parametrize("name", [n for n in FORMULAS if n != "ForwardCorrection"])
def test_number_of_classes(name, classes):
    logits = torch.zeros(2, classes).requires_grad_()
    value = build(name)(logits, torch.tensor([0, classes - 1]))
    if classes == 2:
        expected = [FORMULAS[name][1]([0.5, 0.5], y) for y in ([1.0, 0.0], [0.0, 1.0])]
        assert value.item() == pytest.approx(sum(expected) / 2, rel=1e-5)
    value.backward()
    assert logits.grad.isfinite().all()
    assert value.isfinite()


def test_class_indices_touch_the_target_alone():
    log_h = torch.full((2, 3), math.nan)
    log_h[0, 1] = log_h[1, 2] = -1.0
    values = at_target(torch.exp, log_h, torch.tensor([1, 2]), None)
    torch.testing.assert_close(values, torch.full((2,), math.exp(-1)))


@each_loss
def test_checkpoints_do_not_hold_the_loss(name):
    loss = build(name, weight=[1.0, 2.0, 3.0, 4.0])
    assert not loss.state_dict()
    assert loss.half().weight.dtype == torch.float64
