import math

import numpy as np
import pytest
import torch

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    Normalisation,
    NormalisedFamily,
    NormalisedLoss,
    TaylorFamily,
    TaylorLoss,
)
from lightning_lossmeta.losses import CrossEntropy


def _pairs(classes, seed):
    """Predictions and labels, sampled otherwise than the family samples them, and more densely."""
    generator = np.random.default_rng(seed)
    points = [generator.dirichlet([a] * classes, 400) for a in (0.02, 0.1, 0.5, 1.0, 5.0, 50.0)]
    points.append(np.eye(classes))
    labels = [generator.integers(classes, size=sum(map(len, points)))]
    for label in generator.integers(classes, size=6000):
        point = np.zeros(classes)
        point[label], *levels = generator.dirichlet([0.5] * 3)
        for level in levels:
            size = int(np.exp(generator.uniform(0, np.log(classes))))
            point[generator.choice(classes, size, replace=False)] += level / size
        points.append(point[None])
        labels.append([label])
    return torch.tensor(np.concatenate(points)), torch.tensor(np.concatenate(labels))


@pytest.mark.parametrize(("classes", "eta"), [(2, 1.0), (10, 5.0), (100, 1.0)])
def test_losses_span_the_range_within_one_per_cent(classes, eta):
    points, target = _pairs(classes, seed=classes)
    logits = points.clamp_min(1e-30).log()
    generator = np.random.default_rng(0)
    for number in range(24):
        style = ((3, "taylorglo"), (4, "robust"))[number % 2]
        inner = TaylorFamily(*style)
        family = NormalisedFamily(inner, classes, eta)
        theta = generator.normal(0, (0.3, 1.0, 10.0)[number % 3], inner.space.dimension)
        values = family.build(Candidate(None, tuple(theta))).per_sample(logits, target)
        assert abs(values.min()) < 0.01 * eta
        assert abs(values.max() - eta) < 0.01 * eta


def test_an_extreme_where_one_wrong_class_stands_out_of_many():
    """The target has nothing there, one other class a share, and many equal ones the rest."""
    theta = (0.435, 0.058, 0.102, 0.199, -0.217, -0.159, 0.210, -0.233)
    points, target = _pairs(100, seed=100)
    loss = NormalisedFamily(TaylorFamily(), 100).build(Candidate(None, theta))
    values = loss.per_sample(points.clamp_min(1e-30).log(), target)
    assert abs(values.min()) < 0.005
    assert abs(values.max() - 1) < 0.005


def test_equation_five():
    family = NormalisedFamily(TaylorFamily(start="mse"), 4, eta=3.0)
    candidate = Candidate(None, family.space.start)
    inner, outer = TaylorLoss(candidate.theta), family.build(candidate)
    found = family.normalisation(inner)
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    target = torch.tensor([0, 1, 2, 3, 0, 1])
    # mean_k (h^2 - 2hy): from 1/4 at a wrong corner down to -1/4 at the right one.
    assert found.offset == pytest.approx(-0.25)
    assert found.scale == pytest.approx(3.0 / 0.5)
    expected = 3.0 * (inner.per_sample(logits, target) + 0.25) / 0.5
    torch.testing.assert_close(outer.per_sample(logits, target), expected)
    expected = found.scale * (inner.from_probabilities(2 * logits.exp(), target) + 0.25)
    torch.testing.assert_close(outer.from_probabilities(2 * logits.exp(), target), expected)


def test_one_candidate_has_one_normalisation():
    candidate = Candidate(None, (0.1, 0.2, -0.3, 0.4, 0.5, -0.6, 0.7, 0.8))
    torch.manual_seed(0)
    first = NormalisedFamily(TaylorFamily(), 10).build(candidate)
    torch.manual_seed(1)
    assert NormalisedFamily(TaylorFamily(), 10).build(candidate).normalisation == (
        first.normalisation
    )


@pytest.mark.parametrize(
    "theta",
    [
        (0.0,) * 8,
        (0.0, 0.0, 5.0, *[0.0] * 5),  # mean_k h, a constant but for rounding
        (0.0, 0.25, 5.0, *[0.0] * 5),  # mean_k (h - 1/4): nothing but rounding
        (0.0, 1e150, 0.0, 0.0, 1.0, *[0.0] * 3),
    ],
)
def test_what_does_not_vary_is_refused(theta):
    family = NormalisedFamily(TaylorFamily(), 4)
    with pytest.raises(ValueError, match="Expected a loss that varies over the simplex"):
        family.build(Candidate(None, theta))


def test_reads_back_its_own_losses_alone():
    family = NormalisedFamily(TaylorFamily(), 3)
    candidate = Candidate(None, tuple(0.1 * i for i in range(8)))
    assert family.read(family.build(candidate)) == candidate
    with pytest.raises(ValueError, match="Expected a NormalisedLoss, got TaylorLoss"):
        family.read(TaylorLoss(candidate.theta))


@pytest.mark.parametrize(
    ("offset", "expected"),
    [(0.1, "2 * ( L - 0.1 )"), (-0.1, "2 * ( L + 0.1 )"), (0.0, "2 * ( L - 0 )")],
)
def test_formula_has_one_sign(offset, expected):
    assert Normalisation(2.0, offset, 1.0, 3).formula("L") == expected


def test_formula_of_a_family():
    family = NormalisedFamily(TaylorFamily(start="mse"), 4)
    candidate = Candidate(None, family.space.start)
    assert family.formula(candidate) == "2 * ( mean_k[ (h)^2 - 2 (h) (y) ] + 0.25 )"


def test_constants_keep_their_bits_and_stay_out_of_checkpoints():
    loss = NormalisedLoss(CrossEntropy(), Normalisation(1 / 3, 0.1, 1.0, 2)).half().float()
    assert loss.scale.item() == 1 / 3
    assert loss.offset.item() == 0.1
    assert loss.state_dict() == {}


def test_reduction_is_that_of_the_loss():
    loss = NormalisedLoss(CrossEntropy(reduction="sum"), Normalisation(1.0, 0.0, 1.0, 2))
    assert loss.reduction == "sum"


@pytest.mark.parametrize(
    "change",
    [
        {"scale": 0.0},
        {"scale": -1.0},
        {"scale": math.inf},
        {"offset": math.nan},
        {"offset": "0"},
        {"eta": 0.0},
        {"num_classes": 1},
        {"num_classes": 2.0},
    ],
)
def test_normalisation_refuses(change):
    given = {"scale": 1.0, "offset": 0.0, "eta": 1.0, "num_classes": 2}
    with pytest.raises(ValueError, match=f"`{next(iter(change))}` to be"):
        Normalisation(**(given | change))


def test_family_refuses():
    inner = TaylorFamily()
    with pytest.raises(ValueError, match=r"`eta` to be a number in .*got -1"):
        NormalisedFamily(inner, 3, eta=-1)
    with pytest.raises(ValueError, match="`num_classes` to be an integer of at least 2, got 1"):
        NormalisedFamily(inner, 1)
    with pytest.raises(ValueError, match="`samples` to be an integer of at least 0, got -1"):
        NormalisedFamily(inner, 3, samples=-1)
    with pytest.raises(ValueError, match="`family` not to be normalised"):
        NormalisedFamily(NormalisedFamily(inner, 3), 3)
