"""What a session will take, foreseen from short ones."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Session, Task


class Probe:
    """The seconds that an evaluator needs for a generation, foreseen from short sessions.

    Sessions that differ in steps and in validations tell what a fit, a step and a validation cost.
    As many candidates take part as the evaluator's ``probe_size`` says, usually two.

    Args:
        evaluator: What is measured.
        candidates: Those of a generation; the first of them take part.
        family: Builds their losses.
        task: Its session is the one that is foreseen.
        steps: Training steps of the longest of the short sessions.
    """

    def __init__(
        self,
        evaluator: Evaluator,
        candidates: Sequence[Candidate],
        family: LossFamily,
        task: Task,
        steps: int,
    ) -> None:
        self.evaluator = evaluator
        self.failures = 0
        self.message = ""
        self.spent = 0.0
        self.count = len(candidates)
        self._candidates = list(candidates[: evaluator.probe_size(len(candidates))])
        self._family = family
        self._task = task
        self._longer = min(steps, task.session.steps)
        self._shorter = max(1, self._longer // 4)
        self._best: dict[tuple[int, int], float] = {}
        self._time(1, 1)  # imports, worker processes, compiling and the first optimiser
        self.measure()

    def measure(self) -> None:
        """Time the short sessions and keep the least of each: other work can only add to a time."""
        for steps, validations in self._sessions():
            known = self._best.get((steps, validations), math.inf)
            self._best[steps, validations] = min(known, self._time(steps, validations))

    @property
    def fails(self) -> bool:
        """Whether every candidate that took part failed."""
        return self.failures == len(self._candidates)

    @property
    def seconds(self) -> float:
        """The seconds that a generation of whole sessions is foreseen to take."""
        short, long, validated = (self._best[key] for key in self._sessions())
        step = max(0.0, long - short) / max(1, self._longer - self._shorter)
        validation = max(0.0, validated - short) / max(1, self._more_validations())
        left = self._task.session.steps - self._longer
        further = max(0, validations_of(self._task.session) - 1)
        return (long + step * left + validation * further) * self.count / len(self._candidates)

    @property
    def per_step(self) -> float:
        """Milliseconds a candidate and step."""
        return 1000 * self.seconds / (self.count * self._task.session.steps)

    def _sessions(self) -> list[tuple[int, int]]:
        """Steps and validations of a short session, a longer one, and one validated more often."""
        return [
            (self._shorter, 1),
            (self._longer, 1),
            (self._shorter, 1 + self._more_validations()),
        ]

    def _more_validations(self) -> int:
        return min(3, self._shorter - 1)

    def _time(self, steps: int, validations: int) -> float:
        session = replace(
            self._task.session,
            steps=steps,
            validations=validations,
            horizons=None,  # they would lie past the end of so short a session
            as_if=None,  # it would raise the learning rates of one beyond measure
        )
        started = time.perf_counter()
        evaluations = self.evaluator.evaluate(
            self._candidates, self._family, [replace(self._task, session=session)]
        )
        seconds = time.perf_counter() - started
        self.spent += seconds
        failed = [item for item in evaluations if item.status is Status.FAILED]
        self.failures = len(failed)
        self.message = failed[0].message if failed else ""
        return seconds


def validations_of(session: Session) -> int:
    """How often a fit is validated, for its curve, its horizons and its score.

    >>> validations_of(Session(steps=200, validations=4))
    4
    """
    if session.horizons is None:
        return max(1, session.validations)
    return math.ceil(session.steps / session.validation_interval)


def names_of(evaluators: Sequence[Evaluator]) -> Iterator[str]:
    """A name of its own for each evaluator: its class, and a number if that is there before."""
    seen: dict[str, int] = {}
    for evaluator in evaluators:
        kind = type(evaluator).__name__
        seen[kind] = seen.get(kind, 0) + 1
        yield kind if seen[kind] == 1 else f"{kind} {seen[kind]}"
