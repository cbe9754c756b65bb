"""The family of the hand-made losses, so that a learned loss's file can also hold one of these."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.families.problem import PROBLEMS, Problem, link_of
from lightning_lossmeta.families.spaces import FiniteSpace
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.hand_made import hand_made_losses

if TYPE_CHECKING:
    from typing_extensions import Self


class HandMadeFamily(LossFamily):
    """The hand-made losses of one kind of problem, with their defaults, by their name in the zoo.

    A search whose learned losses are no better than the usual ones stores one of these.

    Args:
        problem: ``"classification"``, ``"binary"`` or ``"regression"``.

    Raises:
        ValueError: If the problem is none of these.

    >>> HandMadeFamily().build(Candidate("focal"))
    Focal(gamma=2.0)
    """

    name = "hand_made"
    space: FiniteSpace

    def __init__(self, problem: Problem = "classification") -> None:
        self.problem = problem
        kind = type(link_of(problem))
        self._losses = {
            name: cls for name, cls in hand_made_losses().items() if isinstance(cls().link, kind)
        }
        self.space = FiniteSpace(tuple(self._losses))

    @classmethod
    def examples(cls) -> list[Self]:
        """One for each kind of problem."""
        return [cls(problem) for problem in PROBLEMS]

    def build(self, candidate: Candidate) -> LossFunction:
        """The loss of that name, with its defaults."""
        self._check(candidate)
        return self._losses[str(candidate.structure)]()

    def read(self, loss: LossFunction) -> Candidate:
        """The name of a loss with its defaults.

        Raises:
            ValueError: If it is none of these, or has other settings.
        """
        for name, cls in self._losses.items():
            if type(loss) is cls and repr(loss) == repr(cls()):
                return Candidate(name)
        raise ValueError(
            f"Expected a hand-made loss with its defaults for problem={self.problem!r}, got "
            f"{loss!r} for problem={loss.link.problem!r}."
        )

    def formula(self, candidate: Candidate) -> str:
        """The name of the loss, which stands for its formula."""
        self._check(candidate)
        return str(candidate.structure)

    def settings(self) -> dict[str, Any]:
        """The kind of problem."""
        return {"problem": self.problem}

    def _check(self, candidate: Candidate) -> None:
        if candidate.structure not in self._losses or candidate.theta:
            raise ValueError(
                f"Expected the name of a hand-made loss for problem={self.problem!r}, one of "
                f"{sorted(self._losses)}, without further numbers, got {candidate.structure!r:.80}."
            )
