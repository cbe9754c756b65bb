"""Optimisers that read and write each weight once a step."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

#: Optimisers with a fused step on the CPU and on CUDA, by exact type.
FUSED = (torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW)

#: Settings that say how the step is to be computed; who sets one has chosen.
_CHOICES = ("fused", "foreach", "differentiable", "capturable")


def fuse(optimizer: torch.optim.Optimizer, network: nn.Module) -> None:
    """Have an optimiser compute its step in one pass, where PyTorch can and nothing else was asked.

    The numbers are the same but for their rounding. A step of SGD or Adam otherwise passes over
    weights, gradients and moments about ten times, which for a stack of networks is most of what a
    training step takes (``python -m lightning_lossmeta.benchmarks.fused``).

    Args:
        optimizer: Fresh; what it is given to compute is set at its first step. Left as it is unless
            it is SGD, Adam or AdamW over floats on a CPU or CUDA device.
        network: Whose parameters it has; one with sparse gradients has no fused step.
    """
    if type(optimizer) not in FUSED or any(getattr(m, "sparse", False) for m in network.modules()):
        return
    if not all(_can_fuse(group) for group in optimizer.param_groups):
        return

    def begin(fresh: torch.optim.Optimizer, *_: Any) -> None:
        handle.remove()
        if not fresh.state:  # with that of a checkpoint it goes on as it was, fused or not
            for group in fresh.param_groups:
                group["fused"] = True
        _fill_momentum(fresh)

    handle = optimizer.register_step_pre_hook(begin)


def _fill_momentum(optimizer: torch.optim.Optimizer) -> None:
    """Have all weights begin with m_1 = momentum * 0 + gradient, whenever their first step is.

    A fused SGD that finds no buffer for one weight alone, which had no gradient before, fails.
    """
    for group in optimizer.param_groups:
        if group["fused"] and group.get("momentum"):
            for parameter in group["params"]:
                buffer = torch.zeros_like(parameter, requires_grad=False)
                optimizer.state[parameter].setdefault("momentum_buffer", buffer)


def _can_fuse(group: dict[str, Any]) -> bool:
    chosen = any(group.get(name) not in (None, False) for name in _CHOICES)
    refused = group.get("fused") is False or group.get("foreach") is False
    first_step_differs = bool(group.get("momentum")) and group.get("dampening", 0) != 0
    rates = [group[name] for name in ("lr", "weight_decay")]
    if chosen or refused or first_step_differs or any(isinstance(rate, Tensor) for rate in rates):
        return False
    return all(p.is_floating_point() and p.device.type in ("cpu", "cuda") for p in group["params"])
