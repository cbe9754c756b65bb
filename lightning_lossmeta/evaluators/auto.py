"""Measure the evaluators and take the fastest."""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator
from lightning_lossmeta.evaluators.processes.evaluator import ProcessEvaluator
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task

if TYPE_CHECKING:
    from typing_extensions import Self

log = logging.getLogger(__name__)

#: Evaluators this close to the best are measured again, and how often at the most.
CLOSE = 1.3
ROUNDS = 3


class AutoEvaluator(Evaluator):
    """Times each evaluator on the first candidates, logs the times, and keeps the fastest.

    Short sessions that differ in steps and in validations tell what a fit, a step and a validation
    cost, so that the whole session's time is foreseen. Each task has a choice of its own.
    Evaluators that do not support a task (the log says why), or fail candidates that others can
    train, are left out, and once one promises a generation in ``good_enough`` seconds the others
    are not tried: starting worker processes takes longer than that.

    Args:
        evaluators: The evaluators to choose among, in the order in which they are tried; by default
            population, processes and trainer.
        probe_steps: Training steps of the longest of the short sessions.
        good_enough: Seconds a generation that end the choice at once.

    Raises:
        ValueError: If there is nothing to choose among, or ``probe_steps`` is below 2.
    """

    def __init__(
        self,
        evaluators: list[Evaluator] | None = None,
        probe_steps: int = 24,
        good_enough: float = 2.0,
    ) -> None:
        if evaluators is not None and not evaluators:
            raise ValueError("Expected argument `evaluators` to hold at least one, got none.")
        check_at_least(2, probe_steps=probe_steps)
        if evaluators is None:
            evaluators = [PopulationEvaluator(), ProcessEvaluator(), TrainerEvaluator()]
        self.evaluators = evaluators
        self.probe_steps = probe_steps
        self.good_enough = good_enough
        self.chosen: dict[str, Evaluator] = {}
        self.reports: dict[str, str] = {}
        self._left_out: set[tuple[str, str]] = set()  # tasks and reasons that the log has

    @classmethod
    def example(cls) -> Self:
        """Short probes, and no choice that starts processes."""
        return cls([PopulationEvaluator(), TrainerEvaluator()], probe_steps=2)

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say why none of the evaluators can score on a task; ``None`` if each task has one."""
        for task in tasks:
            reasons = [evaluator.unsupported(family, [task]) for evaluator in self.evaluators]
            if None not in reasons:
                return "; ".join(filter(None, reasons))
        return None

    def close(self) -> None:
        """Close every evaluator."""
        for evaluator in self.evaluators:
            evaluator.close()

    def state_dict(self) -> dict[str, Any]:
        """The evaluators that were chosen by task, since a resumed search must go on with them."""
        return {
            "chosen": {name: self.evaluators.index(item) for name, item in self.chosen.items()},
            "reports": dict(self.reports),
            "evaluators": [evaluator.state_dict() for evaluator in self.evaluators],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the choice of an earlier process."""
        self.chosen = {k: self.evaluators[i] for k, i in state.get("chosen", {}).items()}
        self.reports = dict(state.get("reports", {}))
        for evaluator, own in zip(self.evaluators, state.get("evaluators", []), strict=False):
            evaluator.load_state_dict(own)

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Choose by task, then hand each evaluator all of its jobs at once."""
        candidates: dict[int, list[Candidate]] = {}
        for job in jobs:
            candidates.setdefault(id(job.task), []).append(job.candidate)
        numbers: dict[int, int] = {}
        shares: dict[int, list[int]] = {}
        for place, job in enumerate(jobs):
            key = id(job.task)
            if key not in numbers:
                chosen = self._for_task(candidates[key], family, job.task)
                numbers[key] = self.evaluators.index(chosen)
            shares.setdefault(numbers[key], []).append(place)
        for number, share in shares.items():
            done = self.evaluators[number].run([jobs[place] for place in share], family)
            yield from ((share[place], evaluation) for place, evaluation in done)

    def _for_task(self, candidates: list[Candidate], family: LossFamily, task: Task) -> Evaluator:
        """The evaluator chosen for a task, measured when the task is first seen."""
        chosen = self.chosen.get(task.name)
        if chosen is None or chosen.unsupported(family, [task]):
            chosen = self.chosen[task.name] = self._choose(candidates, family, task)
            for evaluator in self.evaluators:
                if evaluator not in self.chosen.values():
                    evaluator.close()
        return chosen

    def _choose(self, candidates: list[Candidate], family: LossFamily, task: Task) -> Evaluator:
        able = self._able(family, task)
        if len(able) == 1:
            return able[0]
        probes: list[_Probe] = []
        for evaluator in able:
            probes.append(_Probe(evaluator, candidates, family, task, self.probe_steps))
            if not probes[-1].failures and probes[-1].seconds < self.good_enough:
                break
        fewest = min(probe.failures for probe in probes)
        rivals = [probe for probe in probes if probe.failures == fewest]
        for _ in range(ROUNDS - 1):
            limit = CLOSE * min(probe.seconds for probe in rivals)
            rivals = [probe for probe in rivals if probe.seconds <= limit]
            if len(rivals) == 1:
                break
            for probe in rivals:
                probe.measure()
        best = min(rivals, key=lambda probe: probe.seconds)
        times = ", ".join(probe.describe() for probe in probes)
        report = f"{type(best.evaluator).__name__} (milliseconds a candidate and step: {times})"
        self.reports[task.name] = report
        log.info("evaluator for %s: %s", task.name, report)
        return best.evaluator

    def _able(self, family: LossFamily, task: Task) -> list[Evaluator]:
        """The evaluators that support a task; logs, once, why each of the others does not."""
        able: list[Evaluator] = []
        for evaluator in self.evaluators:
            reason = evaluator.unsupported(family, [task])
            if reason is None:
                able.append(evaluator)
                continue
            left_out = (task.name, f"{type(evaluator).__name__} is left out: {reason}")
            if left_out not in self._left_out:
                self._left_out.add(left_out)
                log.info("evaluator for %s: %s", *left_out)
        return able


class _Probe:
    """The seconds that an evaluator needs for a session, foreseen from short sessions."""

    def __init__(
        self,
        evaluator: Evaluator,
        candidates: list[Candidate],
        family: LossFamily,
        task: Task,
        steps: int,
    ) -> None:
        self.evaluator = evaluator
        self.failures = 0
        self._candidates = candidates
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
    def seconds(self) -> float:
        """The seconds that the whole session is foreseen to take."""
        short, long, validated = (self._best[key] for key in self._sessions())
        step = max(0.0, long - short) / max(1, self._longer - self._shorter)
        validation = max(0.0, validated - short) / max(1, self._more_validations())
        left = self._task.session.steps - self._longer
        return long + step * left + validation * max(0, self._task.session.validations - 1)

    def describe(self) -> str:
        """The evaluator's name, and its milliseconds a candidate and step or that it fails."""
        name = type(self.evaluator).__name__
        if self.failures == len(self._candidates):
            return f"{name} fails"
        per_step = 1000 * self.seconds / (len(self._candidates) * self._task.session.steps)
        return f"{name} {per_step:.3f}"

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
            self._task.session, steps=steps, validations=validations, horizons=None
        )  # horizons would lie past the end of so short a session
        started = time.perf_counter()
        evaluations = self.evaluator.evaluate(
            self._candidates, self._family, [replace(self._task, session=session)]
        )
        seconds = time.perf_counter() - started
        self.failures = sum(item.status is Status.FAILED for item in evaluations)
        return seconds
