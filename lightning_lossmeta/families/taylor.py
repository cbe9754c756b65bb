"""Bivariate Taylor polynomials of prediction and label, in the conventions of both papers."""

from __future__ import annotations

import functools
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily, VectorSpace, class_symbols
from lightning_lossmeta.losses.base import LossFunction, Reduction, soft_target

Term = tuple[int, int]


@dataclass(frozen=True)
class Convention:
    """How a paper writes its polynomial.

    Args:
        sign: The factor in front of the whole sum.
        factorials: Whether the term (i, j) is divided by i! j!.
        label_centre: Where in theta the label's centre is, 0 or 1; the prediction's is the other.
        mixed: The order of the terms with both variables, for the orders that the paper gives.
    """

    sign: float
    factorials: bool
    label_centre: int
    mixed: tuple[Term, ...]

    def terms(self, order: int) -> tuple[Term, ...]:
        """Powers (of the prediction, of the label) in the order of theta[2:].

        >>> CONVENTIONS["taylorglo"].terms(3)
        ((1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2))
        """
        pure = [(i, 0) for i in range(1, order + 1)]
        given = [term for term in self.mixed if sum(term) <= order]
        further = [
            (total - j, j)
            for total in range(2, order + 1)
            for j in range(1, total)
            if (total - j, j) not in given
        ]
        return (*pure, *given, *further)


CONVENTIONS = {
    "taylorglo": Convention(
        sign=-1.0, factorials=False, label_centre=0, mixed=((1, 1), (2, 1), (1, 2))
    ),
    "robust": Convention(
        sign=1.0,
        factorials=True,
        label_centre=1,
        mixed=((1, 1), (1, 2), (2, 1), (3, 1), (1, 3), (2, 2)),
    ),
}

# Powers (of prediction, of label) and coefficients, up to terms without a gradient and a factor.
_STARTS: dict[str, dict[Term, float]] = {
    "zero": {},
    "mse": {(2, 0): 1.0, (1, 1): -2.0},
    "mae": {(1, 0): 1.0, (1, 1): -2.0},
}


class TaylorLoss(LossFunction):
    """A polynomial of the softmax probability h and the label y, averaged over the classes.

    With d = h - (prediction centre) and e = y - (label centre)::

        L = sign * mean_k sum_ij theta_ij d^i e^j [/ (i! j!)],   i >= 1, i + j <= order

    Args:
        theta: The two centres, then one coefficient a term, in the convention's order.
        order: Total degree, at least 1.
        convention: ``"taylorglo"`` (Gonzalez & Miikkulainen) or ``"robust"`` (Gao et al., eq. 4).
        reduction: As in :class:`~lightning_lossmeta.losses.base.LossFunction`.

    Raises:
        ValueError: If ``theta`` has the wrong length or is not finite, or ``order`` < 1.

    >>> mse = TaylorLoss([0, 0, 0, -1, 0, 2, 0, 0])  # equal to MSE but for a constant
    >>> mse(torch.zeros(1, 2), torch.tensor([0]))
    tensor(-0.2500)
    """

    theta: Tensor

    def __init__(
        self,
        theta: Sequence[float],
        order: int = 3,
        convention: str = "taylorglo",
        reduction: Reduction = "mean",
    ) -> None:
        super().__init__(reduction)
        self.order = order
        self.convention = convention
        self.terms = _terms(order, convention)
        if len(theta) != len(self.terms) + 2:
            raise ValueError(
                f"Expected argument `theta` to have {len(self.terms) + 2} entries for order "
                f"{order}, got {len(theta)}."
            )
        if not all(math.isfinite(value) for value in theta):
            raise ValueError(f"Expected argument `theta` to be finite, got {list(theta)}.")
        values = torch.tensor([float(value) for value in theta], dtype=torch.float64)
        self.register_buffer("theta", values, persistent=False)

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample, (B, n, ...) -> (B, ...)."""
        return self.from_probabilities(output.softmax(dim=1), target)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The polynomial itself, of any h (B, n, ...)."""
        style = CONVENTIONS[self.convention]
        theta = self.theta.to(h.dtype)
        d = h - theta[1 - style.label_centre]
        e = soft_target(h, target) - theta[style.label_centre]
        return style.sign * self._polynomial(theta, d, e).mean(dim=1)

    def _polynomial(self, theta: Tensor, d: Tensor, e: Tensor) -> Tensor:
        """Horner's rule in d, whose coefficients are Horner's rule in e."""
        total = self._coefficient(self.order, theta, e)
        for i in range(self.order - 1, 0, -1):
            total = total * d + self._coefficient(i, theta, e)
        return total * d

    def _coefficient(self, i: int, theta: Tensor, e: Tensor) -> Tensor:
        """What d^i is multiplied by."""
        factorials = CONVENTIONS[self.convention].factorials
        position = {term: index + 2 for index, term in enumerate(self.terms)}
        weights = [
            theta[position[i, j]] / (_factorial((i, j)) if factorials else 1)
            for j in range(self.order - i, -1, -1)
        ]
        return functools.reduce(lambda total, weight: total * e + weight, weights)

    def extra_repr(self) -> str:
        """Order and convention for ``print``."""
        return f"order={self.order}, convention={self.convention!r}"


