"""The outer loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl

from lightning_lossmeta._seeds import derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks import (
    CandidateCurves,
    MetaCallback,
    Search,
    SearchCheckpoint,
    SearchHistory,
    SearchProgress,
)
from lightning_lossmeta.callbacks.checkpoint import best_artifact
from lightning_lossmeta.comparison import ComparisonConfig, Row
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import AutoEvaluator, Evaluator
from lightning_lossmeta.families import LossFamily, TaylorFamily
from lightning_lossmeta.search.fallback import fall_back
from lightning_lossmeta.search.final_comparison import final_comparison
from lightning_lossmeta.search.finalists import Finalists, choose_finalist
from lightning_lossmeta.search.fingerprint import search_fingerprint
from lightning_lossmeta.search.generation import score_generation
from lightning_lossmeta.search.preflight import check_task
from lightning_lossmeta.search.run_folder import make_directory, new_directory, restore, resume_hint
from lightning_lossmeta.searchers import CMAESSearcher, Searcher
from lightning_lossmeta.task import Session, Task

ModuleOrFactory = pl.LightningModule | Callable[[], pl.LightningModule]


class SearchError(RuntimeError):
    """A search that can't go on, with what the user can do."""


@dataclass(frozen=True)
class SearchResult:
    """What a search found.

    Args:
        directory: The run's folder.
        artifact: The best loss.
        evaluation: Its evaluation in the search.
        comparison: The rows of the final comparison; empty if there was none.
        seconds: Wall time of the search without the comparison.
    """

    directory: Path
    artifact: Artifact
    evaluation: Evaluation
    comparison: list[Row]
    seconds: float

    @property
    def learning_rate_factor(self) -> float:
        """The best factor of the learned loss in the comparison; 1 if there was none."""
        return self.comparison[0].factor if self.comparison else 1.0


