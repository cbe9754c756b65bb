"""A loss along lines of the simplex, as numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction, check_class_probabilities
from lightning_lossmeta.theory.attraction import symmetric_logits

# Probabilities evaluated at once: 200 points of 100,000 classes would take 160 MB.
_ENTRIES_AT_ONCE = 2_000_000


def right_class_curve(loss: LossFunction, confidence: Tensor, num_classes: int) -> Tensor:
    """The loss against the probability of the right class, the rest spread evenly.

    For one sample ::

        L(p) = L(h, y),   y = class 0,   h = (p, (1-p)/(n-1), ..., (1-p)/(n-1))

    Args:
        loss: Any classification loss.
        confidence: p ``(G,)``, between 0 and 1, ends excluded.
        num_classes: n, at least 2.

    Returns:
        ``(G,)`` in float64.

    Raises:
        ValueError: If there are fewer than two classes, or a p is not between 0 and 1.

    >>> from lightning_lossmeta.losses import MeanAbsoluteError
    >>> right_class_curve(MeanAbsoluteError(), torch.tensor([0.25, 0.75]), num_classes=10)
    tensor([1.5000, 0.5000], dtype=torch.float64)
    """
    return _at_label(loss, confidence, num_classes, 0)


def wrong_class_curve(loss: LossFunction, confidence: Tensor, num_classes: int) -> Tensor:
    """The loss against the probability of one wrong class, the rest spread evenly.

    For one sample, with the right class among those that share the rest ::

        L(q) = L(h, y),   y = class 1,   h = (q, (1-q)/(n-1), ..., (1-q)/(n-1))

    It stays on the simplex: it exists for every loss, and does not depend on how a formula goes on
    outside. It is what a wrongly labelled sample costs a network that is sure of the true class,
    and it meets :func:`right_class_curve` at 1/n.

    Args:
        loss: Any classification loss.
        confidence: q ``(G,)``, between 0 and 1, ends excluded.
        num_classes: n, at least 2.

    Returns:
        ``(G,)`` in float64.

    Raises:
        ValueError: If there are fewer than two classes, or a q is not between 0 and 1.

    >>> from lightning_lossmeta.losses import MeanAbsoluteError
    >>> wrong_class_curve(MeanAbsoluteError(), torch.tensor([0.1, 0.55]), num_classes=10)
    tensor([1.8000, 1.9000], dtype=torch.float64)
    """
    return _at_label(loss, confidence, num_classes, 1)


def soft_label_map(
    loss: LossFunction, confidence: Tensor, label: Tensor, num_classes: int
) -> Tensor:
    """The loss over the probability h and the label y of one class, on a grid.

    The other classes share evenly what either leaves. The row y = 1 is :func:`right_class_curve`.

    Args:
        loss: Any loss that takes soft targets.
        confidence: h ``(G,)``, between 0 and 1, ends excluded.
        label: y ``(M,)``, from 0 to 1.
        num_classes: n, at least 2.

    Returns:
        ``(M, G)`` in float64.

    Raises:
        ValueError: If there are fewer than two classes, or an h or y lies outside its interval.
    """
    if not bool(((label >= 0) & (label <= 1)).all()):
        raise ValueError(
            f"Expected argument `label` to hold numbers from 0 to 1, got {float(label.min()):g} to "
            f"{float(label.max()):g}."
        )
    check_class_probabilities(loss)
    logits = symmetric_logits(num_classes, confidence.to(torch.float64))
    with torch.no_grad():
        rows = [
            loss.per_sample(logits, _soft_label(y.item(), num_classes).repeat(len(logits), 1))
            for y in label.to(torch.float64)
        ]
    return torch.stack(rows)


def _soft_label(y: float, num_classes: int) -> Tensor:
    target = torch.full((num_classes,), (1 - y) / (num_classes - 1), dtype=torch.float64)
    target[0] = y
    return target


def _at_label(loss: LossFunction, confidence: Tensor, num_classes: int, label: int) -> Tensor:
    check_class_probabilities(loss)
    device = next((buffer.device for buffer in loss.buffers()), torch.device("cpu"))
    rows = max(1, _ENTRIES_AT_ONCE // max(num_classes, 1))
    values = []
    with torch.no_grad():
        for part in torch.split(confidence.to(torch.float64), rows):
            logits = symmetric_logits(num_classes, part).to(device)
            target = torch.full((len(part),), label, device=device)
            values.append(loss.per_sample(logits, target).cpu())
    return torch.cat(values)
