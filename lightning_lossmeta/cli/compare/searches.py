"""The searches of a comparison: each method learns a loss on each task, several times."""

from __future__ import annotations

import csv
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from rich.console import Console

from lightning_lossmeta._fingerprint import FingerprintError, digest
from lightning_lossmeta._names import safe_names
from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks import CandidateCurves, SearchHistory
from lightning_lossmeta.cli.search_methods import SearchMethod, make_search_method
from lightning_lossmeta.comparison.columns import NOT_LEARNED, SEARCH_SECONDS
from lightning_lossmeta.comparison.rows import Row
from lightning_lossmeta.comparison.runs import describe_task
from lightning_lossmeta.search import MetaLossTrainer, SearchError
from lightning_lossmeta.search.run_lock import run_lock
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.session import quiet_lightning


@dataclass(frozen=True)
class LearnedLossRun:
    """A loss that a method learned on a task.

    Args:
        artifact: The loss.
        seconds: What the search's candidates took, local searches included, finalists not.
    """

    artifact: Artifact
    seconds: float

    @property
    def fallback(self) -> str:
        """Name of the baseline that stands in where the search found nothing; empty otherwise."""
        return str(self.artifact.provenance.get("not_learned", ""))


@dataclass(frozen=True)
class Searches:
    """The losses that a comparison learns first: some by each method on each task.

    Args:
        methods: Settings of each method, by name.
        count: How many losses a method learns on a task, with seeds of their own.
        seed: All seeds derive from it: search i has one seed, whatever the method and task.
        directory: Gets ``losses`` and ``searches``; what lies there is not learned again.
    """

    methods: Mapping[str, Mapping[str, Any]]
    count: int
    seed: int
    directory: Path

    def names(self) -> dict[str, list[str]]:
        """The names of the losses of each method.

        >>> Searches({"GP": {}}, 2, 0, Path("run")).names()
        {'GP': ['GP 1', 'GP 2']}
        """
        return {
            method: [f"{method} {number + 1}" for number in range(self.count)]
            for method in self.methods
        }

    def run(self, tasks: Sequence[Task]) -> dict[str, dict[str, LearnedLossRun]]:
        """Learn what is not there yet, search after search.

        Args:
            tasks: The tasks to learn losses on; each gives a search module, data and monitor.

        Returns:
            What was learned, by name of the task and of the loss.
        """
        runs: dict[str, dict[str, LearnedLossRun]] = {task.name: {} for task in tasks}
        plan = list(self._plan(tasks))
        folders, files = safe_names(runs), self._file_names()
        console = Console()
        for position, (task, method, number) in enumerate(plan, start=1):
            place = _Place(self.directory, folders[task.name], files[method, number])
            if not place.loss.exists():
                console.print(
                    f"search {position} of {len(plan)}: {method} {number + 1} on {task.name}",
                    highlight=False,
                )
            name = self.names()[method][number]
            learned = runs[task.name][name] = self._learned(task, method, number, place)
            if learned.fallback:
                console.print(
                    f"{name} on {task.name} was not learned: it is {learned.fallback}",
                    highlight=False,
                )
        return runs

    def _file_names(self) -> dict[tuple[str, int], str]:
        """The file name of each loss without its ending, by method and number."""
        keys = [(method, number) for method in self.methods for number in range(self.count)]
        plain = [f"{method}-{number + 1}" for method, number in keys]
        safe = safe_names(plain)
        return {key: safe[name] for key, name in zip(keys, plain, strict=True)}

    def _plan(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, str, int]]:
        """All searches in order: a first of every method on every task before the second of any."""
        for number in range(self.count):
            for task in tasks:
                for method in self.methods:
                    yield task, method, number

    def _learned(self, task: Task, method: str, number: int, place: _Place) -> LearnedLossRun:
        config = self.methods[method]
        identity = self._identity(config, task)
        if place.loss.exists():
            artifact = Artifact.load(place.loss)
            if identity is None or artifact.provenance.get("method") != identity:
                raise ValueError(
                    f"Expected '{place.loss}' to be learned with {method}, the task and the seed "
                    "as they are now, but something has changed or can't be compared by value: "
                    "choose another `run_dir`, or "
                    f"remove it and '{place.folder}'."
                )
            return LearnedLossRun(artifact, _seconds(place.folder))
        seed = derived_seed(self.seed, Purpose.COMPARED_SEARCHES, number)
        try:
            artifact = _search(make_search_method(config), task, seed, place.folder)
        except SearchError as error:
            raise ValueError(
                f"Expected {method} to learn a loss on {task.name}: {error.reason} Leave it out, "
                "or change its settings."
            ) from None
        provenance = {**artifact.provenance, "method": identity, "method_name": method}
        artifact = replace(artifact, provenance=provenance)
        place.loss.parent.mkdir(parents=True, exist_ok=True)
        artifact.save(place.loss)
        return LearnedLossRun(artifact, _seconds(place.folder))

    def _identity(self, config: Mapping[str, Any], task: Task) -> str | None:
        """A digest of what a loss is learned by and on; ``None`` if that can't be known again."""
        session = task.session
        conditions = [self.seed, session.monitor, session.mode, str(session.precision)]
        try:
            return digest([config, *conditions, describe_task(task)])
        except FingerprintError:
            return None


