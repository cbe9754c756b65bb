"""What the losses refuse, and how they say so."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def check_interval(name: str, value: float, low: float, high: float, closed: str = "[]") -> float:
    """Check that a number lies in an interval, and return it.

    Args:
        name: Name of the argument, for the message.
        value: The number to check.
        low: The lower end of the interval.
        high: The upper end of the interval.
        closed: A bracket for each end: ``[]``, ``(]``, ``[)`` or ``()``.

    Raises:
        ValueError: If ``value`` is no finite number, or lies outside.

    >>> check_interval("q", 0.7, 0, 1, "(]")
    0.7
    """
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    inside = (
        number
        and (low < value or (closed[0] == "[" and value == low))
        and (value < high or (closed[1] == "]" and value == high))
    )
    if not inside or not math.isfinite(value):
        raise ValueError(
            f"Expected argument `{name}` to be a number in "
            f"{closed[0]}{low:g}, {high:g}{closed[1]}, got {value!r}."
        )
    return value


def check_not_empty(output: Tensor) -> None:
    """Refuse an empty batch, whose mean is no number.

    Args:
        output: What a network puts out ``(B, ...)``.

    Raises:
        ValueError: If it has no entries.
    """
    if output.numel() == 0:
        raise ValueError(
            "Expected argument `output` to hold at least one sample, got an empty batch of shape "
            f"{tuple(output.shape)}."
        )


def check_sample_weight(sample_weight: Tensor, losses: Tensor) -> Tensor:
    """Check weights of samples, and return them in the shape and dtype of the losses.

    Values are looked at where that makes no device wait.

    Args:
        sample_weight: One number a sample ``(B,)``, or one for each of its losses ``(B, ...)``.
        losses: ``(B, ...)``.

    Raises:
        ValueError: If the shape is another, or a weight is negative, infinite or NaN.

    >>> check_sample_weight(torch.tensor([1, 2]), torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """
    if sample_weight.shape not in (losses.shape, losses.shape[:1]):
        raise ValueError(
            f"Expected argument `sample_weight` to hold one number for each of the {len(losses)} "
            f"samples, or one for each of their losses, of shape {tuple(losses.shape)}, got "
            f"{tuple(sample_weight.shape)}."
        )
    if can_be_read(sample_weight):
        wrong = sample_weight[~((sample_weight >= 0) & (sample_weight < math.inf))]
        if wrong.numel():
            raise ValueError(
                "Expected argument `sample_weight` to hold finite numbers of at least 0, got "
                f"{float(wrong[0]):g}."
            )
    weights = sample_weight.detach().to(losses)
    return weights.view(-1, *[1] * (losses.ndim - weights.ndim), *weights.shape[1:]).expand_as(
        losses
    )


def check_shapes(output: Tensor, target: Tensor, weight: Tensor | None) -> None:
    """Refuse logits, targets and weights that do not fit together; reads no values.

    Args:
        output: Logits ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        weight: One number a class ``(n,)``.

    Raises:
        ValueError: If shapes do not fit, the batch is empty, or there are fewer than two classes.
        TypeError: If logits are no floating-point numbers, or indices no integers.
    """
    check_class_shapes(output, target)
    check_not_empty(output)
    if weight is not None and weight.shape != (output.shape[1],):
        raise ValueError(
            f"Expected argument `weight` to hold one number for each of the {output.shape[1]} "
            f"classes, got shape {tuple(weight.shape)}."
        )


def check_class_shapes(output: Tensor, target: Tensor) -> None:
    """Refuse logits and targets that are not of classes, or do not fit together.

    Args:
        output: Logits ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.

    Raises:
        ValueError: If shapes do not fit, or there are fewer than two classes.
        TypeError: If logits are no floating-point numbers, or indices no integers.
    """
    if not output.is_floating_point():
        raise TypeError(
            f"Expected argument `output` to hold floating-point logits, got {output.dtype}."
        )
    if output.ndim < 2 or output.shape[1] < 2:
        raise ValueError(
            "Expected argument `output` to hold logits of shape (batch, classes, ...) with at "
            f"least 2 classes, got shape {tuple(output.shape)}: {_ONE_LOGIT}."
        )
    indices = output.shape[:1] + output.shape[2:]
    soft = target.is_floating_point()
    if target.shape == (output.shape if soft else indices):
        return
    if soft and target.shape == indices:
        raise TypeError(
            f"Expected argument `target` of shape {tuple(indices)} to hold class indices of an "
            f"integer type, got {target.dtype}."
        )
    several = f": {_SEVERAL}" if target.shape == output.shape else ""
    raise ValueError(
        f"Expected argument `target` to hold class indices of shape {tuple(indices)} or "
        f"floating-point probabilities of shape {tuple(output.shape)} for `output` of shape "
        f"{tuple(output.shape)}, got {tuple(target.shape)} of {target.dtype}{several}."
    )


_BINARY = 'BinaryCrossEntropy, or a loss learned with problem="binary"'
_ONE_LOGIT = f"a softmax of one logit is always 1, train it with {_BINARY}"
_SEVERAL = f"train labels that do not exclude each other with {_BINARY}"

# Sums of probabilities that someone rounded to a few digits, or half precision did.
_ROUNDED = 0.02


def check_probabilities(target: Tensor) -> None:
    """Refuse soft targets that are no probabilities, where that makes no device wait.

    Args:
        target: Probabilities of the classes ``(B, n, ...)``.

    Raises:
        ValueError: If an entry is negative, or a sum over the classes is not one, as that of
            several labels at once.
    """
    if not can_be_read(target):
        return
    sums = target.sum(dim=1)
    wrong = ~((sums - 1).abs() <= _ROUNDED)
    if bool(wrong.any()):
        raise ValueError(
            "Expected argument `target` to hold probabilities that sum to one over the classes, "
            f"got a sum of {float(sums[wrong][0]):g}: {_SEVERAL}."
        )
    if bool((target < 0).any()):
        raise ValueError(
            f"Expected argument `target` to hold probabilities, got {float(target.min()):g}."
        )


def check_one_shape(output: Tensor, target: Tensor) -> None:
    """Refuse outputs and targets of two shapes, of which nothing is broadcast.

    Args:
        output: What a network puts out ``(B, ...)``.
        target: What it should put out, of the same shape.

    Raises:
        ValueError: If the shapes differ, or there is no batch.
        TypeError: If the outputs are no floating-point numbers.
    """
    if not output.is_floating_point():
        raise TypeError(
            f"Expected argument `output` to hold floating-point numbers, got {output.dtype}."
        )
    if output.shape != target.shape or output.ndim == 0:
        raise ValueError(
            "Expected arguments `output` and `target` to have one shape (batch, ...), got "
            f"{tuple(output.shape)} and {tuple(target.shape)}."
        )


def can_be_read(values: Tensor) -> bool:
    """Whether a look at values costs little: on the CPU, outside of ``vmap`` and of compilers."""
    return (
        values.device.type == "cpu"
        and not torch.compiler.is_compiling()
        and not torch._C._functorch.is_batchedtensor(values)
    )


def check_values(output: Tensor, target: Tensor, ignore_index: int) -> None:
    """Refuse NaN logits and values that are no targets; reads them, which makes a GPU wait.

    Args:
        output: Logits ``(B, n, ...)``.
        target: Class indices ``(B, ...)`` or probabilities ``(B, n, ...)``.
        ignore_index: The one index that may lie outside the range.

    Raises:
        ValueError: If a logit is NaN, or a target lies outside of its range.
    """
    nans = int(torch.isnan(output).sum())
    if nans:
        raise ValueError(
            f"Expected argument `output` to hold no NaN, got {nans} of {output.numel()} logits."
        )
    if target.is_floating_point():
        lowest = float(target.min())
        if not lowest >= 0:
            raise ValueError(
                f"Expected argument `target` to hold probabilities, got an entry of {lowest}."
            )
        return
    outside = (target < 0) | (target >= output.shape[1])
    wrong = target[outside & (target != ignore_index)]
    if wrong.numel():
        raise ValueError(
            f"Expected argument `target` to hold class indices from 0 to {output.shape[1] - 1}, or "
            f"`ignore_index` ({ignore_index}), got {int(wrong[0])}."
        )
