"""Symbolic losses with the training's progress t as a further terminal."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor

from lightning_lossmeta.families.expression.loss import ExpressionLoss, ExpressionRegressionLoss
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.losses.progress_dependent import ProgressDependentLoss


class ProgressExpressionLoss(ExpressionLoss, ProgressDependentLoss):
    """An expression of the softmax probability f, the label y and the time t.

    The arguments are those of :class:`~lightning_lossmeta.families.ExpressionLoss`; t may stand
    wherever f and y do, and both of these have to occur.

    Source: Raymond et al. (2024), sections 3.2 and 6.

    >>> import torch
    >>> from lightning_lossmeta.losses import set_progress
    >>> fading = ProgressExpressionLoss("mul(sub(+1, t), square(sub(f, y)))", [1.0] * 7)
    >>> set_progress(fading, 0.5)
    >>> fading(torch.zeros(1, 2), torch.tensor([0]))
    tensor(0.1250)
    """

    space: ClassVar[ExpressionSpace] = ExpressionSpace(progress=True)

    def variables(self, f: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Of f, y and t."""
        return {**super().variables(f, y), "t": self.progress.to(f.dtype)}


class ProgressExpressionRegressionLoss(ExpressionRegressionLoss, ProgressDependentLoss):
    """An expression of the output f, the target y and the time t.

    The arguments are those of :class:`~lightning_lossmeta.families.ExpressionRegressionLoss`.

    Source: Raymond et al. (2024), sections 3.2 and 6.
    """

    space: ClassVar[ExpressionSpace] = ExpressionSpace(progress=True)

    def variables(self, f: Tensor, y: Tensor) -> dict[str, Tensor]:
        """Of f, y and t."""
        return {**super().variables(f, y), "t": self.progress.to(f.dtype)}
