"""Which class a target means, whatever form it has."""

from __future__ import annotations

import torch
from torch import Tensor


def class_indices(outputs: Tensor, target: Tensor) -> Tensor | None:
    """Class indices (C, B) of targets for logits (C, B, n), the likeliest of probabilities.

    ``None`` where targets are neither indices (C, B) nor rows (C, B, n) that add up to one, and of
    a single output, which tells no classes apart.
    """
    if outputs.dim() != 3 or outputs.shape[-1] < 2:
        return None
    if not target.is_floating_point():
        return target if target.dim() == 2 else None
    if target.shape != outputs.shape:
        return None
    rounding = target.shape[-1] * max(1e-5, torch.finfo(target.dtype).eps)
    sums = target.float().sum(dim=-1)
    probabilities = bool((target >= 0).all()) and bool(((sums - 1).abs() <= rounding).all())
    return target.argmax(dim=-1) if probabilities else None