class MetaLossTrainer(pl.Trainer):
    """A Lightning ``Trainer`` with a further method, :meth:`search`, that learns a loss.

    Takes the arguments of ``Trainer``; accelerator, devices, precision and gradient clipping are
    handed to the inner fits, and callbacks that are a ``MetaCallback`` take part in the search.
    """

    def search(
        self,
        model: ModuleOrFactory,
        datamodule: pl.LightningDataModule,
        family: LossFamily | None = None,
        searcher: Searcher | None = None,
        evaluator: Evaluator | None = None,
        generations: int = 10,
        steps: int = 200,
        monitor: str = "val_accuracy",
        mode: Literal["max", "min"] = "max",
        validations: int = 4,
        train_samples: int | None = None,
        learning_rate_factor: float = 1.0,
        finalists: Finalists | None = None,
        comparison: ComparisonConfig | None = None,
        run_dir: str | None = None,
        resume: str | None = None,
        seed: int | None = None,
        more_tasks: list[Task] | None = None,
        task_name: str = "task0",
    ) -> SearchResult:
        """Search for a loss: many short fits, each with another loss, scored on validation data.

        Args:
            model: A LightningModule with an attribute ``loss_fn``, or a function that makes one.
            datamodule: Training and validation data; test data for the final comparison.
            family: What is learned; TaylorGLO's 8 parameters by default.
            searcher: Proposes candidates; CMA-ES with a population of 20 by default.
            evaluator: Trains them; by default the fastest for this task, measured.
            generations: How often the searcher is asked.
            steps: Optimiser steps of an inner fit.
            monitor: The metric, logged by ``validation_step``, that is the fitness.
            mode: Whether more or less of it is better.
            validations: Points of a candidate's validation curve.
            train_samples: Training samples that an inner fit sees; all by default.
            learning_rate_factor: Multiplies the module's learning rates in inner fits.
            finalists: How the learned loss is chosen among the best on fresh seeds; by default it
                is the candidate with the best fitness.
            comparison: How the learned loss is compared with others at the end; none by default.
            run_dir: The run's folder, made by the search; ``runs/FAMILY-TIME`` by default.
            resume: The folder of a run to go on with.
            seed: What all random numbers derive from; by default that of ``seed_everything``, or 0.
            more_tasks: Further tasks, each fitted as the arguments above say; a candidate's fitness
                is the mean over all.
            task_name: Of the main task, that of ``model`` and ``datamodule``.

        Returns:
            The best loss, where the run is, and the comparison. If no candidate could be trained,
            the best hand-made loss of the family, with a warning, and ``not_learned`` in its file.

        Raises:
            ValueError: If an argument is out of its range or does not fit the others.
            FileExistsError: If the run's folder exists.
            SearchError: If neither a candidate nor a hand-made loss could be trained.
            KeyboardInterrupt: On Ctrl-C, after the state was saved.
        """
        check_at_least(1, generations=generations)
        family = TaylorFamily() if family is None else family
        searcher = CMAESSearcher() if searcher is None else searcher
        evaluator = AutoEvaluator() if evaluator is None else evaluator
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if seed is None else seed
        session = Session(
            steps=steps,
            monitor=monitor,
            mode=mode,
            validations=validations,
            train_samples=train_samples,
            learning_rate_factor=learning_rate_factor,
            **self._hardware(),
        )
        tasks = self._tasks(Task(model, datamodule, session, name=task_name), more_tasks or [])
        callbacks = self._meta_callbacks()
        _refuse_unrefined(evaluator, searcher)
        _refuse_unsupported(evaluator, family, tasks)
        num_classes = check_task(tasks[0])
        for task in tasks[1:]:
            check_task(task)
        for callback in callbacks:
            family = callback.wrap_family(family, num_classes)
            tasks = [
                replace(t, session=callback.configure_session(t.session, t.data)) for t in tasks
            ]
        _refuse_unsupported(evaluator, family, tasks)
        searcher.start(family.space, derived_seed(seed, 0))
        search = Search(
            directory=Path(resume or run_dir or new_directory(family.name)).expanduser(),
            family=family,
            searcher=searcher,
            tasks=tasks,
            generations=generations,
            seed=seed,
            num_classes=num_classes,
            settings=search_fingerprint(family, searcher, evaluator, tasks, callbacks),
        )
        if resume is not None:
            restore(search, evaluator)
        else:
            make_directory(search.directory)
        started = time.perf_counter()
        try:
            self._search_loop(search, evaluator, callbacks)
            chosen, choice = _chosen(search, evaluator, finalists)
            artifact = best_artifact(search, chosen, choice)
            artifact.save(search.directory / "best.json")
            seconds = time.perf_counter() - started
            rows = final_comparison(search, artifact, evaluator, comparison) if comparison else []
        except (KeyboardInterrupt, SystemExit) as stop:
            raise KeyboardInterrupt(resume_hint(search)) from stop
        finally:
            evaluator.close()
        return SearchResult(search.directory, artifact, chosen, rows, seconds)

    def _search_loop(
        self, search: Search, evaluator: Evaluator, callbacks: list[MetaCallback]
    ) -> None:
        try:
            for callback in callbacks:
                callback.on_search_start(search)
            for generation in range(search.searcher.generation, search.generations):
                if search.searcher.stop_reason:
                    break
                self._generation(search, generation, evaluator, callbacks)
        finally:
            for callback in callbacks:
                callback.on_search_end(search)

    def _generation(
        self,
        search: Search,
        generation: int,
        evaluator: Evaluator,
        callbacks: list[MetaCallback],
    ) -> None:
        for callback in callbacks:
            callback.on_generation_start(search, generation)

        def tell(what: str, done: int, count: int) -> None:
            for callback in callbacks:
                callback.on_progress(search, what, done, count)

        with evaluator.heard_by(tell):
            evaluations = score_generation(search, generation, evaluator, callbacks)
        if generation == 0:
            _refuse_if_all_failed(evaluations)
        search.searcher.tell(evaluations)
        search.evaluator_state = evaluator.state_dict()
        for item in evaluations:
            if item.trained and (search.best is None or item.fitness > search.best.fitness):
                search.best, search.best_generation = item, generation
        for callback in callbacks:
            for index, item in enumerate(evaluations):
                callback.on_candidate_evaluated(search, generation, index, item)
            callback.on_generation_end(search, generation, evaluations)

    def _hardware(self) -> dict[str, Any]:
        device = self.strategy.root_device
        return {
            "precision": self.precision,
            "accelerator": "gpu" if device.type == "cuda" else device.type,
            "devices": [device.index] if device.type == "cuda" and device.index is not None else 1,
            "gradient_clip_val": self.gradient_clip_val,
            "gradient_clip_algorithm": self.gradient_clip_algorithm,
        }

    def _tasks(self, main: Task, more: list[Task]) -> list[Task]:
        tasks = [main]
        for number, task in enumerate(more, start=1):
            name = task.name if task.name != "task" else f"task{number}"
            tasks.append(Task(task.module, task.data, main.session, name=name))
        names = [task.name for task in tasks]
        if len(set(names)) < len(names):
            raise ValueError(f"Expected tasks of different names, got {names}.")
        return tasks

    def _meta_callbacks(self) -> list[MetaCallback]:
        """The user's, then those that every search has unless the user gave their own.

        The checkpoint comes last: what it says was done is then in every other file.
        """
        given = [item for item in self.callbacks if isinstance(item, MetaCallback)]  # type: ignore[attr-defined]
        for kind in (CandidateCurves, SearchHistory, SearchProgress, SearchCheckpoint):
            if not any(isinstance(item, kind) for item in given):
                given.append(kind())
        return sorted(given, key=lambda item: isinstance(item, SearchCheckpoint))


def _refuse_unsupported(evaluator: Evaluator, family: LossFamily, tasks: list[Task]) -> None:
    if reason := evaluator.unsupported(family, tasks):
        raise ValueError(f"{type(evaluator).__name__} can't be used here: {reason}")


def _refuse_unrefined(evaluator: Evaluator, searcher: Searcher) -> None:
    """A searcher that keeps track of what it asked for would be told of other candidates."""
    if evaluator.refines and not searcher.refines:
        raise ValueError(
            f"Expected a searcher that takes refined candidates with {type(evaluator).__name__}, "
            f"e.g. GeneticProgrammingSearcher, got {type(searcher).__name__}."
        )


def _refuse_if_all_failed(evaluations: list[Evaluation]) -> None:
    """Failures of every candidate of the first generation are no candidate's fault."""
    if all(item.status is Status.FAILED for item in evaluations):
        raise SearchError(
            f"Every candidate of the first generation failed; the first with: "
            f"{evaluations[0].message}"
        )


def _chosen(
    search: Search, evaluator: Evaluator, finalists: Finalists | None
) -> tuple[Evaluation, dict[str, Any]]:
    """What to store, and how it was chosen."""
    if search.best is not None:
        if finalists is None:
            return search.best, {}
        chosen = choose_finalist(search, evaluator.plain, finalists)
        return chosen, {"finalists": asdict(finalists)}
    if (usual := fall_back(search, evaluator.plain)) is not None:
        name, evaluation = usual
        return evaluation, {"not_learned": name}
    raise SearchError(
        f"No candidate could be trained in {search.searcher.generation} generations; "
        f"'{search.directory / SearchHistory.file_name}' says what became of each. Try another "
        "`start` of the family, a smaller `sigma` of the searcher, or fewer filters."
    )
