"""Values, gradients and figures of theory against an independent list of them."""

import json
import math
import os
import re
from pathlib import Path

import pytest
import torch

from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.losses import functional
from lightning_lossmeta.theory import (
    attraction_strength,
    null_epoch_rule,
    taylor_coefficients,
    trainable,
    zero_error_rule,
)

GOLDEN = json.loads(
    Path(os.environ.get("LOSSMETA_GOLDEN") or Path(__file__).with_name("golden.json")).read_text()
)
CLOSE = {"rtol": 1e-9, "atol": 1e-9}


def _numbered(entries, name):
    return [pytest.param(e, id=f"{name(e)}-{i}") for i, e in enumerate(entries)]


def _logits(entry):
    if isinstance(entry["logits"], list):
        return torch.tensor(entry["logits"], dtype=torch.float64)
    assert entry["logits"] == "3*sin(0.37*arange(B*C)).reshape(B,C)"
    batch, classes = entry["shape"]
    angles = 0.37 * torch.arange(batch * classes, dtype=torch.float64)
    return (3 * angles.sin()).reshape(batch, classes)


def _loss(entry, num_classes):
    """The loss that an entry like 'focal(gamma=2.0)' names."""
    name, arguments = re.fullmatch(r"(\w+)(?:\((.*)\))?", entry["loss"]).groups()
    if name == "taylor_glo":
        return TaylorLoss(entry["parameters"])
    if name == "taylor_robust":
        return TaylorLoss(entry["parameters"], order=4, convention="robust")
    parameters = {}
    if arguments == "T=0.6*I+0.1":
        parameters["transition"] = 0.6 * torch.eye(num_classes, dtype=torch.float64) + 0.1
    elif arguments:
        pairs = (pair.split("=") for pair in arguments.split(","))
        parameters = {key: float(value) for key, value in pairs}
    function = getattr(functional, name)
    return lambda logits, target: function(logits, target, **parameters)


@pytest.mark.parametrize("entry", _numbered(GOLDEN["losses"], lambda e: e["loss"].split("(")[0]))
def test_golden_loss(entry):
    logits = _logits(entry).requires_grad_()
    target = torch.tensor(entry["target"])
    value = _loss(entry, logits.shape[1])(logits, target)
    (gradient,) = torch.autograd.grad(value, logits)
    assert math.isclose(value.item(), entry["value"], rel_tol=1e-9, abs_tol=1e-9)
    if "grad" in entry:
        expected = torch.tensor(entry["grad"], dtype=torch.float64)
        torch.testing.assert_close(gradient, expected, **CLOSE)
    else:
        assert math.isclose(gradient.norm().item(), entry["grad_norm"], rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("entry", _numbered(GOLDEN["attraction"], lambda e: e["n"]))
def test_golden_attraction(entry):
    strength = attraction_strength(
        torch.tensor(entry["gamma_target"], dtype=torch.float64),
        torch.tensor(entry["gamma_nontarget"], dtype=torch.float64),
        torch.tensor(entry["epsilon"], dtype=torch.float64),
        entry["n"],
    )
    assert math.isclose(strength.item(), entry["strength"], rel_tol=1e-9, abs_tol=1e-9)


@pytest.mark.parametrize("entry", _numbered(GOLDEN["invariant"], lambda e: e["n"]))
def test_golden_invariant(entry):
    coefficients = taylor_coefficients(entry["parameters"])
    for name, value in entry["coefficients"].items():
        assert math.isclose(getattr(coefficients, name), value, rel_tol=1e-9, abs_tol=1e-9), name
    for name, value in zip("abc", zero_error_rule(coefficients), strict=True):
        assert math.isclose(value, entry[name], rel_tol=1e-9, abs_tol=1e-9), name

    loss, n = TaylorLoss(entry["parameters"]), entry["n"]
    target, nontarget = null_epoch_rule(loss, n)
    assert math.isclose(target, entry["gamma_target"], rel_tol=1e-9, abs_tol=1e-9)
    assert math.isclose(nontarget, entry["gamma_nontarget"], rel_tol=1e-9, abs_tol=1e-9)
    assert trainable(loss, n) == entry["exact_trainable"]
    assert trainable(loss, n, test="published") == entry["theorem3_trainable"]
