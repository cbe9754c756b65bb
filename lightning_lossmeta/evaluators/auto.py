"""Measure the evaluators and take the fastest."""

from __future__ import annotations

import logging
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job, SayFn, say_nothing
from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator
from lightning_lossmeta.evaluators.probe import Probe, names_of
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

#: Evaluators this close to the best in the end are as fast as it.
EQUAL = 1.1

#: The share of the foreseen search that measuring may take.
SHARE = 0.1


class AutoEvaluator(Evaluator):
    """Times each evaluator on a few candidates, says the times, and keeps the fastest.

    Short sessions that differ in steps and in validations tell what a fit, a step and a validation
    cost, so that the whole session's time is foreseen: of two candidates, of as many as there are
    workers, or of one whole stack. Measuring ends when it has taken a tenth of the search that is
    foreseen, or as soon as an evaluator promises a generation in ``good_enough`` seconds: starting
    worker processes takes longer than that. Each task has a choice of its own. Evaluators that do
    not support a task (a line says why), or fail candidates that others can train, are left out. Of
    evaluators that are as fast, within 10%, one without processes of its own is taken, and of those
    the first.

    Args:
        evaluators: The evaluators to choose among, in the order in which they are tried; by default
            population, processes and trainer.
        probe_steps: Training steps of the longest of the short sessions, at the most.
        good_enough: Seconds a generation that end the choice at once.
        choices: The evaluator of a task, by the task's name, where it is known: the name of the
            class, followed by `` 2`` for the second of a class. A run's ``config.yaml`` has it.

    Raises:
        ValueError: If there is nothing to choose among, ``probe_steps`` is below 2, or a choice is
            none of the evaluators.
    """

    def __init__(
        self,
        evaluators: list[Evaluator] | None = None,
        probe_steps: int = 24,
        good_enough: float = 2.0,
        choices: dict[str, str] | None = None,
    ) -> None:
        if evaluators is not None and not evaluators:
            raise ValueError("Expected argument `evaluators` to hold at least one, got none.")
        check_at_least(2, probe_steps=probe_steps)
        if evaluators is None:
            evaluators = [PopulationEvaluator(), ProcessEvaluator(), TrainerEvaluator()]
        self.evaluators = evaluators
        self.probe_steps = probe_steps
        self.good_enough = good_enough
        self.choices = choices
        by_name = dict(zip(names_of(evaluators), evaluators, strict=True))
        if unknown := sorted(set((choices or {}).values()) - set(by_name)):
            raise ValueError(
                f"Expected argument `choices` to name some of {list(by_name)}, got {unknown}."
            )
        self.chosen = {task: by_name[name] for task, name in (choices or {}).items()}
        self.reports: dict[str, str] = {}
        self._left_out: set[tuple[str, str]] = set()  # tasks and reasons that were told
        self._generations: int | None = None  # not known: then nothing limits the measuring
        self._say: SayFn = say_nothing

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

    def prepare(self, generations: int, say: SayFn = say_nothing) -> None:
        """Learn how long the search is, and whom to tell what is measured and chosen."""
        self._generations, self._say = generations, say
        for evaluator in self.evaluators:
            evaluator.prepare(generations, say)

    def choice(self, candidates: Sequence[Candidate], family: LossFamily, task: Task) -> Evaluator:
        """The evaluator of a task, which is measured where it is not chosen yet."""
        return self._for_task(candidates, family, task, len(candidates))

    def named_choices(self) -> dict[str, str]:
        """The chosen evaluators by task, as the argument ``choices`` has them."""
        return {task: self._names()[id(item)] for task, item in self.chosen.items()}

    def _names(self) -> dict[int, str]:
        return dict(zip(map(id, self.evaluators), names_of(self.evaluators), strict=True))

    def close(self) -> None:
        """Close every evaluator."""
        for evaluator in self.evaluators:
            evaluator.close()

    def state_dict(self) -> dict[str, Any]:
        """The evaluators that were chosen by task, since a resumed search must go on with them."""
        return {
            "chosen": {name: self.evaluators.index(item) for name, item in self.chosen.items()},
            "choices": self.named_choices(),
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
        trainings = Counter(job.task.name for job in jobs)
        numbers: dict[int, int] = {}
        shares: dict[int, list[int]] = {}
        for place, job in enumerate(jobs):
            key, name = id(job.task), job.task.name
            if key not in numbers:
                chosen = self._for_task(candidates[key], family, job.task, trainings[name])
                numbers[key] = self.evaluators.index(chosen)
            shares.setdefault(numbers[key], []).append(place)
        for number, share in shares.items():
            done = self.evaluators[number].run([jobs[place] for place in share], family)
            yield from ((share[place], evaluation) for place, evaluation in done)

    def _for_task(
        self, candidates: Sequence[Candidate], family: LossFamily, task: Task, trainings: int
    ) -> Evaluator:
        """The evaluator chosen for a task, measured when the task is first seen."""
        chosen = self.chosen.get(task.name)
        if chosen is None or chosen.unsupported(family, [task]):
            chosen = self.chosen[task.name] = self._choose(candidates, family, task, trainings)
            for evaluator in self.evaluators:
                if evaluator not in self.chosen.values():
                    evaluator.close()
        return chosen

    def _choose(
        self, candidates: Sequence[Candidate], family: LossFamily, task: Task, trainings: int
    ) -> Evaluator:
        able = self._able(family, task)
        if len(able) == 1:
            return able[0]
        total = None if self._generations is None else trainings * self._generations
        names = self._names()
        among = ", ".join(names[id(item)] for item in able)
        self._tell(task, f"measuring which is the fastest, in up to 10% of the search: {among}")
        steps = self._probe_steps(able, len(candidates), task, total)
        probes: list[Probe] = []
        for evaluator in able:
            probes.append(Probe(evaluator, candidates, family, task, steps))
            works = not probes[-1].failures
            if works and probes[-1].seconds < self.good_enough:
                break
            if works and _left(probes, total) < probes[-1].spent:
                break
        fewest = min(probe.failures for probe in probes)
        rivals = [probe for probe in probes if probe.failures == fewest]
        for _ in range(ROUNDS - 1):
            rivals = _within(CLOSE, rivals)
            if len(rivals) == 1 or _left(probes, total) < sum(item.spent for item in rivals):
                break
            for probe in rivals:
                probe.measure()
        equal = _within(EQUAL, rivals)
        best = min(equal, key=lambda probe: probe.evaluator.has_workers)  # the first of several
        self._report(task, probes, best)
        return best.evaluator

    def _probe_steps(
        self, able: Sequence[Evaluator], count: int, task: Task, trainings: int | None
    ) -> int:
        """The steps of the longest short session, so that all take a small share of the search.

        A probe's sessions have 1, n / 4, n and n / 4 steps.
        """
        if trainings is None:
            return self.probe_steps
        trained = sum(evaluator.probe_size(count) for evaluator in able)
        affordable = SHARE * trainings * task.session.steps / (1.5 * trained)
        return max(2, min(self.probe_steps, int(affordable)))

    def _report(self, task: Task, probes: Sequence[Probe], best: Probe) -> None:
        """Keep, and tell, which evaluator was chosen and why."""
        names = self._names()
        times = ", ".join(
            f"{names[id(probe.evaluator)]} " + ("fails" if probe.fails else f"{probe.per_step:.3f}")
            for probe in probes
        )
        name = names[id(best.evaluator)]
        report = f"{name} (milliseconds a candidate and step: {times})"
        self.reports[task.name] = report
        self._tell(task, report)

    def _tell(self, task: Task, text: str) -> None:
        log.info("evaluator for %s: %s", task.name, text)
        self._say(f"evaluator for {task.name}: {text}")

    def _able(self, family: LossFamily, task: Task) -> list[Evaluator]:
        """The evaluators that support a task; tells, once, why each of the others does not."""
        able: list[Evaluator] = []
        for evaluator in self.evaluators:
            reason = evaluator.unsupported(family, [task])
            if reason is None:
                able.append(evaluator)
                continue
            left_out = (task.name, f"{type(evaluator).__name__} is left out: {reason}")
            if left_out not in self._left_out:
                self._left_out.add(left_out)
                self._tell(task, left_out[1])
        return able


def _left(probes: Sequence[Probe], trainings: int | None) -> float:
    """Seconds that may still be spent on measuring, of a search of so many trainings."""
    if trainings is None:
        return math.inf
    working = (probe.seconds for probe in probes if not probe.fails)
    foreseen = min(working, default=0.0) / probes[0].count
    return SHARE * foreseen * trainings - sum(probe.spent for probe in probes)


def _within(factor: float, probes: Sequence[Probe]) -> list[Probe]:
    """The probes that are nearly as fast as the fastest."""
    limit = factor * min(probe.seconds for probe in probes)
    return [probe for probe in probes if probe.seconds <= limit]


def _describe_auto(evaluator: AutoEvaluator, walk: Any) -> dict[str, Any]:
    """By its arguments but the choices, which only spare a search the measuring."""
    described: Mapping[str, Any] = describe_arguments(evaluator, walk)
    return {name: value for name, value in described.items() if name != "choices"}


describe_value.register(AutoEvaluator, _describe_auto)
