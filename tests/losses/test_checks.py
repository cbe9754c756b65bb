"""Bad input is refused with the argument's name, what was expected and what came."""

import math

import pytest
import torch

from lightning_lossmeta import losses
from lightning_lossmeta.losses import CrossEntropy, Focal, functional
from lightning_lossmeta.losses.checks import check_interval

LOGITS = torch.zeros(2, 3)


@pytest.mark.parametrize(
    ("output", "target", "error", "message"),
    [
        (torch.zeros(0, 3), torch.zeros(0).long(), ValueError, r"`output`.*empty batch.*\(0, 3\)"),
        (
            torch.zeros(2, 3, 0),
            torch.zeros(2, 0).long(),
            ValueError,
            r"`output`.*empty batch.*\(2, 3, 0\)",
        ),
        (torch.zeros(2, 1), torch.zeros(2).long(), ValueError, r"at least 2 classes.*\(2, 1\)"),
        (torch.zeros(()), torch.zeros(()).long(), ValueError, r"`output`.*got shape \(\)"),
        (LOGITS.long(), torch.zeros(2).long(), TypeError, r"`output`.*torch.int64"),
        (LOGITS, torch.zeros(3).long(), ValueError, r"`target`.*\(2,\).*\(2, 3\).*got \(3,\)"),
        (LOGITS, torch.zeros(2, 3).long(), ValueError, r"`target`.*got \(2, 3\) of torch.int64"),
        (LOGITS, torch.zeros(2, 4), ValueError, r"`target`.*got \(2, 4\)"),
        (LOGITS, torch.zeros(2), TypeError, r"`target`.*integer type, got torch.float32"),
    ],
)
def test_shapes_and_types(output, target, error, message):
    for loss in (CrossEntropy(), functional.focal):
        with pytest.raises(error, match=message):
            loss(output, target)


def test_weight_of_the_wrong_length():
    with pytest.raises(ValueError, match=r"`weight`.*each of the 3 classes, got shape \(2,\)"):
        Focal(weight=[1.0, 2.0])(LOGITS, torch.zeros(2).long())
    with pytest.raises(ValueError, match=r"`weight`.*got shape \(1, 3\)"):
        Focal(weight=torch.ones(1, 3))


def test_reduction_of_a_function():
    with pytest.raises(ValueError, match=r"`reduction`.*got 'avg'"):
        functional.focal(LOGITS, torch.zeros(2).long(), reduction="avg")


@pytest.mark.parametrize("target", [3, -1])
def test_class_index_outside_the_range(target):
    loss = CrossEntropy(validate_args=True)
    with pytest.raises(ValueError, match=rf"`target`.*0 to 2.*\(-100\), got {target}\."):
        loss(LOGITS, torch.tensor([0, target]))
    assert CrossEntropy(ignore_index=target, validate_args=True)(LOGITS, torch.tensor([0, target]))


def test_nan_logits():
    logits = torch.tensor([[math.nan, 0.0, math.nan]])
    with pytest.raises(ValueError, match=r"`output` to hold no NaN, got 2 of 3 logits"):
        functional.baikal(logits, torch.tensor([0]), validate_args=True)
    assert functional.baikal(logits, torch.tensor([0])).isnan()


@pytest.mark.parametrize("entry", [-0.5, math.nan])
def test_soft_targets_that_are_no_probabilities(entry):
    target = torch.tensor([[0.5, 0.5, entry]])
    with pytest.raises(ValueError, match=rf"`target` to hold probabilities, got.*{entry}"):
        functional.focal(LOGITS[:1], target, validate_args=True)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("GeneralizedCrossEntropy", {"q": 0.0}),
        ("GeneralizedCrossEntropy", {"q": 1.1}),
        ("TruncatedGeneralizedCrossEntropy", {"k": 0.0}),
        ("TruncatedGeneralizedCrossEntropy", {"k": 1.0}),
        ("SymmetricCrossEntropy", {"log_zero": 0.0}),
        ("SymmetricCrossEntropy", {"alpha": -1.0}),
        ("NCEAndRCE", {"beta": math.inf}),
        ("NCEAndMAE", {"alpha": math.nan}),
        ("BootstrapSoft", {"beta": 1.5}),
        ("BootstrapHard", {"beta": -0.5}),
        ("LabelSmoothing", {"xi": -0.1}),
        ("SparseLabelSmoothing", {"xi": 1.1}),
        ("SparseLabelSmoothing", {"eps": 0.0}),
        ("FocalSparseLabelSmoothing", {"gamma": -1.0}),
        ("Focal", {"gamma": "2"}),
        ("Poly1", {"epsilon": math.nan}),
        ("AbsoluteCrossEntropy", {"phi1": 0.0}),
        ("AsymmetricGeneralizedCrossEntropy", {"a": 0.0}),
        ("AsymmetricUnhinged", {"a": 1.0}),
        ("NCEAndAGCE", {"q": 0.0}),
        ("NCEAndNNCE", {"smallest": 0.0}),
        ("CEEpsilonAndMAE", {"m": -1.0}),
        ("NCEAndAMSE", {"a": 0.5}),
        ("LogitBias", {"epsilon": math.nan}),
        ("RegressionHuber", {"delta": 0.0}),
    ],
)
def test_parameters_outside_their_interval(name, arguments):
    ((argument, value),) = arguments.items()
    with pytest.raises(ValueError, match=rf"Expected argument `{argument}` .* in .*got {value!r}"):
        getattr(losses, name)(**arguments)


def test_functions_refuse_parameters_too():
    with pytest.raises(ValueError, match=r"`q` to be a number in \(0, 1\], got 2"):
        functional.generalized_cross_entropy(LOGITS, torch.zeros(2).long(), q=2)


@pytest.mark.parametrize(
    ("value", "closed", "fits"),
    [(0, "[]", True), (0, "(]", False), (1, "(]", True), (1, "[)", False), (True, "[]", False)],
)
def test_interval_ends(value, closed, fits):
    if fits:
        assert check_interval("x", value, 0, 1, closed) == value
    else:
        with pytest.raises(ValueError, match="`x`"):
            check_interval("x", value, 0, 1, closed)
