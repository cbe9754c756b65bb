"""Draw training and test accuracy of several losses, step by step."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_lossmeta._names import safe_names
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.cli.compare.request import Request, found_factors, parse, reported
from lightning_lossmeta.cli.shell import console
from lightning_lossmeta.comparison import RunStore
from lightning_lossmeta.comparison.progress import ComparisonProgress

if TYPE_CHECKING:
    from lightning_lossmeta.comparison.learning import LearningCurves


def main(argv: list[str]) -> int:
    """Train with each loss of a comparison's configuration and draw the curves.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    return reported(lambda: _run(parse(argv, "learning", __doc__)))


def _run(request: Request) -> None:
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.learning_figure import learning_figure
    from lightning_lossmeta.comparison.learning import learning_curves

    request.directory.mkdir(parents=True, exist_ok=True)
    store = RunStore(request.directory / "trainings")
    files = safe_names(request.tasks)
    factors = found_factors(request.directory / "comparison.json")
    out = console()
    try:
        for name, (task, _) in request.tasks.items():
            own = {loss: factors.get((name, loss), 1.0) for loss in request.losses}
            with ComparisonProgress() as progress:
                curves = learning_curves(
                    request.losses,
                    task,
                    request.evaluator,
                    request.comparison,
                    own,
                    progress,
                    store,
                )
            if not curves:
                out.print(f"{name}: no loss gave a training accuracy to draw, left out")
                continue
            stem = "learning" if len(request.tasks) == 1 else f"learning-{files[name]}"
            drawn = {
                k: (item.steps.tolist(), item.training, item.scored) for k, item in curves.items()
            }
            seeds = request.comparison.seeds
            figure = learning_figure(drawn, f"{name}, mean of {seeds} trainings", request.score)
            for path in (
                save_figure(figure, request.directory / f"{stem}.png"),
                _written(curves, request.directory / f"{stem}.csv"),
            ):
                out.print(str(path), highlight=False, soft_wrap=True)
    finally:
        request.evaluator.close()


def _written(curves: Mapping[str, LearningCurves], path: Path) -> Path:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["loss", "step", "training", "training_std", "test", "test_std"])
    for name, item in curves.items():
        for place, step in enumerate(item.steps.tolist()):
            columns = item.training[:, place], item.scored[:, place]
            figures = [f"{number:.6g}" for c in columns for number in (c.mean(), c.std(ddof=1))]
            writer.writerow([name, step, *figures])
    write_atomic(path, text.getvalue())
    return path