@dataclass(frozen=True)
class _Place:
    """Where a search has its folder, and its loss a file."""

    directory: Path
    task: str
    name: str

    @property
    def folder(self) -> Path:
        return self.directory / "searches" / self.task / self.name

    @property
    def loss(self) -> Path:
        return self.directory / "losses" / self.task / f"{self.name}.json"


def _search(method: SearchMethod, task: Task, seed: int, folder: Path) -> Artifact:
    """Search, or go on where a search was stopped."""
    callbacks: list[Any] = list(method.callbacks)
    if not any(isinstance(item, CandidateCurves) for item in callbacks):
        callbacks.append(CandidateCurves(top_k=1))  # many searches would write many files
    with quiet_lightning():
        trainer = MetaLossTrainer(
            accelerator=task.session.accelerator,
            devices=task.session.devices,
            precision=task.session.precision,  # type: ignore[arg-type]
            callbacks=callbacks,
            logger=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            enable_checkpointing=False,
        )
    stopped = (folder / "state.json").exists()
    if not stopped:
        _set_aside(folder)
    result = trainer.search(
        task.module,
        task.data,
        replace(method.session, objectives=task.session.objectives),
        method.family,
        method.searcher,
        method.refiner,
        method.evaluator,
        method.allocation,
        generations=method.generations,
        finalists=method.finalists,
        run_dir=None if stopped else str(folder),
        resume=str(folder) if stopped else None,
        seed=seed,
        loss_attribute=task.loss_attribute,
    )
    return result.artifact


def _set_aside(folder: Path) -> None:
    """Make way for a search: of what lies there no generation was finished.

    It may be somebody's all the same, and is kept under another name.
    """
    if folder.exists():
        with run_lock(folder):
            pass  # nobody works there
        folder.rename(folder.with_name(f".{folder.name}.{secrets.token_hex(4)}.unfinished"))


def _seconds(folder: Path) -> float:
    """What a search's candidates took; NaN where its history is missing or damaged."""
    path = folder / SearchHistory.file_name
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return sum(float(row["seconds"]) for row in csv.DictReader(file))
    except (FileNotFoundError, csv.Error, LookupError, TypeError, ValueError):
        return float("nan")


def with_search_seconds(rows: Sequence[Row], learned: Mapping[str, LearnedLossRun]) -> list[Row]:
    """Rows of one task with what it took to learn their losses."""
    return [
        replace(
            row,
            metrics={
                **row.metrics,
                SEARCH_SECONDS: (learned[row.name].seconds,) * len(row.scores),
                NOT_LEARNED: (float(bool(learned[row.name].fallback)),) * len(row.scores),
            },
        )
        if row.name in learned
        else row
        for row in rows
    ]
