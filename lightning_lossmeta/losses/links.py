"""Links between what a network puts out and what an element-wise loss compares."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from lightning_lossmeta.losses.checks import (
    can_be_read,
    check_class_shapes,
    check_one_shape,
    check_probabilities,
)

Assumptions = dict[str, bool]


class Link(ABC):
    """How outputs become predictions, targets labels, and a loss's entries one value a sample.

    Links hold no tensors and are equal if their class and settings are, so that losses of one link
    can be stacked.

    Attributes:
        problem: What it is for, as the families' argument ``problem`` has it.
        letter: The prediction in formulas: h for a probability, f for a number.
        simplex: Whether the predictions of a sample are probabilities of classes that exclude each
            other, so that they sum to one.
        assumptions: What SymPy is to know of a prediction and of a label.
    """

    problem: ClassVar[str]
    letter: ClassVar[str] = "h"
    simplex: ClassVar[bool] = False
    assumptions: ClassVar[tuple[Assumptions, Assumptions]] = (
        {"positive": True},
        {"nonnegative": True},
    )

    @abstractmethod
    def predict(self, output: Tensor) -> Tensor:
        """Predictions ``(B, ...)`` of outputs of that shape."""

    @abstractmethod
    def label(self, output: Tensor, target: Tensor) -> Tensor:
        """The target as labels of the shape and dtype of the outputs.

        Raises:
            ValueError: If outputs and target do not fit together, or, where they can be read
                without making a device wait, the target's values are no labels.
            TypeError: If an argument's dtype does not fit.
        """

    @abstractmethod
    def example(
        self, samples: int, entries: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Standard normal outputs ``(samples, entries)`` in float64, and targets of all kinds."""

    @abstractmethod
    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """How wrong outputs ``(B, n)`` are, entry by entry or sample by sample; 0 is right."""

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        """The mean over the entries of each sample, (B, ...) -> (B,)."""
        return values.flatten(1).mean(dim=1) if values.ndim > 1 else values

    def ignored(self, target: Tensor) -> Tensor | None:
        """Which samples count nothing, or ``None`` if all count."""
        return None

    def averaged(self, formula: str) -> str:
        """The formula of a loss whose entries have this one."""
        return f"mean[ {formula} ]"

    def symbols(self) -> tuple[Any, Any]:
        """SymPy's symbols of a prediction and its label."""
        from sympy import Symbol  # takes half a second, which only exports need

        prediction, label = self.assumptions
        return Symbol(self.letter, **prediction), Symbol("y", **label)


