"""The contract that every loss of this package keeps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import torch
from torch import Tensor, nn

from lightning_lossmeta._example import HasExample
from lightning_lossmeta.losses.checks import check_not_empty, check_sample_weight
from lightning_lossmeta.losses.links import Link, Softmax, without

Reduction = Literal["mean", "sum", "none"]

_HALF = (torch.float16, torch.bfloat16)


class ExactBuffers(nn.Module):
    """A module whose floating-point buffers follow moves to a device, but never casts."""

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Any:
        """Apply as ``nn.Module`` does, then give the buffers their dtype and exact values back."""
        exact = {k: v for k, v in self._buffers.items() if v is not None and v.is_floating_point()}
        for name in exact:
            self._buffers[name] = exact[name].float()
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for name, buffer in exact.items():
            device = self._buffers[name].device  # type: ignore[union-attr]
            dtype = torch.float32 if device.type == "mps" else buffer.dtype
            self._buffers[name] = buffer.to(device=device, dtype=dtype)
        return self


class LossFunction(HasExample, ExactBuffers, ABC):
    """A loss that gives one value per sample, called like ``torch.nn.CrossEntropyLoss``.

    Subclasses write :meth:`per_sample`. Their tensors are non-persistent buffers: losses of one
    class can be stacked and run side by side by ``torch.func.vmap``, and a model's checkpoint does
    not depend on the loss it was trained with. The buffers keep their dtype when a module is cast.

    A subclass that needs arguments also overrides :meth:`example`, by which the contract tests make
    it.

    Args:
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples; samples that the link
            ignores are not counted by the mean.

    Attributes:
        link: What kind of problem it is for, and how outputs become predictions.
        has_progress: Whether it has the buffer ``progress``, which depends on the training: see
            :func:`~lightning_lossmeta.losses.progress_dependent.set_progress`.

        num_classes: The one number of classes that it can be used for; ``None`` for any.

    Raises:
        ValueError: If ``reduction`` is none of the three.
    """

    link: Link = Softmax()
    num_classes: int | None = None
    has_progress: bool = False

    def __init__(self, reduction: Reduction = "mean") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(
                f"Expected argument `reduction` to be 'mean', 'sum' or 'none', got {reduction!r}."
            )
        self.reduction = reduction

    @abstractmethod
    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample.

        Args:
            output: Logits ``(B, n, ...)``, or what the link takes.
            target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``, or what the link
                takes.

        Returns:
            ``(B, ...)``, in the dtype of ``output``.
        """

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample as a function of probabilities, for derivatives with respect to them.

        Losses that are written in h override this by their formula, which is also defined where
        h does not sum to one. The default takes logits log h, so that it equals the loss of
        h / sum_k h_k: right on the simplex, and its derivatives there differ from those of any
        other extension by one number for all classes, which no softmax network notices.

        Args:
            h: Probabilities ``(B, n, ...)``, positive.
            target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.

        Returns:
            ``(B, ...)``.

        Raises:
            TypeError: If the loss takes no probabilities of classes.
        """
        check_class_probabilities(self)
        return self.per_sample(h.log(), target)

    def forward(self, input: Tensor, target: Tensor, sample_weight: Tensor | None = None) -> Tensor:
        """Reduce :meth:`per_sample`; half precision is computed in float32, also under autocast.

        Args:
            input: The outputs, by the name that torch's losses have for them: ``(B, n, ...)``, or
                ``(n,)`` for a single sample of classes.
            target: Its targets.
            sample_weight: Multiplies the loss of each sample, ``(B,)``, or each loss of a sample
                ``(B, ...)``; at least 0. The mean is divided by their sum.

        Raises:
            ValueError: If the batch is empty, or the weights are none.
        """
        check_not_empty(input)
        if self.link.simplex and input.ndim == 1:
            one = None if sample_weight is None else sample_weight.reshape(1)
            loss: Tensor = self(input.unsqueeze(0), target.unsqueeze(0), one)
            return loss.squeeze(0) if self.reduction == "none" else loss
        with torch.autocast(device_type=input.device.type, enabled=False):
            output = input.float() if input.dtype in _HALF else input
            losses = self.per_sample(output, target)
            ignored = self.link.ignored(target) if self.reduction == "mean" else None
            if sample_weight is not None:
                weights = check_sample_weight(sample_weight, losses)
                losses = losses * weights
                if self.reduction == "mean":
                    return losses.sum() / without(weights, ignored).sum()
            if self.reduction == "mean":
                return losses.mean() if ignored is None else losses.sum() / (~ignored).sum()
            return losses.sum() if self.reduction == "sum" else losses


def check_class_probabilities(loss: LossFunction) -> None:
    """Refuse a loss whose predictions are no probabilities of classes that exclude each other.

    Raises:
        TypeError: If its link is another than the softmax.
    """
    if not loss.link.simplex:
        raise TypeError(
            "Expected a classification loss, of probabilities that sum to one over the classes, "
            f"got {type(loss).__name__} with the link {loss.link!r}, which is for "
            f"problem={loss.link.problem!r}."
        )
