"""Cross-entropy of the noisy labels that a known confusion makes of the predictions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from torch import Tensor

from lightning_lossmeta.losses.base import Reduction
from lightning_lossmeta.losses.classification import (
    ClassificationLoss,
    Weight,
    at_target,
    evaluate,
    times_weight,
)

if TYPE_CHECKING:
    from typing_extensions import Self


def _forward_correction(
    log_h: Tensor, target: Tensor, weight: Tensor | None, transition: Tensor
) -> Tensor:
    if transition.shape[0] != log_h.shape[1]:
        raise ValueError(
            f"Expected argument `transition` to be {log_h.shape[1]} by {log_h.shape[1]} for as "
            f"many classes, got {tuple(transition.shape)}."
        )
    log_transition = transition.to(log_h).log()
    if target.is_floating_point():
        # (B, i, 1, ...) + (i, j, ...) -> (B, j, ...)
        columns = log_transition.view(*transition.shape, *[1] * (log_h.ndim - 2))
        log_noisy = (log_h.unsqueeze(2) + columns).logsumexp(dim=1)
        return at_target(Tensor.neg, log_noisy, target, weight)
    column = F.embedding(target, log_transition.T).movedim(-1, 1)  # refuses indices below 0
    return times_weight(-(log_h + column).logsumexp(dim=1), target, weight)


def forward_correction(
    output: Tensor,
    target: Tensor,
    transition: Tensor,
    *,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
) -> Tensor:
    """Functional form of :class:`ForwardCorrection`; looks at the values of T only if asked to.

    >>> forward_correction(torch.zeros(1, 2), torch.tensor([0]), torch.eye(2))
    tensor(0.6931)
    """
    _check_shape(transition)
    if validate_args:
        _check_rows(transition)

    def values(log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        return _forward_correction(log_h, target, weight, transition)

    return evaluate(values, output, target, weight, ignore_index, reduction, validate_args)


class ForwardCorrection(ClassificationLoss):
    """Cross-entropy after the predictions went through the label noise.

    For each sample ::

        L = -sum_j y_j log (h T)_j,   T[i, j] = P(noisy label j given true label i)

    Args:
        transition: T, n by n, rows summing to one; for every j some T[i, j] is positive.

    The further arguments are those of
    :class:`~lightning_lossmeta.losses.classification.ClassificationLoss`.

    Raises:
        ValueError: If ``transition`` is no such matrix.

    Source: Patrini et al. (2017), theorem 2.

    >>> loss = ForwardCorrection([[0.8, 0.2], [0.2, 0.8]])
    >>> loss(torch.tensor([[30.0, 0.0]]), torch.tensor([1]))  # -log 0.2, however sure
    tensor(1.6094)
    """

    transition: Tensor

    def __init__(
        self,
        transition: Sequence[Sequence[float]] | Tensor,
        *,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(weight, ignore_index, reduction, validate_args)
        matrix = torch.as_tensor(transition, dtype=torch.float64)
        _check_shape(matrix)
        _check_rows(matrix)
        self.register_buffer("transition", matrix, persistent=False)

    @classmethod
    def example(cls) -> Self:
        """For three classes."""
        return cls([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])

    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """-sum_j y_j log (h T)_j."""
        return _forward_correction(log_h, target, weight, self.transition)

    def extra_repr(self) -> str:
        """The number of classes, for ``print``."""
        return f"num_classes={len(self.transition)}"


def _check_shape(transition: Tensor) -> None:
    if transition.ndim != 2 or transition.shape[0] != transition.shape[1]:
        raise ValueError(
            "Expected argument `transition` to be a square matrix, got shape "
            f"{tuple(transition.shape)}."
        )


def _check_rows(transition: Tensor) -> None:
    sums = transition.sum(dim=1)
    if not (bool((transition >= 0).all()) and bool(((sums - 1).abs() < 1e-3).all())):
        raise ValueError(
            "Expected argument `transition` to hold probabilities, each row summing to 1, got "
            f"entries from {float(transition.min()):g} and rows summing to "
            f"{float(sums.min()):g} to {float(sums.max()):g}."
        )
    never = (transition.sum(dim=0) == 0).nonzero().flatten().tolist()
    if never:
        raise ValueError(
            "Expected argument `transition` to let every label occur, got columns of zeros: "
            f"{never}."
        )
