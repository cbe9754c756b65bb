"""Accuracy on validation labels of which some are wrong."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.modules.networks import Networks
from lightning_lossmeta.task import Objective, Task

if TYPE_CHECKING:
    from typing_extensions import Self

#: Labels below which candidates that differ by two points of accuracy can't be told apart.
ENOUGH = 2500


class NoisyAccuracy(Fitness):
    """Scores fits by accuracy on noisy validation labels: no clean label is needed.

    With K classes, noisy labels ~y and predictions k of N samples ::

        without a matrix   mean of [k = ~y]
        with T             mean of (T^-1)[~y, k],   T[i, j] = p(~y = j | y = i)

    Under symmetric noise below (K - 1) / K the first orders classifiers as clean accuracy does, in
    expectation. Where classes are mistaken for certain others it may prefer a network that repeats
    the wrong labels; the second is an unbiased estimate of clean accuracy there (Natarajan et al.
    2013), with more variance. Logs ``val_estimated_accuracy`` and its standard error,
    ``val_estimated_accuracy_error``, the standard deviation of the mean over samples.

    Args:
        transition: The noise's transition matrix T, K rows of K probabilities; by default none.

    Raises:
        ValueError: If the matrix is not square, its rows are no probabilities, or it does not have
            the largest entry of each row on the diagonal, so that most labels of a class are wrong
            in one way and none can tell which class is meant.

    Warns:
        UserWarning: If there are so few validation samples that the error of an accuracy is above
            a point.

    >>> NoisyAccuracy([[0.9, 0.1], [0.2, 0.8]]).objectives
    (Objective(monitor='val_estimated_accuracy', mode='max', weight=1.0),)
    """

    name = "val_estimated_accuracy"
    error_name = "val_estimated_accuracy_error"

    def __init__(self, transition: Sequence[Sequence[float]] | None = None) -> None:
        self.transition = None if transition is None else [list(map(float, r)) for r in transition]
        self._inverse = None if self.transition is None else _inverse(self.transition)

    @classmethod
    def example(cls) -> Self:
        """Without a matrix."""
        return cls()

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """The accuracy on noisy labels."""
        return (Objective(self.name),)

    def prepare(self, task: Task) -> NoisyAccuracy:
        """The fitness itself, once the matrix was seen to fit the task's classes.

        Raises:
            ValueError: If the matrix is for another number of classes.
        """
        classes = getattr(task.data, "num_classes", None)
        if self.transition is not None and isinstance(classes, int):
            _check_classes(self.transition, classes)
        _warn_if_few(task)
        return self

    def on_test_data(self) -> NoisyAccuracy:
        """Without the matrix, since the labels of test data are clean."""
        return NoisyAccuracy()

    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """The indicator of a right prediction, by the matrix if there is one, for each sample.

        Raises:
            ValueError: If targets are no class indices, or the matrix is for other classes.
        """
        if part != SCORED:
            return {}
        with torch.no_grad():
            outputs, targets = networks.outputs(inputs), networks.own(target)
        if targets.is_floating_point() or outputs.dim() != 3:
            raise ValueError(
                "Expected class indices (B,) and logits (B, n) for an accuracy on noisy labels, "
                f"got targets {tuple(target.shape)} of {target.dtype} and outputs "
                f"{tuple(outputs.shape[1:])}."
            )
        return {self.name: _indicator(outputs, targets, self._inverse)}

    def metrics(self, part: str, outputs: Tensor, target: Tensor) -> Mapping[str, Metric]:
        """The standard error of the accuracy."""
        return {self.error_name: _StandardError(self._inverse)} if part == SCORED else {}


class _StandardError(Metric):
    """The standard deviation of the mean of the indicator over samples."""

    full_state_update = False
    total: Tensor
    squares: Tensor
    count: Tensor

    def __init__(self, inverse: Tensor | None) -> None:
        super().__init__()
        self.inverse = inverse
        for name in ("total", "squares", "count"):
            self.add_state(name, torch.zeros((), dtype=torch.float64), dist_reduce_fx="sum")

    def update(self, outputs: Tensor, target: Tensor) -> None:
        values = _indicator(outputs, target, self.inverse).double()
        self.total += values.sum()
        self.squares += values.square().sum()
        self.count += values.numel()

    def compute(self) -> Tensor:
        mean = self.total / self.count
        variance = (self.squares / self.count - mean.square()).clamp_min(0)
        return (variance / (self.count - 1).clamp_min(1)).sqrt().float()


def _indicator(outputs: Tensor, target: Tensor, inverse: Tensor | None) -> Tensor:
    """[k = ~y] or (T^-1)[~y, k] for outputs (..., B, n) and targets (..., B); NaN if not finite."""
    predicted = outputs.argmax(dim=-1)
    if inverse is None:
        values = (predicted == target).float()
    else:
        _check_classes(inverse.tolist(), outputs.shape[-1])
        values = inverse.to(outputs.device)[target, predicted].float()
    return torch.where(outputs.isfinite().all(dim=-1), values, torch.nan)


def _warn_if_few(task: Task) -> None:
    data: Any = task.data
    splits = getattr(data, "splits", None)
    samples = getattr(getattr(splits, "val", None), "targets", None)
    if samples is not None and len(samples) < ENOUGH:
        error = 0.5 / math.sqrt(len(samples))
        warnings.warn(
            f"{type(data).__name__} has {len(samples)} validation samples: the standard error of "
            f"an accuracy on them is up to {100 * error:.1f} points, and candidates that differ by "
            f"less can't be told apart. With {ENOUGH} samples it is a point: raise the size of the "
            "validation split if there are more.",
            stacklevel=4,
        )


def _check_classes(matrix: Sequence[Sequence[float]], classes: int) -> None:
    if len(matrix) != classes:
        raise ValueError(
            f"Expected argument `transition` to be a matrix of {classes} rows, one a class, got "
            f"{len(matrix)}."
        )


def _inverse(matrix: list[list[float]]) -> Tensor:
    size = len(matrix)
    if size < 2 or any(len(row) != size for row in matrix):
        raise ValueError(
            "Expected argument `transition` to be a square matrix of at least 2 rows, got rows of "
            f"{[len(row) for row in matrix]} entries."
        )
    t = torch.tensor(matrix, dtype=torch.float64)
    if not bool((t >= 0).all()) or not bool(((t.sum(dim=1) - 1).abs() < 1e-6).all()):
        raise ValueError(
            "Expected the rows of `transition` to be probabilities that add up to 1, got sums "
            f"{[round(float(value), 4) for value in t.sum(dim=1)]}."
        )
    largest = t.argmax(dim=1)
    if not torch.equal(largest, torch.arange(size)):
        row = int((largest != torch.arange(size)).nonzero()[0])
        raise ValueError(
            "Expected the largest entry of each row of `transition` on its diagonal, got row "
            f"{row} with {float(t[row, row]):g} there and {float(t[row].max()):g} elsewhere: most "
            "labels of that class would be of another."
        )
    if float(torch.linalg.cond(t)) > 1e6:
        raise ValueError(
            "Expected argument `transition` to be a matrix that can be inverted, got one whose "
            f"condition number is {float(torch.linalg.cond(t)):.3g}: its rows say nearly the same."
        )
    inverse: Tensor = torch.linalg.inv(t)
    return inverse
