"""What a search says at its end."""

from __future__ import annotations

from dataclasses import replace

from rich.console import Console

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.comparison import (
    Comparison,
    Row,
    compare_losses,
    table,
    write_files,
)
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.losses.base import LossFunction


def final_comparison(
    search: Search, artifact: Artifact, evaluator: Evaluator, settings: Comparison
) -> list[Row]:
    """Compare the learned loss with cross-entropy and MSE on the first task's test data."""
    losses: dict[str, LossFunction] = {
        "learned": artifact.build(),
        "cross-entropy": CrossEntropy(),
        "MSE": MeanSquaredError(),
    }
    task = replace(search.tasks[0], seed=search.seed)
    console = Console()
    with console.status("comparing") as status:
        rows = compare_losses(
            losses, task, evaluator, settings, lambda text: status.update(f"comparing: {text}")
        )
    score = f"test {task.session.monitor.removeprefix('val_').replace('_', ' ')}"
    steps = settings.steps or task.session.steps
    title = f"Test data, {steps} steps, each loss at its best learning rate"
    console.print(table(rows, title, score))
    write_files(rows, search.directory, score)
    return rows
