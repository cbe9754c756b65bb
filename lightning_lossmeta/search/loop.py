"""The outer loop of a search, and what it ends with."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts import Artifact, LearnedLoss
from lightning_lossmeta.callbacks import Search, SearchHistory
from lightning_lossmeta.callbacks.provenance import learned_artifact
from lightning_lossmeta.comparison import ComparisonConfig, Row
from lightning_lossmeta.comparison.progress import ComparisonProgress
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import ProgressFn
from lightning_lossmeta.search.ending import outcome, save_choice
from lightning_lossmeta.search.final_comparison import final_comparison
from lightning_lossmeta.search.finals import Choice, final_round
from lightning_lossmeta.search.generation import Engines, score_generation
from lightning_lossmeta.search.run_folder import resume_hint
from lightning_lossmeta.search.selection import Finalists, best_baseline


class SearchError(RuntimeError):
    """A search that can't go on, with what the user can do."""


@dataclass(frozen=True, repr=False)
class SearchResult:
    """What a search ended with.

    Args:
        directory: The run's folder.
        artifact: The best of the learned losses.
        evaluation: Its evaluation in the search.
        comparison: The rows of the final comparison; empty if there was none.
        seconds: Wall time of the search without the comparison.
        choice: How it did beside the usual losses on fresh seeds; ``None`` without finalists.
    """

    directory: Path
    artifact: Artifact
    evaluation: Evaluation
    comparison: list[Row]
    seconds: float
    choice: Choice | None = None

    def __repr__(self) -> str:
        """What was learned, in a few lines; the arguments hold more."""
        where = f"SearchResult in '{self.directory}' after {self.seconds:.0f} s"
        scores = self.artifact.provenance.get("objectives", {}).items()
        score = ", ".join(f"{name} {value:.4f}" for name, value in scores)
        return "\n".join(filter(None, (where, score, self.artifact.formula())))

    @property
    def loss_fn(self) -> LearnedLoss:
        """What to train with, the loss of ``best.json``, called as ``loss_fn(logits, target)``."""
        return LearnedLoss(self.directory / "best.json")

    @property
    def learning_rate_factor(self) -> float:
        """The best factor of the loss in ``best.json``: of the comparison, else of the finalists.

        1 if there was neither.
        """
        if self.choice is not None and self.choice.keep_baseline and self.choice.baseline:
            return self.choice.baseline.factor
        if self.comparison:
            return self.comparison[0].factor
        return 1.0 if self.choice is None else self.choice.learned.factor


def run_search(
    search: Search,
    engines: Engines,
    finalists: Finalists | None = None,
    comparison: ComparisonConfig | None = None,
) -> SearchResult:
    """Go on with a search to its end, choose the learned loss and compare it.

    Args:
        search: Begun or restored; its folder is there.
        engines: Do the work; the evaluator is closed at the end.
        finalists: How the learned loss is chosen; by fitness alone without.
        comparison: How it is compared with others; not at all without.

    Raises:
        SearchError: If neither a candidate nor a baseline could be trained.
        KeyboardInterrupt: On Ctrl-C, with what to type to go on.
    """
    started = time.perf_counter()

    def say(line: str) -> None:
        for callback in engines.callbacks:
            callback.on_note(search, line)

    engines.evaluator.prepare(search.generations, say)
    try:
        _generations(search, engines)
        with ComparisonProgress() as progress:
            chosen, made, choice = _chosen(search, engines, finalists, progress)
        artifact = learned_artifact(search, chosen, made)
        save_choice(search, artifact, choice)
        seconds = time.perf_counter() - started
        rows: list[Row] = []
        if comparison is not None:
            rows = final_comparison(search, artifact, engines.evaluator, comparison)
    except (KeyboardInterrupt, SystemExit) as stop:
        raise KeyboardInterrupt(resume_hint(search)) from stop
    finally:
        engines.evaluator.close()
    return SearchResult(search.directory, artifact, chosen, rows, seconds, choice)


def _generations(search: Search, engines: Engines) -> None:
    try:
        for callback in engines.callbacks:
            callback.on_search_start(search)
        for generation in range(search.searcher.generation, search.generations):
            if search.searcher.stop_reason:
                break
            _generation(search, generation, engines)
    finally:
        for callback in engines.callbacks:
            callback.on_search_end(search)


def _generation(search: Search, generation: int, engines: Engines) -> None:
    for callback in engines.callbacks:
        callback.on_generation_start(search, generation)

    def on_progress(stage: str, done: int, count: int) -> None:
        for callback in engines.callbacks:
            callback.on_progress(search, stage, done, count)

    evaluations = score_generation(search, generation, engines, on_progress)
    if generation == 0:
        _refuse_if_all_failed(evaluations)
    search.searcher.tell(evaluations)
    search.evaluator_state = engines.evaluator.state_dict()
    for item in evaluations:
        search.front.add(generation, item)
    for callback in engines.callbacks:
        for index, item in enumerate(evaluations):
            callback.on_candidate_evaluated(search, generation, index, item)
        callback.on_generation_end(search, generation, evaluations)


def _refuse_if_all_failed(evaluations: list[Evaluation]) -> None:
    """Failures of every candidate of the first generation are no candidate's fault."""
    if all(item.status is Status.FAILED for item in evaluations):
        raise SearchError(
            f"Every candidate of the first generation failed; the first with: "
            f"{evaluations[0].message}"
        )


def _chosen(
    search: Search, engines: Engines, finalists: Finalists | None, on_progress: ProgressFn
) -> tuple[Evaluation, dict[str, Any], Choice | None]:
    """What was learned, how it was chosen for its file, and the choice itself."""
    if search.best is not None:
        if finalists is None:
            return search.best, {}, None
        choice = final_round(search, engines.evaluator, finalists, on_progress)
        described = {"finalists": asdict(finalists), **outcome(search, choice)}
        return choice.learned.evaluation, described, choice
    if (baseline := best_baseline(search, engines.evaluator)) is not None:
        name, evaluation = baseline
        return evaluation, {"not_learned": name}, None
    raise SearchError(
        f"No candidate could be trained in {search.searcher.generation} generations; "
        f"'{search.directory / SearchHistory.file_name}' says what became of each. Try another "
        "`start` of the family, a smaller `sigma` of the searcher, or fewer filters."
    )
