"""The outer loop of a search, and what it ends with."""

from __future__ import annotations

import time
import warnings
from collections.abc import Sequence
from contextlib import closing
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
from lightning_lossmeta.search.front_finals import front_round
from lightning_lossmeta.search.generation import Engines, score_generation
from lightning_lossmeta.search.run_folder import go_on, resume_hint
from lightning_lossmeta.search.selection import Finalists, best_baseline
from lightning_lossmeta.training.faults import with_advice


class SearchError(RuntimeError):
    """A search that can't go on, with what the user can do.

    Args:
        reason: What went wrong.
        advice: What to type to go on, where the reason may pass.
    """

    def __init__(self, reason: str, advice: str = "") -> None:
        super().__init__(f"{reason} {advice}".strip())
        self.reason = reason


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
        """What the module's learning rates are multiplied by for the loss in ``best.json``.

        It is the best of the comparison, else of the finalists, else that of the search's sessions.
        """
        if self.choice is not None and self.choice.keep_baseline and self.choice.baseline:
            kept = self.choice.baseline
            rows = [row for row in self.comparison if row.name == kept.contender.name]
            return rows[0].factor if rows else kept.factor
        if self.comparison:
            return self.comparison[0].factor
        if self.choice is not None:
            return self.choice.learned.factor
        return float(self.artifact.provenance.get("learning_rate_factor", 1.0))


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
        SearchError: If every candidate of a generation failed, none has a finite value of one of
            several objectives, or neither a candidate nor a baseline could be trained.
        MachineError: If the machine or the data failed, with what to type to go on.
        KeyboardInterrupt: On Ctrl-C, with what to type to go on.
    """
    try:
        with with_advice(lambda: go_on(search)), closing(engines.evaluator):
            return _to_its_end(search, engines, finalists, comparison)
    except (KeyboardInterrupt, SystemExit) as stop:
        raise KeyboardInterrupt(resume_hint(search)) from stop


def _to_its_end(
    search: Search,
    engines: Engines,
    finalists: Finalists | None,
    comparison: ComparisonConfig | None,
) -> SearchResult:
    started = time.perf_counter()

    def say(line: str) -> None:
        for callback in engines.callbacks:
            callback.on_note(search, line)

    engines.evaluator.prepare(search.generations, say)
    _generations(search, engines)
    with ComparisonProgress() as progress:
        chosen, made, choice = _chosen(search, engines, finalists, progress)
    artifact = learned_artifact(search, chosen, made)
    save_choice(search, artifact, choice)
    seconds = time.perf_counter() - started
    rows: list[Row] = []
    if comparison is not None:
        names = None if finalists is None else finalists.baselines or None
        rows = final_comparison(search, artifact, engines.evaluator, comparison, names)
    return SearchResult(search.directory, artifact, chosen, rows, seconds, choice)


def _generations(search: Search, engines: Engines) -> None:
    try:
        for callback in engines.callbacks:
            callback.on_search_start(search)
        for generation in range(search.searcher.generation, search.generations):
            if search.searcher.stop_reason or search.stop_reason:
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
    _refuse_if_all_failed(search, generation, evaluations)
    _refuse_if_never_finite(search, generation, evaluations)
    search.searcher.tell(evaluations)
    search.evaluator_state = engines.evaluator.state_dict()
    for item in evaluations:
        search.front.add(generation, item)
    for callback in engines.callbacks:
        for index, item in enumerate(evaluations):
            callback.on_candidate_evaluated(search, generation, index, item)
        callback.on_generation_end(search, generation, evaluations)


def _refuse_if_all_failed(
    search: Search, generation: int, evaluations: Sequence[Evaluation]
) -> None:
    """Failures of all that were trained are no candidate's fault: nobody may learn from them.

    One alone may be what filters left of a generation, and fail by itself.

    Warns:
        UserWarning: If no candidate of the first generation has a score.
    """
    trained = [item for item in evaluations if not item.filter]
    failed = [item for item in trained if item.status is Status.FAILED]
    which = "the first generation" if generation == 0 else f"generation {generation + 1}"
    if failed and len(failed) == len(trained) and (len(failed) > 1 or len(evaluations) == 1):
        raise SearchError(
            f"Every candidate of {which} failed, so that it does not count; the first with: "
            f"{' '.join(failed[0].message.split())}",
            go_on(search),
        )
    if generation == 0 and trained and not any(item.objectives for item in trained):
        warnings.warn(
            f"No candidate of {which} has a score; the first {trained[0].status.value}: "
            f"{trained[0].message}. If the next ones have none either, lower the learning rate, "
            "or begin with another `start` of the family.",
            stacklevel=2,
        )


def _refuse_if_never_finite(
    search: Search, generation: int, evaluations: Sequence[Evaluation]
) -> None:
    """Of several objectives one that no training can be scored by is no candidate's fault."""
    trained = [item for item in evaluations if not item.filter]
    several = len(search.objectives) > 1 and len(trained) > 1
    if not several or not all(item.not_finite for item in trained):
        return
    if any(len(item.not_finite) == len(search.objectives) for item in trained):
        return  # networks that diverged
    for name in trained[0].not_finite:
        if all(name in item.not_finite for item in trained):
            raise SearchError(
                f"Expected `{name}` to be finite for some candidate of generation "
                f"{generation + 1}, but it is for none of {len(trained)} that were trained, while "
                "their weights and other objectives are: look at what computes it, or leave it out "
                "of the session's `objectives`.",
                go_on(search),
            )


def _refuse_if_finalists_failed(search: Search, choice: Choice) -> None:
    standings = [choice.learned, *filter(None, [choice.baseline])]
    if all(item.evaluation.status is Status.FAILED for item in standings):
        message = " ".join(choice.learned.evaluation.message.split())
        raise SearchError(f"Every finalist failed; the first with: {message}", go_on(search))


def _chosen(
    search: Search, engines: Engines, finalists: Finalists | None, on_progress: ProgressFn
) -> tuple[Evaluation, dict[str, Any], Choice | None]:
    """What was learned, how it was chosen for its file, and the choice itself."""
    if search.best is not None:
        if finalists is None:
            return search.best, {}, None
        decide = front_round if search.searcher.seeks_front else final_round
        choice = decide(search, engines.evaluator, finalists, on_progress)
        _refuse_if_finalists_failed(search, choice)
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
