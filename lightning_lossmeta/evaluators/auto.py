"""Measure the evaluators and take the fastest."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.population import PopulationEvaluator
from lightning_lossmeta.evaluators.processes import ProcessEvaluator
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.task import Task

log = logging.getLogger(__name__)


class AutoEvaluator(Evaluator):
    """Times each evaluator on the first candidates, says what it found, and keeps the fastest.

    Two short sessions of different length tell the cost of a fit from that of a step, so that the
    whole session's time is foreseen. Evaluators that do not support the tasks are left out.

    Args:
        evaluators: What to choose among; by default population, processes and trainer.
        probe_steps: Steps of the longer of the two sessions.

    Raises:
        ValueError: If there is nothing to choose among, or ``probe_steps`` is below 2.
    """

    def __init__(self, evaluators: list[Evaluator] | None = None, probe_steps: int = 24) -> None:
        if evaluators is not None and not evaluators:
            raise ValueError("Expected argument `evaluators` to hold at least one, got none.")
        if probe_steps < 2:
            raise ValueError(f"Expected argument `probe_steps` to be at least 2, got {probe_steps}.")
        if evaluators is None:
            evaluators = [PopulationEvaluator(), ProcessEvaluator(), TrainerEvaluator()]
        self.evaluators = evaluators
        self.probe_steps = probe_steps
        self.chosen: Evaluator | None = None
        self.report = ""

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Why none of the evaluators fits."""
        reasons = [evaluator.unsupported(family, tasks) for evaluator in self.evaluators]
        return None if None in reasons else "; ".join(filter(None, reasons))

    def close(self) -> None:
        """Close every evaluator."""
        for evaluator in self.evaluators:
            evaluator.close()

    def state_dict(self) -> dict[str, Any]:
        """Which evaluator was chosen: a resumed search must go on with it."""
        if self.chosen is None:
            return {}
        return {"chosen": self.evaluators.index(self.chosen), "report": self.report}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Choose as before."""
        if "chosen" in state:
            self.chosen = self.evaluators[state["chosen"]]
            self.report = state.get("report", "")

    def _evaluate_task(
        self, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> list[Evaluation]:
        if self.chosen is None or self.chosen.unsupported(family, [task]):
            self.chosen = self._choose(candidates, family, task)
        return self.chosen.evaluate(candidates, family, [task])

    def _choose(self, candidates: list[Candidate], family: LossFamily, task: Task) -> Evaluator:
        able = [e for e in self.evaluators if e.unsupported(family, [task]) is None]
        if len(able) == 1:
            return able[0]
        seconds = [self._foresee(e, candidates, family, task) for e in able]
        best = min(range(len(able)), key=seconds.__getitem__)
        per_step = 1000 / (len(candidates) * task.session.steps)
        found = ", ".join(
            f"{type(e).__name__} {s * per_step:.3f}" for e, s in zip(able, seconds, strict=True)
        )
        self.report = f"{type(able[best]).__name__} (milliseconds a candidate and step: {found})"
        log.info("evaluator: %s", self.report)
        for evaluator in self.evaluators:
            if evaluator is not able[best]:
                evaluator.close()
        return able[best]

    def _foresee(
        self, evaluator: Evaluator, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> float:
        """Seconds that a whole session of these candidates should take."""
        longer = min(self.probe_steps, task.session.steps)
        shorter = max(1, longer // 4)

        def timed(steps: int) -> float:
            session = replace(task.session, steps=steps, validations=0)
            started = time.perf_counter()
            evaluator.evaluate(candidates, family, [replace(task, session=session)])
            return time.perf_counter() - started

        timed(1)  # imports, worker processes and the first optimiser are paid once
        short, long = timed(shorter), timed(longer)
        if longer == shorter:
            return long
        slope = max(0.0, (long - short) / (longer - shorter))
        return long + slope * (task.session.steps - longer)
