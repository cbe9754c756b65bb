"""A loss along lines of the simplex, as numbers."""

from __future__ import annotations

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction

# Probabilities evaluated at once: 100,000 classes at 200 points would take 160 MB else.
_CHUNK = 2_000_000


def even_rest(confidence: Tensor, num_classes: int) -> Tensor:
    """Predictions with a given probability at class 0 and the rest spread evenly.

    Args:
        confidence: Probabilities of class 0 ``(G,)``.
        num_classes: n, at least 2.

    Returns:
        ``(G, n)`` in float64.

    Raises:
        ValueError: If there are fewer than two classes.

    >>> even_rest(torch.tensor([0.5]), 3)
    tensor([[0.5000, 0.2500, 0.2500]], dtype=torch.float64)
    """
    check_classes(num_classes)
    p = confidence.to(torch.float64)[:, None]
    rest = ((1 - p) / (num_classes - 1)).expand(-1, num_classes - 1)
    return torch.cat([p, rest], dim=1)


def right_class_curve(loss: LossFunction, confidence: Tensor, num_classes: int) -> Tensor:
    """The loss against the probability of the right class, the rest spread evenly.

    For one sample ::

        L(p) = L(h, y),   y = class 0,   h = (p, (1-p)/(n-1), ..., (1-p)/(n-1))

    Args:
        loss: Any classification loss.
        confidence: p ``(G,)``, strictly between 0 and 1.
        num_classes: n, at least 2.

    Returns:
        ``(G,)`` in float64.
    """
    return _at_label(loss, confidence, num_classes, 0)


def wrong_class_curve(loss: LossFunction, confidence: Tensor, num_classes: int) -> Tensor:
    """The loss against the probability of one wrong class, the rest spread evenly.

    For one sample, with the right class among those that share the rest ::

        L(q) = L(h, y),   y = class 1,   h = (q, (1-q)/(n-1), ..., (1-q)/(n-1))

    It stays on the simplex, so that it exists for every loss and does not depend on how a formula
    is continued outside; it is what a sample with a wrong label costs a network that is sure of
    the right one. It meets :func:`right_class_curve` at 1/n.

    Args:
        loss: Any classification loss.
        confidence: q ``(G,)``, strictly between 0 and 1.
        num_classes: n, at least 2.

    Returns:
        ``(G,)`` in float64.
    """
    return _at_label(loss, confidence, num_classes, 1)


def soft_label_map(
    loss: LossFunction, confidence: Tensor, label: Tensor, num_classes: int
) -> Tensor:
    """The loss over (h, y) of one class, the other classes sharing what is left of each evenly.

    Args:
        loss: Any loss that takes soft targets.
        confidence: h ``(G,)``, strictly between 0 and 1.
        label: y ``(M,)``, from 0 to 1.
        num_classes: n, at least 2.

    Returns:
        ``(M, G)`` in float64.
    """
    rows = even_rest(label, num_classes)
    logits = even_rest(confidence, num_classes).log()
    with torch.no_grad():
        values = [
            loss.per_sample(logits, row.expand(len(logits), -1).contiguous()) for row in rows
        ]
    return torch.stack(values).cpu()


def check_classes(num_classes: int) -> None:
    """Refuse a class count below 2.

    Raises:
        ValueError: Naming what was expected and what came.
    """
    if isinstance(num_classes, bool) or not isinstance(num_classes, int) or num_classes < 2:
        raise ValueError(
            f"Expected argument `num_classes` to be an integer of at least 2, got {num_classes!r}."
        )


def _at_label(loss: LossFunction, confidence: Tensor, num_classes: int, label: int) -> Tensor:
    check_classes(num_classes)
    device = next((buffer.device for buffer in loss.buffers()), torch.device("cpu"))
    with torch.no_grad():
        values = []
        for part in confidence.split(max(1, _CHUNK // num_classes)):
            logits = even_rest(part, num_classes).log().to(device)
            values.append(loss.per_sample(logits, torch.full((len(part),), label, device=device)))
    return torch.cat(values).detach().cpu()