@dataclass(frozen=True)
class Softmax(Link):
    """Classes that exclude each other: h = softmax(z), averaged over the classes.

    Outputs are logits ``(B, n, ...)``, targets class indices ``(B, ...)`` or probabilities
    ``(B, n, ...)``, whose sums over the classes are one. An index outside of 0 to n - 1 makes
    torch raise, on a GPU and in a compiled graph too.

    Args:
        ignore_index: Samples of this class index count nothing.

    >>> Softmax().label(torch.zeros(2, 3), torch.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """

    ignore_index: int = -100

    problem: ClassVar[str] = "classification"
    simplex: ClassVar[bool] = True

    def predict(self, output: Tensor) -> Tensor:
        """H = softmax(z), over the second dimension."""
        return output.softmax(dim=1)

    def label(self, output: Tensor, target: Tensor) -> Tensor:
        """One-hot or soft labels ``(B, n, ...)``; those of ignored samples are of class 0."""
        check_class_shapes(output, target)
        if target.is_floating_point():
            check_probabilities(target)
            return target.to(output.dtype)
        return soft_target(output, target.masked_fill(target == self.ignore_index, 0))

    def reduce(self, values: Tensor, target: Tensor) -> Tensor:
        """The mean over the classes, (B, n, ...) -> (B, ...); zero where ignored."""
        return without(values.mean(dim=1), self.ignored(target))

    def ignored(self, target: Tensor) -> Tensor | None:
        """Where the class index is the one to ignore; soft targets all count."""
        return None if target.is_floating_point() else target == self.ignore_index

    def averaged(self, formula: str) -> str:
        """The mean over the classes k."""
        return f"mean_k[ {formula} ]"

    def example(
        self, samples: int, entries: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Logits, and class indices, each as often as the others."""
        output = torch.randn(samples, entries, dtype=torch.float64, generator=generator)
        return output, torch.arange(samples) % entries

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """1 where another class than the target has the greatest logit, (B, n) -> (B,)."""
        return (output.argmax(dim=1) != target).double()


@dataclass(frozen=True)
class Sigmoid(Link):
    """Yes or no, once or several times a sample: h = sigmoid(z), averaged over the entries.

    Outputs are logits: one a sample ``(B,)`` or ``(B, 1)``, several that do not exclude each other
    ``(B, n)`` (multi-label), or one a pixel ``(B, C, H, W)``. Targets have that shape and hold
    numbers from 0 to 1, integers or booleans; a dimension of one channel may be left out.

    >>> Sigmoid().predict(torch.zeros(2, 1))
    tensor([[0.5000],
            [0.5000]])
    """

    problem: ClassVar[str] = "binary"

    def predict(self, output: Tensor) -> Tensor:
        """H = sigmoid(z)."""
        return output.sigmoid()

    def label(self, output: Tensor, target: Tensor) -> Tensor:
        """Labels y from 0 to 1."""
        if output.shape[1:2] == (1,) and target.shape == output.shape[:1] + output.shape[2:]:
            target = target.unsqueeze(1)
        check_one_shape(output, target)
        if can_be_read(target) and not bool(((target >= 0) & (target <= 1)).all()):
            raise ValueError(
                "Expected argument `target` to hold labels from 0 to 1, one a logit, got "
                f"{float(target.min()):g} to {float(target.max()):g}."
            )
        return target.to(output.dtype)

    def example(
        self, samples: int, entries: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Logits, and labels 0 and 1 in turn."""
        output = torch.randn(samples, entries, dtype=torch.float64, generator=generator)
        return output, (torch.arange(samples)[:, None] + torch.arange(entries)).double() % 2

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """1 where the logit is on the other side of 0 than the label is of 1/2."""
        return ((output > 0) != (target > 0.5)).double()


@dataclass(frozen=True)
class Identity(Link):
    """Numbers: the prediction is the output f, averaged over a sample's entries.

    Outputs and targets have one shape ``(B, ...)``; nothing is broadcast.
    """

    problem: ClassVar[str] = "regression"
    letter: ClassVar[str] = "f"
    assumptions: ClassVar[tuple[dict[str, bool], dict[str, bool]]] = (
        {"real": True},
        {"real": True},
    )

    def predict(self, output: Tensor) -> Tensor:
        """The output itself."""
        return output

    def label(self, output: Tensor, target: Tensor) -> Tensor:
        """The target itself."""
        check_one_shape(output, target)
        return target.to(output.dtype)

    def example(
        self, samples: int, entries: int, generator: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """Outputs, and standard normal targets that they know nothing of."""
        both = torch.randn(2, samples, entries, dtype=torch.float64, generator=generator)
        return both[0], both[1]

    def error(self, output: Tensor, target: Tensor) -> Tensor:
        """(f - y)^2."""
        return (output - target).square()


#: One of each.
LINKS: tuple[Link, ...] = (Softmax(), Sigmoid(), Identity())


def soft_target(output: Tensor, target: Tensor) -> Tensor:
    """The target as probabilities of the shape and dtype of ``output``.

    Args:
        output: Logits ``(B, n, ...)``.
        target: Class indices ``(B, ...)``, or probabilities ``(B, n, ...)``, passed through.

    Raises:
        ValueError: If neither shape fits.
        RuntimeError: If an index lies outside of 0 to n - 1; on a GPU the device raises.

    >>> soft_target(torch.zeros(2, 3), torch.tensor([2, 0]))
    tensor([[0., 0., 1.],
            [1., 0., 0.]])
    """
    if target.shape == output.shape and target.is_floating_point():
        return target.to(output.dtype)
    check_class_shapes(output, target)
    index = target.long().unsqueeze(1)
    zeros = torch.zeros(output.shape, dtype=output.dtype, device=output.device)
    label = zeros.scatter(1, index, 1.0)
    if torch.compiler.is_compiling():
        # A compiled scatter is a comparison, which any index passes; a gather has to look it up.
        label = label.masked_fill(output.detach().gather(1, index).isnan(), torch.nan)
    return label


def without(losses: Tensor, ignored: Tensor | None) -> Tensor:
    """Losses with zeros where a sample is ignored."""
    return losses if ignored is None else losses.masked_fill(ignored, 0.0)
