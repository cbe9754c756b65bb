"""How hand-made classification losses are called: as ``torch.nn.functional.cross_entropy`` is."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction, Reduction
from lightning_lossmeta.losses.checks import (
    check_probabilities,
    check_sample_weight,
    check_shapes,
    check_values,
)
from lightning_lossmeta.losses.links import Softmax

# Log-probabilities (B, n, ...), target, class weights (n,) or None -> weighted losses (B, ...).
Values = Callable[[Tensor, Tensor, Tensor | None], Tensor]
Weight = Sequence[float] | Tensor | None


def evaluate(
    values: Values,
    output: Tensor,
    target: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = -100,
    reduction: Reduction = "mean",
    validate_args: bool = False,
    sample_weight: Tensor | None = None,
) -> Tensor:
    """Call a loss as ``F.cross_entropy`` is called; half precision is computed in float32.

    The mean over samples with class indices is weighted: it is divided by the sum of the samples'
    weights, ignored ones left out. With soft targets it is divided by the number of samples.

    Args:
        values: The loss of each sample, given log-probabilities.
        output: Logits ``(B, n, ...)``, or ``(n,)`` for a single sample.
        target: Class indices ``(B, ...)`` or probabilities of the shape of ``output``.
        weight: One number a class.
        ignore_index: Samples of this class index count nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.
        validate_args: Look for NaN logits and indices outside the range.
        sample_weight: One number a sample, at least 0, beside the weight of its class.

    Raises:
        ValueError: If the arguments do not fit together, or the batch is empty.
        TypeError: If an argument's dtype does not fit.
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(
            f"Expected argument `reduction` to be 'mean', 'sum' or 'none', got {reduction!r}."
        )
    with torch.autocast(device_type=output.device.type, enabled=False):
        single = output.ndim == 1
        if single:
            output, target = output.unsqueeze(0), target.unsqueeze(0)
            sample_weight = None if sample_weight is None else sample_weight.reshape(1)
        check_shapes(output, target, weight)
        if validate_args:
            check_values(output, target, ignore_index)
        if output.dtype in (torch.float16, torch.bfloat16):
            output = output.float()
        losses, shares = _weighted(values, output, target, weight, ignore_index, sample_weight)
        if reduction == "none":
            return losses.squeeze(0) if single else losses
        total = losses.sum()
        return total if reduction == "sum" else total / shares


def _weighted(
    values: Values,
    output: Tensor,
    target: Tensor,
    weight: Tensor | None,
    ignore_index: int,
    sample_weight: Tensor | None,
) -> tuple[Tensor, Tensor | int]:
    """Losses (B, ...), zero where ignored, and what their sum is divided by for a mean."""
    log_h = output.log_softmax(dim=1)
    if weight is not None:
        weight = weight.to(device=output.device, dtype=output.dtype)
    if target.is_floating_point():
        check_probabilities(target)
        losses = values(log_h, target.to(output.dtype), weight)
        if sample_weight is None:
            return losses, losses.numel()
        shares = check_sample_weight(sample_weight, losses)
        return losses * shares, shares.sum()
    target = target.long()
    ignored = target == ignore_index
    target = target.masked_fill(ignored, 0)
    losses = values(log_h, target, weight).masked_fill(ignored, 0.0)
    if weight is None and sample_weight is None:
        return losses, (~ignored).sum()
    shares = torch.ones_like(losses) if weight is None else weight[target]
    if sample_weight is not None:
        factors = check_sample_weight(sample_weight, losses)
        losses, shares = losses * factors, shares * factors
    return losses, shares.masked_fill(ignored, 0.0).sum()


def at_target(
    function: Callable[[Tensor], Tensor], log_h: Tensor, target: Tensor, weight: Tensor | None
) -> Tensor:
    """Sum_k w_k y_k function(log h_k), which for class indices touches the target alone.

    Args:
        function: A function that works element by element.
        log_h: Log-probabilities ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        weight: One number a class.

    Returns:
        ``(B, ...)``.
    """
    if target.is_floating_point():
        return (class_weighted(target, weight) * function(log_h)).sum(dim=1)
    values = function(log_h.gather(1, target.unsqueeze(1)).squeeze(1))
    return values if weight is None else values * weight[target]


