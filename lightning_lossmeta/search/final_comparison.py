"""What a search says at its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rich.console import Console

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.comparison import (
    ComparisonConfig,
    Report,
    Row,
    RunStore,
    compare_losses,
    refuse_if_all_failed,
    with_p_values,
)
from lightning_lossmeta.comparison.progress import ComparisonProgress
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.search.contenders import baselines_of
from lightning_lossmeta.task import Task


def final_comparison(
    search: Search,
    artifact: Artifact,
    evaluator: Evaluator,
    settings: ComparisonConfig,
    baselines: Sequence[str] | None = None,
) -> list[Row]:
    """Compare the learned loss with the usual ones on the test data of each task.

    Trainings see all training samples, and learning rates are relative to what the module
    configures, whatever the sessions of the search had.

    Args:
        search: The search.
        artifact: The learned loss.
        evaluator: Trains.
        settings: Seeds, learning rates and budget.
        baselines: Names of the losses to compare with, as of
            :class:`~lightning_lossmeta.search.selection.Finalists`.

    Returns:
        One row a task and loss; the first is the learned one's on the main task.

    Raises:
        ComparisonError: If every training failed.
    """
    losses = {"learned": artifact.build(), **baselines_of(search, baselines)}
    tasks = [_whole(task, search.seed) for task in search.tasks]
    session = tasks[0].session
    console = Console()
    with ComparisonProgress() as progress:

        def told(stage: str, done: int, count: int) -> None:
            progress(f"comparison, {stage}", done, count)

        store = RunStore(search.directory / "trainings")
        rows = compare_losses(losses, tasks, evaluator, settings, told, store)
    refuse_if_all_failed(rows)
    rows = with_p_values(rows, "learned", session.mode, baseline_better=True)
    score = f"test {session.monitor.removeprefix('val_').replace('_', ' ')}"
    steps = settings.steps or session.real_steps
    report = Report(rows, score, "learned", session.mode, baseline_better=True)
    report.write(search.directory)
    console.print(report.table(f"Test data, {steps} steps, each loss at its best learning rate"))
    console.print("\n".join(report.verdict()), highlight=False, markup=False)
    return rows


def _whole(task: Task, seed: int) -> Task:
    """A task as it is trained in earnest."""
    session = replace(task.session, train_samples=None, learning_rate_factor=1.0)
    return replace(task, seed=seed, session=session)