class TaylorFamily(LossFamily):
    """All :class:`TaylorLoss` of one order: 8 parameters at order 3, 12 at order 4.

    Args:
        order: Total degree of the polynomial.
        convention: ``"taylorglo"`` or ``"robust"``.
        start: Where a search begins: ``"zero"``, ``"mse"``, ``"mae"``, or the parameters.

    Raises:
        ValueError: If the order is below 1, the convention or start is unknown, or the start does
            not lie in the family.

    >>> family = TaylorFamily(order=3, start="mse")
    >>> family.formula(Candidate(None, family.space.start))
    'mean_k[ (h)^2 - 2 (h) (y) ]'
    """

    name = "taylor"

    def __init__(
        self, order: int = 3, convention: str = "taylorglo", start: str | list[float] = "zero"
    ) -> None:
        self.order = order
        self.convention = convention
        self.terms = _terms(order, convention)
        self.start = start if isinstance(start, str) else _numbers(start, len(self.terms) + 2)
        self.space = self._space()

    def _space(self) -> VectorSpace:
        names = tuple(f"theta{index}" for index in range(len(self.terms) + 2))
        if not isinstance(self.start, str):
            return VectorSpace(names, tuple(self.start))
        if self.start not in _STARTS:
            raise ValueError(_bad_start(self.start, len(names)))
        wanted = _STARTS[self.start]
        if missing := set(wanted) - set(self.terms):
            raise ValueError(
                f"Expected `order` to be at least {max(map(sum, missing))} for `start` "
                f"{self.start!r}, got {self.order}."
            )
        style = CONVENTIONS[self.convention]
        coefficients = [
            style.sign * wanted.get(term, 0.0) * (_factorial(term) if style.factorials else 1)
            for term in self.terms
        ]
        return VectorSpace(names, (0.0, 0.0, *coefficients))

    def build(self, candidate: Candidate) -> TaylorLoss:
        """The loss with the candidate's coefficients."""
        if candidate.structure is not None:
            raise ValueError(
                f"Expected `structure` of a Taylor candidate to be None, got "
                f"{candidate.structure!r}."
            )
        return TaylorLoss(candidate.theta, self.order, self.convention)

    def read(self, loss: LossFunction) -> Candidate:
        """The coefficients of a :class:`TaylorLoss`."""
        if not isinstance(loss, TaylorLoss):
            raise ValueError(f"Expected a TaylorLoss, got {type(loss).__name__}.")
        return Candidate(None, tuple(loss.theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """The polynomial with four significant digits; zero terms are left out."""
        style = CONVENTIONS[self.convention]
        h = _shifted("h", candidate.theta[1 - style.label_centre])
        y = _shifted("y", candidate.theta[style.label_centre])
        text = ""
        for value, (i, j) in zip(candidate.theta[2:], self.terms, strict=True):
            value *= style.sign / (_factorial((i, j)) if style.factorials else 1)
            if value == 0:
                continue
            sign = ("- " if value < 0 else "+ ") if text else ("-" if value < 0 else "")
            factors = [f"{abs(value):.4g}"] if abs(value) != 1 else []
            factors += [_power(h, i)] + ([_power(y, j)] if j else [])
            text += f" {sign}{' '.join(factors)}"
        return f"mean_k[{text or ' 0'} ]"

    def expression(self, candidate: Candidate) -> Any:
        """The polynomial, term by term, with coefficients as they are."""
        from sympy import Add, Float, Mul
        from sympy.core.parameters import distribute

        style = CONVENTIONS[self.convention]
        h, y = class_symbols()
        with distribute(False):  # keeps a factor in front of its bracket
            d = h - Float(candidate.theta[1 - style.label_centre])
            e = y - Float(candidate.theta[style.label_centre])
            terms = []
            for value, (i, j) in zip(candidate.theta[2:], self.terms, strict=True):
                value *= style.sign / (_factorial((i, j)) if style.factorials else 1)
                terms.append(Mul(Float(value), d**i, e**j))
            return Add(*terms)

    def settings(self) -> dict[str, Any]:
        """Order, convention and start."""
        return {"order": self.order, "convention": self.convention, "start": self.start}


def _terms(order: int, convention: str) -> tuple[Term, ...]:
    if not isinstance(convention, str) or convention not in CONVENTIONS:
        raise ValueError(
            f"Expected argument `convention` to be one of {sorted(CONVENTIONS)}, "
            f"got {convention!r}."
        )
    if isinstance(order, bool) or not isinstance(order, int) or not 1 <= order <= 20:
        raise ValueError(f"Expected argument `order` to be an integer from 1 to 20, got {order!r}.")
    return CONVENTIONS[convention].terms(order)


def _numbers(start: Any, count: int) -> list[float]:
    if not isinstance(start, (list, tuple)) or len(start) != count:
        raise ValueError(_bad_start(start, count))
    for value in start:
        number = isinstance(value, (int, float)) and not isinstance(value, bool)
        if not number or not abs(value) <= sys.float_info.max:
            raise ValueError(_bad_start(start, count))
    return [float(value) for value in start]


def _bad_start(start: Any, count: int) -> str:
    return (
        f"Expected argument `start` to be one of {sorted(_STARTS)} or a list of {count} finite "
        f"numbers, got {start!r:.200}."
    )


def _factorial(term: Term) -> int:
    return math.factorial(term[0]) * math.factorial(term[1])


def _shifted(name: str, centre: float) -> str:
    return f"({name} {'-' if centre > 0 else '+'} {abs(centre):.4g})" if centre else f"({name})"


def _power(base: str, exponent: int) -> str:
    return base if exponent == 1 else f"{base}^{exponent}"
