"""The family of power losses: three numbers for labels that can't all be trusted."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.power_loss import LARGEST, NAMES, PowerLoss
from lightning_lossmeta.families.problem import Problem, link_of, own_loss
from lightning_lossmeta.families.spaces import VectorSpace
from lightning_lossmeta.losses.base import LossFunction

if TYPE_CHECKING:
    from typing_extensions import Self

#: (a, c, s) of usual losses. Symmetric cross-entropy is that of Wang et al. (2019) for CIFAR-10,
#: 0.1 CE + MAE with log 0 = -4, over its factor; the others are cross-entropy up to 1 part in
#: 1,000 and with a c of 1 part in 20,000.
_KNOWN: dict[str, tuple[float, float, float]] = {
    "cross-entropy": (math.exp(-LARGEST), math.exp(-LARGEST), 1.0),
    "GCE": (0.7, math.exp(-LARGEST), 1.0),
    "MAE": (1.0, math.exp(-LARGEST), 1.0),
    "SCE": (1.0, 0.025, 1.0),
}
_STARTS = {"ce": "cross-entropy", "gce": "GCE", "mae": "MAE", "sce": "SCE"}


class PowerFamily(LossFamily):
    """All losses L(p) = s [(1 - p^a) / a - c log p] of the target's probability p.

    Theta holds log a, log c and log s. Cross-entropy, MAE, GCE and SCE are members; see
    :class:`~lightning_lossmeta.families.power_loss.PowerLoss`, which also says what a > 1 does.

    Args:
        start: Where a search begins: ``"sce"``, ``"ce"``, ``"gce"``, ``"mae"``, or theta.
        progress: Whether the three numbers may change in the course of training: theta then has
            six entries, at its start and at its end.
        problem: ``"classification"``, or ``"binary"`` for one logit or several that do not exclude
            each other.

    Raises:
        ValueError: If the start is unknown or no theta of this length, or the problem is none of
            the two.

    >>> family = PowerFamily(start="mae")
    >>> family.formula(Candidate(None, (0.0, math.log(0.01), math.log(2))))
    '2 [(1 - p^1) / 1 - 0.01 log p]'
    """

    name = "power"
    space: VectorSpace
    later_settings: ClassVar[frozenset[str]] = frozenset()

    def __init__(
        self,
        start: str | list[float] = "sce",
        progress: bool = False,
        problem: Literal["classification", "binary"] = "classification",
    ) -> None:
        if problem not in ("classification", "binary"):
            raise ValueError(
                f"Expected argument `problem` to be 'classification' or 'binary', got {problem!r}."
            )
        self.problem: Problem = problem
        self.link = link_of(problem)
        self.progress = progress
        names: tuple[str, ...] = NAMES
        if progress:
            names = tuple(f"{name} {when}" for when in ("first", "last") for name in NAMES)
        self.start = start if isinstance(start, str) else _checked(start, len(names))
        self.space = VectorSpace(names, self._start_theta())

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls(), cls(problem="binary")]

    def _start_theta(self) -> tuple[float, ...]:
        if not isinstance(self.start, str):
            return tuple(self.start)
        if self.start not in _STARTS:
            raise ValueError(
                f"Expected argument `start` to be one of {sorted(_STARTS)} or a theta, got "
                f"{self.start!r}."
            )
        return self._theta(_STARTS[self.start])

    def _theta(self, known: str) -> tuple[float, ...]:
        theta = tuple(math.log(value) for value in _KNOWN[known])
        return theta * 2 if self.progress else theta

    def build(self, candidate: Candidate) -> PowerLoss:
        """Build the loss with the candidate's numbers."""
        self._check(candidate)
        return PowerLoss(candidate.theta, link=self.link)

    def _check(self, candidate: Candidate) -> None:
        if candidate.structure is not None or len(candidate.theta) != self.space.dimension:
            raise ValueError(
                f"Expected a candidate without structure and {self.space.dimension} numbers, got "
                f"structure {candidate.structure!r} and {len(candidate.theta)} numbers."
            )

    def read(self, loss: LossFunction) -> Candidate:
        """Read the numbers of a loss."""
        candidate = Candidate(None, tuple(own_loss(loss, PowerLoss, self.link).theta.tolist()))
        self._check(candidate)
        return candidate

    def formula(self, candidate: Candidate) -> str:
        """Write the loss with four significant digits; p is the probability of the label."""
        self._check(candidate)
        theta = candidate.theta
        if not self.progress:
            return _written(*(f"{math.exp(value):.4g}" for value in theta))
        first, last = theta[:3], theta[3:]
        if first == last:
            return _written(*(f"{math.exp(value):.4g}" for value in first))
        moves = ", ".join(
            f"{name} from {math.exp(a):.4g} to {math.exp(b):.4g}"
            for name, a, b in zip("acs", first, last, strict=True)
        )
        return f"{_written('a', 'c', 's')}, {moves}"

    def expression(self, candidate: Candidate) -> Any:
        """Write the loss of one class, n times since classes are averaged, in SymPy."""
        from sympy import Float, Symbol, log

        self._check(candidate)
        if self.progress:
            raise NotImplementedError("The loss changes in the course of training.")
        a, c, s = (Float(math.exp(value)) for value in candidate.theta)
        h, y = self.link.symbols()

        def of(p: Any) -> Any:
            return s * ((1 - p**a) / a - c * log(p))

        if self.link.simplex:
            return Symbol("n", positive=True) * y * of(h)
        # 1 - h has a symbol of its own, since exports compute it from the logit.
        return y * of(h) + (1 - y) * of(Symbol("r", nonnegative=True))

    def baselines(self) -> dict[str, Candidate]:
        """Cross-entropy, GCE, MAE and SCE.

        >>> list(PowerFamily().baselines())
        ['cross-entropy', 'GCE', 'MAE', 'SCE']
        """
        return {name: Candidate(None, self._theta(name)) for name in _KNOWN}

    def settings(self) -> dict[str, Any]:
        """The settings: start, whether losses may change in training, and kind of problem."""
        return {"start": self.start, "progress": self.progress, "problem": self.problem}


def _written(a: str, c: str, s: str) -> str:
    return f"{s} [(1 - p^{a}) / {a} - {c} log p]"


def _checked(start: Sequence[float], length: int) -> list[float]:
    numbers = isinstance(start, (list, tuple)) and all(
        isinstance(value, (int, float)) and not isinstance(value, bool) and abs(value) <= LARGEST
        for value in start
    )
    if not numbers or len(start) != length:
        raise ValueError(
            f"Expected argument `start` to be one of {sorted(_STARTS)} or a list of {length} "
            f"numbers from -{LARGEST:g} to {LARGEST:g}, got {start!r:.200}."
        )
    return [float(value) for value in start]
