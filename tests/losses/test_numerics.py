"""Extreme logits, half precision, gradients, compilation and vmap, for every hand-made loss."""

import copy

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from lightning_lossmeta import losses

LOSSES = {
    "CrossEntropy": {},
    "MeanSquaredError": {},
    "MeanAbsoluteError": {},
    "GeneralizedCrossEntropy": {"q": 0.7},
    "TruncatedGeneralizedCrossEntropy": {"q": 0.7, "k": 0.1},
    "SymmetricCrossEntropy": {},
    "BootstrapSoft": {},
    "BootstrapHard": {},
    "ForwardCorrection": {"transition": [[0.9, 0.1, 0.0], [0.0, 1.0, 0.0], [0.2, 0.0, 0.8]]},
    "LabelSmoothing": {},
    "Focal": {"gamma": 2.0},
    "Poly1": {},
    "Baikal": {},
    "AbsoluteCrossEntropy": {},
    "SparseLabelSmoothing": {},
    "FocalSparseLabelSmoothing": {},
    "NormalizedCrossEntropy": {},
    "NCEAndRCE": {},
    "NCEAndMAE": {},
}
each_loss = pytest.mark.parametrize("name", LOSSES)


def build(name, **options):
    return getattr(losses, name)(**LOSSES[name], **options)


EXTREME = torch.tensor(
    [
        [1e4, -1e4, 0.0],
        [-1e4, 1e4, 1e4],
        [-1e4, -1e4, -1e4],
        [0.0, 1e4, -1e4],
        [1e4, 1e4, 1e4],
        [88.0, 0.0, -88.0],
    ]
)
TARGETS = {
    "index": torch.tensor([0, 0, 1, 2, 1, 2]),
    "soft": torch.tensor([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0], [0.0, 0.5, 0.5]] * 2),
}


@each_loss
@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
@pytest.mark.parametrize("autocast", [False, True])
def test_finite_for_extreme_logits(name, kind, dtype, autocast):
    logits = EXTREME.to(dtype, copy=True).requires_grad_()
    with torch.autocast("cpu", torch.bfloat16, enabled=autocast):
        value = build(name)(logits, TARGETS[kind])
    assert value.dtype == (torch.float64 if dtype == torch.float64 else torch.float32)
    assert value.isfinite()
    value.backward()
    assert logits.grad.isfinite().all()
    assert logits.grad.dtype == dtype


@pytest.mark.parametrize("gamma", [0.0, 0.3, 0.99, 1.0, 5.0])
@pytest.mark.parametrize("name", ["Focal", "FocalSparseLabelSmoothing"])
def test_focus_below_one_has_finite_gradients(name, gamma):
    logits = EXTREME.clone().requires_grad_()
    getattr(losses, name)(gamma=gamma)(logits, TARGETS["index"]).backward()
    assert logits.grad.isfinite().all()


@settings(max_examples=100, deadline=None)
@given(
    name=st.sampled_from(sorted(LOSSES)),
    values=hnp.arrays("float32", (2, 3), elements=st.floats(-1e4, 1e4, width=32)),
)
def test_finite_for_any_logits(name, values):
    logits = torch.from_numpy(values).requires_grad_()
    value = build(name)(logits, torch.tensor([0, 2]))
    value.backward()
    assert value.isfinite()
    assert logits.grad.isfinite().all()


@each_loss
def test_shift_of_all_logits_changes_nothing(name):
    logits = torch.randn(5, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 0, 1])
    loss = build(name)
    torch.testing.assert_close(loss(logits + 100, target), loss(logits, target))


@each_loss
@pytest.mark.parametrize("kind", TARGETS)
def test_gradcheck(name, kind):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(3, 3, 2, dtype=torch.float64, generator=generator, requires_grad=True)
    target = TARGETS[kind][:3].unsqueeze(-1).repeat_interleave(2, dim=-1)
    loss = build(name, weight=[0.5, 1.0, 2.0], ignore_index=2)
    assert torch.autograd.gradcheck(lambda z: loss(z, target), logits, fast_mode=True)


@each_loss
def test_compiles_without_graph_breaks(name):
    torch._dynamo.reset()
    loss = build(name, weight=[0.5, 1.0, 2.0])
    # "eager" runs the captured graph as it is: the break is what is looked for, not the compiler.
    compiled = torch.compile(copy.deepcopy(loss), fullgraph=True, backend="eager")
    logits = EXTREME.clone().requires_grad_()
    again = EXTREME.clone().requires_grad_()
    expected, value = loss(logits, TARGETS["index"]), compiled(again, TARGETS["index"])
    torch.testing.assert_close(value, expected)
    value.backward()
    expected.backward()
    torch.testing.assert_close(again.grad, logits.grad)


@each_loss
def test_vmap_over_stacked_networks(name):
    logits = torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(2))
    loss = build(name, weight=[0.5, 1.0, 2.0], ignore_index=2)
    values = torch.func.vmap(loss, in_dims=(0, None))(logits, TARGETS["index"])
    expected = torch.stack([loss(z, TARGETS["index"]) for z in logits])
    torch.testing.assert_close(values, expected)
    gradients = torch.func.vmap(torch.func.grad(loss), in_dims=(0, None))(logits, TARGETS["index"])
    assert gradients.shape == logits.shape


@each_loss
def test_vmap_over_samples(name):
    logits = torch.randn(6, 3, generator=torch.Generator().manual_seed(2))
    loss = build(name, reduction="none")
    values = torch.func.vmap(loss)(logits, TARGETS["index"])
    torch.testing.assert_close(values, loss(logits, TARGETS["index"]))
