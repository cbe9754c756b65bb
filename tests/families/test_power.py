import json
import math

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import PowerFamily, PowerLoss
from lightning_lossmeta.families.base import UnusableLossError
from lightning_lossmeta.losses import (
    GeneralizedCrossEntropy,
    Identity,
    MeanAbsoluteError,
    Sigmoid,
    SymmetricCrossEntropy,
    set_progress,
)

LOGITS = torch.randn(7, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(0)) * 3
TARGET = torch.tensor([0, 1, 2, 3, 4, 0, 1])


def _by_hand(logits, target, a, c, s):
    z = np.exp(logits - logits.max(axis=1, keepdims=True))
    p = (z / z.sum(axis=1, keepdims=True))[np.arange(len(target)), target]
    return (s * ((1 - p**a) / a - c * np.log(p))).mean()


@pytest.mark.parametrize(("a", "c", "s"), [(1.61, 0.017, 1.17), (0.3, 2.0, 0.1), (20.0, 1e-4, 5)])
def test_equals_the_formula_by_hand(a, c, s):
    loss = PowerLoss([math.log(a), math.log(c), math.log(s)])
    expected = _by_hand(LOGITS.numpy(), TARGET.numpy(), a, c, s)
    assert loss(LOGITS, TARGET).item() == pytest.approx(expected, rel=1e-12)


def test_its_gradient_is_the_weight_times_the_error():
    a, c, s = 1.44, 0.02, 0.7
    logits = LOGITS.clone().requires_grad_()
    PowerLoss([math.log(a), math.log(c), math.log(s)], "sum")(logits, TARGET).backward()
    h = LOGITS.softmax(dim=1)
    y = one_hot(TARGET, 5)
    p = (h * y).sum(dim=1, keepdim=True)
    torch.testing.assert_close(logits.grad, s * (p**a + c) * (h - y))


@pytest.mark.parametrize(
    ("name", "loss", "factor", "rtol"),
    [
        ("cross-entropy", torch.nn.CrossEntropyLoss(), 1.0, 1e-3),
        ("GCE", GeneralizedCrossEntropy(0.7), 1.0, 1e-3),
        ("MAE", MeanAbsoluteError(), 0.5, 1e-3),
        ("SCE", SymmetricCrossEntropy(0.1, 1.0, log_zero=-4.0), 0.25, 1e-9),
    ],
)
def test_usual_losses_are_members(name, loss, factor, rtol):
    family = PowerFamily()
    own = family.build(family.baselines()[name])
    expected = factor * loss(LOGITS, TARGET)
    torch.testing.assert_close(own(LOGITS, TARGET), expected, rtol=rtol, atol=1e-9)


def test_soft_targets_are_mixed_class_by_class():
    loss = PowerLoss.example()
    soft = 0.25 * one_hot(TARGET, 5) + 0.75 * one_hot((TARGET + 1) % 5, 5)
    mixed = 0.25 * loss(LOGITS, TARGET) + 0.75 * loss(LOGITS, (TARGET + 1) % 5)
    torch.testing.assert_close(loss(LOGITS, soft.double()), mixed)


def test_one_logit_is_the_same_as_two_classes():
    loss, binary = PowerLoss.example(), PowerLoss.example(Sigmoid())
    z, y = LOGITS[:, 0], TARGET % 2
    two = torch.stack([torch.zeros_like(z), z], dim=1)
    torch.testing.assert_close(binary(z, y), loss(two, y))


@pytest.mark.parametrize("link", [None, Sigmoid()])
@pytest.mark.parametrize("size", [0.0, 1e-6, 200.0, 1e4])
def test_extreme_logits_have_finite_losses_and_gradients(link, size):
    output = torch.tensor([[size, -size], [-size, size]], requires_grad=True)
    target = torch.tensor([0, 0]) if link is None else torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    for theta in ((-10.0, 10.0, 0.0), (10.0, -10.0, 10.0), (0.5, -4.0, 0.2)):
        (gradient,) = torch.autograd.grad(PowerLoss(theta, link=link)(output, target), output)
        assert gradient.isfinite().all()


def test_ignored_samples_count_nothing():
    loss = PowerLoss.example()
    target = TARGET.clone()
    target[3] = -100
    kept = torch.tensor([0, 1, 2, 4, 5, 6])
    torch.testing.assert_close(loss(LOGITS, target), loss(LOGITS[kept], TARGET[kept]))


def test_numbers_move_from_the_first_three_to_the_last():
    first, last = (0.0, -4.0, 0.1), (0.6, -2.0, 0.3)
    loss = PowerLoss([*first, *last])
    for progress in (0.0, 0.25, 1.0):
        set_progress(loss, progress)
        theta = [(1 - progress) * a + progress * b for a, b in zip(first, last, strict=True)]
        torch.testing.assert_close(loss(LOGITS, TARGET), PowerLoss(theta)(LOGITS, TARGET))


def test_comes_back_from_a_file(tmp_path):
    for family in (*PowerFamily.examples(), PowerFamily(progress=True)):
        theta = tuple(0.1 * k for k in range(family.space.dimension))
        Artifact(family, Candidate(None, theta)).save(tmp_path / "best.json")
        again = Artifact.load(tmp_path / "best.json")
        assert again.family == family
        assert again.candidate.theta == theta
        assert "power" in json.loads((tmp_path / "best.json").read_text())["family"]["name"]


def test_numbers_past_the_bounds_are_no_loss():
    with pytest.raises(UnusableLossError, match="from -10 to 10"):
        PowerLoss([11.0, 0.0, 0.0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: PowerLoss([0.0, 0.0]), "3 finite numbers, or 6"),
        (lambda: PowerLoss([0.0, math.nan, 0.0]), "finite"),
        (lambda: PowerLoss([0.0, 0.0, 0.0], link=Identity()), "probabilities"),
        (lambda: PowerFamily(start="mse"), r"one of \['ce', 'gce', 'mae', 'sce'\]"),
        (lambda: PowerFamily(start=[0.0, 0.0]), "3 numbers"),
        (lambda: PowerFamily(start=[0.0, 0.0, 11.0]), "from -10 to 10"),
        (lambda: PowerFamily(problem="regression"), "'classification' or 'binary'"),
        (lambda: PowerFamily().build(Candidate(None, (0.0,) * 6)), "3 numbers"),
        (lambda: PowerFamily().build(Candidate("x", (0.0,) * 3)), "without structure"),
    ],
)
def test_refuses_what_is_no_member(make, message):
    with pytest.raises(ValueError, match=message):
        make()
