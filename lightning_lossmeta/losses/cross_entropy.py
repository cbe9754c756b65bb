"""Cross-entropy against the target, or against a target that is smoothed."""

from __future__ import annotations

from functools import partial

from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.classification import (
    ClassificationLoss,
    Weight,
    at_target,
    class_weighted,
    evaluate,
)


def _cross_entropy(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    return at_target(Tensor.neg, log_h, target, weight)


def _label_smoothing(log_h: Tensor, target: Tensor, weight: Tensor | None, xi: float) -> Tensor:
    uniform = class_weighted(log_h, weight).mean(dim=1)
    return (1 - xi) * at_target(Tensor.neg, log_h, target, weight) - xi * uniform


def cross_entropy(
    output: Tensor,
    target: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`CrossEntropy`.

    >>> import torch
    >>> cross_entropy(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.3863)
    """
    return evaluate(_cross_entropy, output, target, weight, ignore_index, reduction, validate_args)


def label_smoothing(
    output: Tensor,
    target: Tensor,
    xi: float = 0.1,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`LabelSmoothing`.

    >>> import torch
    >>> label_smoothing(torch.tensor([[2.0, 0.0]]), torch.tensor([0]), xi=0.1)
    tensor(0.2269)
    """
    values = partial(_label_smoothing, xi=check_interval("xi", xi, 0, 1))
    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class CrossEntropy(ClassificationLoss):
    """Cross-entropy, equal to ``torch.nn.CrossEntropyLoss``.

    For each sample ::

        L = -sum_k y_k log h_k

    The arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    >>> import torch
    >>> CrossEntropy()(torch.zeros(1, 4), torch.tensor([0]))
    tensor(1.3863)
    """

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_k y_k log h_k."""
        return _cross_entropy(log_h, target, weight)


class LabelSmoothing(ClassificationLoss):
    """Cross-entropy with smoothed targets, equal to ``CrossEntropyLoss(label_smoothing=xi)``.

    For each sample ::

        L = -sum_k [y_k (1 - xi) + xi/n] log h_k

    Args:
        xi: How much of the target is spread over all classes, 0 to 1.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``xi`` lies outside its interval.

    Source: Szegedy et al. (2016), section 7.
    """

    def __init__(
        self,
        xi: float = 0.1,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        self.xi = check_interval("xi", xi, 0, 1)

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_k [y_k (1 - xi) + xi/n] log h_k."""
        return _label_smoothing(log_h, target, weight, self.xi)

    def extra_repr(self) -> str:
        """The parameter, for ``print``."""
        return f"xi={self.xi}"
