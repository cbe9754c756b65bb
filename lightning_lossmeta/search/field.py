"""Contenders of a final round, trained on equal terms."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import replace

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.data.episodes import held_out
from lightning_lossmeta.evaluation import Evaluation, mean_evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job, ProgressFn
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.search.contenders import Contender
from lightning_lossmeta.task import Task


class Field:
    """Trains contenders on the tasks of a search with seeds that no generation has.

    Where the data hold some back, it is those that they are scored on.
    """

    def __init__(self, search: Search, evaluator: Evaluator, on_progress: ProgressFn) -> None:
        self._search = search
        self._held = [replace(item, data=held_out(item.data, "val")) for item in search.tasks]
        self._evaluator = evaluator
        self._on_progress = on_progress
        self._tasks: dict[tuple[int, int, float], Task] = {}
        self._done = 0
        self._asked = 0

    def train(self, wanted: Sequence[tuple[Contender, float, int]]) -> list[Evaluation]:
        """The mean over the tasks for each contender, learning-rate factor and seed."""
        names = [task.name for task in self._search.tasks]
        parts: list[list[Evaluation | None]] = [[None] * len(names) for _ in wanted]
        self._asked += len(wanted) * len(names)
        families: dict[LossFamily, list[int]] = {}
        for place, (item, _, _) in enumerate(wanted):
            families.setdefault(item.family, []).append(place)
        for family, places in families.items():
            pairs = list(itertools.product(places, range(len(names))))
            jobs = [self._job(*wanted[place], number) for place, number in pairs]
            for position, result in self._evaluator.run(jobs, family):
                place, number = pairs[position]
                parts[place][number] = result
                self._done += 1
                self._on_progress("finalists", self._done, self._asked)
        return [mean_evaluation([item for item in own if item], names) for own in parts]

    def _job(self, item: Contender, factor: float, seed: int, number: int) -> Job:
        key = (number, seed, factor)
        if key not in self._tasks:  # one object for equal tasks, which then train together
            task = self._held[number]
            own = factor * task.session.learning_rate_factor
            self._tasks[key] = replace(
                task,
                seed=derived_seed(self._search.seed, Purpose.FINALISTS, seed, number),
                session=replace(task.session, learning_rate_factor=own),
            )
        return Job(item.candidate, self._tasks[key])
