"""Train with several losses on equal terms and test which is better."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from pathlib import Path

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.cli.compare.figures import draw_figures
from lightning_lossmeta.cli.compare.request import Request, parse, reported
from lightning_lossmeta.cli.compare.searches import with_search_seconds
from lightning_lossmeta.cli.shell import console
from lightning_lossmeta.comparison import (
    ComparisonConfig,
    Report,
    Row,
    RunStore,
    best_searches,
    compare_losses,
    pooled,
    refuse_if_all_failed,
    with_p_values,
)
from lightning_lossmeta.comparison.progress import ComparisonProgress
from lightning_lossmeta.report import write_report
from lightning_lossmeta.search.run_lock import run_lock
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.faults import with_advice


def main(argv: list[str]) -> int:
    """Run the comparison that a configuration describes."""
    return reported(lambda: _run(parse(argv, "compare", __doc__)))


def _run(request: Request) -> None:
    directory = request.directory
    with run_lock(directory):
        write_atomic(directory / "config.yaml", request.text)
        try:
            with with_advice(lambda: _go_on(directory)), closing(request.evaluator):
                _compare(request)
        except (KeyboardInterrupt, SystemExit) as stop:
            raise KeyboardInterrupt(
                f"Interrupted; what was trained is kept. {_go_on(directory)}"
            ) from stop


def _go_on(directory: Path) -> str:
    config = shlex.quote(str(directory / "config.yaml"))
    return f"Go on with: lossmeta compare --config {config} --run_dir {shlex.quote(str(directory))}"


def _compare(request: Request) -> None:
    directory = request.directory
    tasks = [task for task, _ in request.tasks.values()]
    request.evaluator.prepare(1, partial(print, flush=True))
    rows = _compared(request, tasks, RunStore(directory / "trainings"))
    refuse_if_all_failed(rows)
    reports = _reports(request, rows)
    report = reports[""]
    for name, item in reports.items():  # before anything is printed, which may fail
        (directory / name).mkdir(exist_ok=True)
        item.write(directory / name)
    places = {name: place for name, (_, place) in request.tasks.items()}
    pictures = draw_figures(report, places, request.sweep, directory, _chance(request))
    out = console(width=150)
    title = _title(tasks, request.comparison)
    out.print(report.table(title))
    out.print("\n".join(report.verdict()), highlight=False, markup=False)
    if best := reports.get("best_search"):
        out.print(best.table(f"{title}; of each method the search that validation prefers"))
    files = [directory / f"comparison.{end}" for end in ("csv", "md", "tex", "json")]
    page = [write_report(directory)] if request.report else []
    for path in [*files, *pictures, *page]:
        out.print(str(path), highlight=False, soft_wrap=True)


def _reports(request: Request, rows: Sequence[Row]) -> dict[str, Report]:
    """Reports by sub-folder: that of methods (in none), and those of what stands behind it."""
    methods = request.searches.names() if request.searches.methods else {}
    views = {"": pooled(rows, methods)}
    if methods:
        views["each_search"] = list(rows)
    if methods and request.searches.count > 1 and all(row.tuning for row in rows):
        views["best_search"] = best_searches(rows, methods)
    return {
        name: Report(
            with_p_values(view, request.baseline, mode=request.mode),
            request.score,
            request.baseline,
            mode=request.mode,
        )
        for name, view in views.items()
    }


def _compared(request: Request, tasks: list[Task], store: RunStore) -> list[Row]:
    """Learn what is to be learned, then compare; all at once where all tasks have equal losses."""
    learned = request.searches.run(tasks) if request.searches.methods else {}
    with ComparisonProgress() as progress:
        if not learned:
            return compare_losses(
                request.losses, tasks, request.evaluator, request.comparison, progress, store
            )
        rows: list[Row] = []
        for task in tasks:
            own = learned[task.name]
            losses = {**request.losses, **{k: item.artifact.build() for k, item in own.items()}}

            def named(stage: str, done: int, count: int, name: str = task.name) -> None:
                progress(f"{name}, {stage}", done, count)

            task_rows = compare_losses(
                losses, task, request.evaluator, request.comparison, named, store, repeats=True
            )
            rows += with_search_seconds(task_rows, own)
        return rows


def _chance(request: Request) -> float | None:
    """The accuracy of guessing, where it is the same for all tasks."""
    counts = {getattr(task.data, "num_classes", None) for task, _ in request.tasks.values()}
    count = counts.pop() if len(counts) == 1 else None
    return 1 / count if count and "accuracy" in request.score else None


def _title(tasks: list[Task], comparison: ComparisonConfig) -> str:
    steps = {comparison.steps or task.session.steps for task in tasks}
    budget = f"{min(steps):,} to {max(steps):,}" if len(steps) > 1 else f"{max(steps):,}"
    if len(comparison.learning_rate_factors) == 1:
        return f"Test data, {budget} steps, the learning rate as configured"
    return f"Test data, {budget} steps, each loss at its best learning rate"