def times_weight(losses: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
    """Losses times their sample's weight, w at a class index or sum_k w_k y_k.

    Args:
        losses: ``(B, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        weight: One number a class.

    Returns:
        ``(B, ...)``.
    """
    if weight is None:
        return losses
    if target.is_floating_point():
        return losses * class_weighted(target, weight).sum(dim=1)
    return losses * weight[target]


def class_weighted(values: Tensor, weight: Tensor | None) -> Tensor:
    """Values of each class times the weight of the class, ``(B, n, ...)``.

    Args:
        values: ``(B, n, ...)``.
        weight: One number a class ``(n,)``.
    """
    if weight is None:
        return values
    return values * weight.view([1, -1] + [1] * (values.ndim - 2))


def class_weights(weight: Weight) -> Tensor | None:
    """Class weights, out of a list or a tensor, as float64.

    Args:
        weight: One number a class, or ``None``.

    Raises:
        ValueError: If it is no list of finite numbers of at least 0.

    >>> class_weights([1, 2.5])
    tensor([1.0000, 2.5000], dtype=torch.float64)
    """
    if weight is None:
        return None
    values = torch.as_tensor(weight, dtype=torch.float64)
    if values.ndim != 1:
        raise ValueError(
            f"Expected argument `weight` to hold one number a class, got shape "
            f"{tuple(values.shape)}."
        )
    if not bool(((values >= 0) & values.isfinite()).all()):
        raise ValueError(
            "Expected argument `weight` to hold finite numbers of at least 0, got "
            f"{values.tolist()}."
        )
    return values


class ClassificationLoss(LossFunction):
    """A hand-made loss of log-probabilities, called like ``torch.nn.CrossEntropyLoss``.

    Args:
        weight: One number a class. Multiplies the terms of the class they belong to where the loss
            is a sum over the target's classes, the whole sample elsewhere.
        ignore_index: Samples of this class index count nothing.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.
        validate_args: Look for NaN logits and class indices outside the range at every call. Off
            by default, since reading values makes a GPU wait; it breaks a compiled graph too.

    Raises:
        ValueError: If ``weight`` is no list of numbers, or ``reduction`` is none of the three.
    """

    weight: Tensor | None

    def __init__(
        self,
        weight: Weight = None,
        ignore_index: int = -100,
        reduction: Reduction = "mean",
        validate_args: bool = False,
    ) -> None:
        super().__init__(reduction)
        self.register_buffer("weight", class_weights(weight), persistent=False)
        self.ignore_index = ignore_index
        self.link = Softmax(ignore_index)
        self.validate_args = validate_args

    @abstractmethod
    def values(self, log_h: Tensor, target: Tensor, weight: Tensor | None) -> Tensor:
        """The formula: weighted losses ``(B, ...)`` of log-probabilities ``(B, n, ...)``."""

    def from_log_probabilities(self, log_h: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample without the log-softmax; ``ignore_index`` is not looked for.

        Args:
            log_h: Log-probabilities ``(B, n, ...)``.
            target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.

        Returns:
            ``(B, ...)``.
        """
        return self.values(log_h, target, self.weight_as(log_h))

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The formula at any positive h ``(B, n, ...)``."""
        return self.from_log_probabilities(h.log(), target)

    def weight_as(self, other: Tensor) -> Tensor | None:
        """The class weights in the dtype and on the device of another tensor."""
        return None if self.weight is None else self.weight.to(other)

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Weighted loss of each sample, zero where ignored, (B, n, ...) -> (B, ...)."""
        return self._call(output, target, "none")

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """The loss, reduced as ``F.cross_entropy`` reduces; see :meth:`LossFunction.forward`."""
        return self._call(input, target, self.reduction, sample_weight)

    def _call(
        self,
        output: Tensor,
        target: Tensor,
        reduction: Reduction,
        sample_weight: Tensor | None = None,
    ) -> Tensor:
        return evaluate(
            self.values,
            output,
            target,
            self.weight,
            self.ignore_index,
            reduction,
            self.validate_args,
            sample_weight,
        )
