"""The family of Taylor losses."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.problem import PROBLEMS, Problem, link_of, own_loss
from lightning_lossmeta.families.spaces import VectorSpace
from lightning_lossmeta.families.taylor_loss import (
    CONVENTIONS,
    TaylorLoss,
    Term,
    factorial,
    taylor_terms,
)
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from typing_extensions import Self

# Powers (of prediction, of label) and coefficients, up to terms without a gradient.
_SQUARED: dict[Term, float] = {(2, 0): 1.0, (1, 1): -2.0}
_ABSOLUTE: dict[Term, float] = {(1, 0): 1.0, (1, 1): -2.0}

_STARTS: dict[str, dict[str, dict[Term, float]]] = {
    "classification": {"zero": {}, "mse": _SQUARED, "mae": _ABSOLUTE},
    "binary": {"zero": {}, "mse": _SQUARED, "mae": _ABSOLUTE},
    "regression": {"zero": {}, "mse": _SQUARED},
}

_BASELINES: dict[str, dict[str, dict[Term, float]]] = {
    "classification": {"mse": _SQUARED, "mae": _ABSOLUTE},
    "binary": {"mse": _SQUARED, "mae": _ABSOLUTE},
    "regression": {"squared error": _SQUARED},
}


class TaylorFamily(LossFamily):
    """All Taylor polynomials of one order: 8 parameters at order 3, 12 at order 4.

    Args:
        order: Total degree of the polynomial.
        convention: ``"taylorglo"`` or ``"robust"``.
        start: Where a search begins: ``"mse"``, ``"mae"`` (of probabilities alone), ``"zero"``, or
            the parameters. Terms without a gradient in the prediction are left out.
        problem: ``"classification"``: a polynomial of a softmax probability and its entry of the
            one-hot or soft target, averaged over the classes; ``"binary"``: of a sigmoid
            probability and its label, for one logit or several that do not exclude each other;
            ``"regression"``: of an output and its target.

    Raises:
        ValueError: If the order is below 1, the convention, start or problem is unknown, or the
            start does not lie in the family.

    >>> family = TaylorFamily(order=3, start="mse")
    >>> family.formula(Candidate(None, family.space.start))
    'mean_k[ (h)^2 - 2 (h) (y) ]'
    """

    name = "taylor"
    space: VectorSpace
    former_settings: ClassVar[Mapping[str, str]] = {"task": "problem"}

    #: Settings that older artefacts lack; they mean the default.
    later_settings: ClassVar[frozenset[str]] = frozenset({"problem"})

    def __init__(
        self,
        order: int = 3,
        convention: str = "taylorglo",
        start: str | list[float] = "mse",
        problem: Problem = "classification",
    ) -> None:
        self.link = link_of(problem)
        self.problem = problem
        self.order = order
        self.convention = convention
        self.terms = taylor_terms(order, convention)
        self.start = start if isinstance(start, str) else self._checked_start(start)
        names = tuple(f"theta{index}" for index in range(len(self.terms) + 2))
        self.space = VectorSpace(names, self._start_theta())

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls(problem=problem) for problem in PROBLEMS]

    def _start_theta(self) -> tuple[float, ...]:
        if not isinstance(self.start, str):
            return tuple(self.start)
        if self.start not in _STARTS[self.problem]:
            raise ValueError(self._bad_start(self.start))
        wanted = _STARTS[self.problem][self.start]
        if missing := set(wanted) - set(self.terms):
            raise ValueError(
                f"Expected `order` to be at least {max(map(sum, missing))} for `start` "
                f"{self.start!r}, got {self.order}."
            )
        return self._theta(wanted)

    def _theta(self, wanted: dict[Term, float]) -> tuple[float, ...]:
        """The parameters of a polynomial with centres of zero."""
        style = CONVENTIONS[self.convention]
        coefficients = [
            style.sign * wanted.get(term, 0.0) * (factorial(term) if style.factorials else 1)
            for term in self.terms
        ]
        return (0.0, 0.0, *coefficients)

    def _checked_start(self, start: Any) -> list[float]:
        if not isinstance(start, (list, tuple)) or len(start) != len(self.terms) + 2:
            raise ValueError(self._bad_start(start))
        for value in start:
            number = isinstance(value, (int, float)) and not isinstance(value, bool)
            if not number or not abs(value) <= sys.float_info.max:
                raise ValueError(self._bad_start(start))
        return [float(value) for value in start]

    def _bad_start(self, start: Any) -> str:
        return (
            f"Expected argument `start` to be one of {sorted(_STARTS[self.problem])} or a list of "
            f"{len(self.terms) + 2} finite numbers, got {start!r:.200}."
        )

    def build(self, candidate: Candidate) -> TaylorLoss:
        """Build the loss with the candidate's coefficients."""
        if candidate.structure is not None:
            raise ValueError(
                f"Expected `structure` of a Taylor candidate to be None, got "
                f"{candidate.structure!r}."
            )
        return TaylorLoss(candidate.theta, self.order, self.convention, link=self.link)

    def read(self, loss: LossFunction) -> Candidate:
        """Read the coefficients of a polynomial."""
        return Candidate(None, tuple(own_loss(loss, TaylorLoss, self.link).theta.tolist()))

    def formula(self, candidate: Candidate) -> str:
        """Write the polynomial with four significant digits; zero terms are left out."""
        style = CONVENTIONS[self.convention]
        h = _shifted(self.link.letter, candidate.theta[1 - style.label_centre])
        y = _shifted("y", candidate.theta[style.label_centre])
        text = ""
        for value, (i, j) in zip(candidate.theta[2:], self.terms, strict=True):
            value *= style.sign / (factorial((i, j)) if style.factorials else 1)
            if value == 0:
                continue
            sign = ("- " if value < 0 else "+ ") if text else ("-" if value < 0 else "")
            factors = [f"{abs(value):.4g}"] if abs(value) != 1 else []
            factors += [_power(h, i)] + ([_power(y, j)] if j else [])
            text += f" {sign}{' '.join(factors)}"
        return self.link.averaged(text[1:] or "0")

    def expression(self, candidate: Candidate) -> Any:
        """Write the polynomial in SymPy, term by term, with coefficients as they are."""
        from sympy import Add, Float, Mul
        from sympy.core.parameters import distribute

        style = CONVENTIONS[self.convention]
        h, y = self.link.symbols()
        with distribute(False):  # keeps a factor in front of its bracket
            d = h - Float(candidate.theta[1 - style.label_centre])
            e = y - Float(candidate.theta[style.label_centre])
            terms = []
            for value, (i, j) in zip(candidate.theta[2:], self.terms, strict=True):
                value *= style.sign / (factorial((i, j)) if style.factorials else 1)
                terms.append(Mul(Float(value), d**i, e**j))
            return Add(*terms)

    def baselines(self) -> dict[str, Candidate]:
        """Squared error and, of probabilities, absolute error; each up to a constant.

        >>> list(TaylorFamily().baselines()), list(TaylorFamily(problem="regression").baselines())
        (['mse', 'mae'], ['squared error'])
        """
        return {
            name: Candidate(None, self._theta(wanted))
            for name, wanted in _BASELINES[self.problem].items()
            if set(wanted) <= set(self.terms)
        }

    def settings(self) -> dict[str, Any]:
        """The settings: order, convention, start and kind of problem."""
        return {
            "order": self.order,
            "convention": self.convention,
            "start": self.start,
            "problem": self.problem,
        }


def _shifted(name: str, centre: float) -> str:
    return f"({name} {'-' if centre > 0 else '+'} {abs(centre):.4g})" if centre else f"({name})"


def _power(base: str, exponent: int) -> str:
    return base if exponent == 1 else f"{base}^{exponent}"
