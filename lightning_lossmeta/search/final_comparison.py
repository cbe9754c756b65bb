"""What a search says at its end."""

from __future__ import annotations

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
from lightning_lossmeta.losses import baseline_losses


def final_comparison(
    search: Search, artifact: Artifact, evaluator: Evaluator, settings: ComparisonConfig
) -> list[Row]:
    """Compare the learned loss with the usual ones on the test data of each task.

    Returns:
        One row a task and loss; the first is the learned one's on the main task.

    Raises:
        ComparisonError: If every training failed.
    """
    learned = artifact.build()
    losses = {"learned": learned, **baseline_losses(learned.link)}
    tasks = [replace(task, seed=search.seed) for task in search.tasks]
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
