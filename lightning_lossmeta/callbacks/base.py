"""The hooks of the outer loop."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.front import Front, FrontEntry
from lightning_lossmeta.searchers.hypervolume import hypervolume, reference_point
from lightning_lossmeta.task import Objective, Task


@dataclass
class Search:
    """A search under way, as callbacks see it.

    Args:
        directory: The run's folder.
        family: What is learned, after callbacks wrapped it.
        searcher: What proposes candidates.
        tasks: What candidates are tried on; their seeds change each generation.
        generations: How many are planned.
        seed: What all random numbers derive from.
        num_classes: Of the first task; ``None`` where its targets are no class indices.
        settings: What the search was asked for, as plain JSON values.
        evaluator_state: State of evaluators that a resumed search must find again.
        front: The best evaluation so far, or with several objectives all that none dominates.
        later_sessions: The work that comes after the generations, in trainings of a generation.
        stop_reason: Why no further generation is to begin; empty while the search goes on.
    """

    directory: Path
    family: LossFamily
    searcher: Searcher
    tasks: list[Task]
    generations: int
    seed: int
    num_classes: int | None = None
    settings: dict[str, Any] = field(default_factory=dict)
    evaluator_state: dict[str, Any] = field(default_factory=dict)
    front: Front = field(default_factory=Front)
    later_sessions: float = 0.0
    stop_reason: str = ""

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What candidates are scored by, the same for all tasks."""
        return self.tasks[0].session.objectives

    @property
    def best(self) -> Evaluation | None:
        """The evaluation with the highest fitness, or the knee where a front is looked for."""
        return None if self._leader is None else self._leader.evaluation

    @property
    def best_generation(self) -> int:
        """The generation of :attr:`best`; -1 while there is none."""
        return -1 if self._leader is None else self._leader.generation

    @property
    def _leader(self) -> FrontEntry | None:
        return self.front.knee if self.searcher.seeks_front else self.front.best

    @property
    def hypervolume(self) -> float:
        """What the front dominates above the worst of the first generation; 0 without scores."""
        reference = reference_point(self.searcher.history)
        if reference is None:
            return 0.0
        return hypervolume([entry.evaluation.objectives for entry in self.front], reference)


def shown_score(search: Search, evaluation: Evaluation) -> float:
    """The score of an evaluation as tables show it: the metric in its own sign.

    With several objectives it is the fitness, their weighted sum. NaN where there is no score.
    """
    if not evaluation.objectives:
        return math.nan
    if len(search.objectives) == 1:
        return search.objectives[0].signed(evaluation.objectives[0])
    return evaluation.fitness


class MetaCallback(HasExample, pl.Callback):
    """A Lightning callback that also takes part in a search.

    Give it to the ``MetaLossTrainer`` as any other callback. One that needs arguments overrides
    :meth:`example`, by which the contract tests make it.
    """

    def wrap_family(self, family: LossFamily, num_classes: int | None) -> LossFamily:
        """Replace the family before the search, e.g. by one with normalised losses."""
        return family

    def configure_task(self, task: Task) -> Task:
        """Change how inner fits of a task train or what they are scored by."""
        return task

    def on_search_start(self, search: Search) -> None:
        """Called once, also when a search is resumed."""

    def on_generation_start(self, search: Search, generation: int) -> None:
        """Called before candidates are asked for."""

    def screen(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Judge a candidate without training it; ``None`` lets it pass."""
        return None

    def screen_refined(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Judge what a local search made of a candidate; the candidate itself if there is none.

        Called with all that passed :meth:`screen`, before training.
        """
        return None

    def on_progress(self, search: Search, what: str, done: int, count: int) -> None:
        """Called often within a generation.

        Args:
            search: The search under way.
            what: ``"local search"``, in steps, or ``"training"``, in trainings.
            done: How many are done.
            count: How many there are.
        """

    def on_note(self, search: Search, line: str) -> None:
        """Called with a line that the user should read, as which evaluator was chosen."""

    def on_candidate_evaluated(
        self, search: Search, generation: int, index: int, evaluation: Evaluation
    ) -> None:
        """Called for each candidate of a generation, in order."""

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Called when the searcher has the generation's evaluations in its history."""

    def on_search_end(self, search: Search) -> None:
        """Called after the last generation, or when a search is interrupted."""


describe_value.register(MetaCallback, describe_arguments)
