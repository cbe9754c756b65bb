"""Show how searches went: fitness by generation, what filters saved, times."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_lossmeta.cli.shell import console, printable, reported

if TYPE_CHECKING:
    from lightning_lossmeta.cli.curves.runs import Run

FILES = ("fitness.png", "filters.png", "curves.csv")


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    parser = _parser()
    options = parser.parse_args(argv)
    if not options.runs and not options.label:
        parser.error("expected the folder of at least one run")
    return reported("lossmeta curves", lambda: _curves(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lossmeta curves",
        formatter_class=argparse.RawDescriptionHelpFormatter,
        description="Show how searches went: best fitness against generation (fitness.png), what "
        "became of\ncandidates and which filters judged them (filters.png), and counts and times "
        "by method\n(curves.csv, and a table).",
        epilog="Folders whose names differ by a number at the end alone, as EvoMAL-1 and "
        "EvoMAL-seed2 do, are\nruns of one method, EvoMAL: curves and numbers are means over them. "
        "All others are methods\nof their own, unless --label says otherwise. Curves end with the "
        "shortest run of a method.\n\n"
        "examples:\n"
        "  lossmeta curves runs/quickstart\n"
        "  lossmeta curves runs/EvoMAL-* runs/TaylorGLO-* --out runs/curves\n"
        "  lossmeta curves --label 'EvoMAL=runs/e*' --label 'no filters=runs/plain'",
    )
    parser.add_argument(
        "runs", nargs="*", metavar="RUN", help="folder of a search, or a pattern of folders"
    )
    parser.add_argument(
        "--label",
        action="append",
        default=[],
        type=_label,
        metavar="NAME=RUN",
        help="a folder, or a pattern in quotes, and the method that it is a run of; "
        "can be given several times, also with one name",
    )
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to (default: the first run's folder)"
    )
    return parser


def _label(text: str) -> tuple[str, str]:
    name, equals, run = text.partition("=")
    if not name.strip() or not equals or not run:
        raise argparse.ArgumentTypeError(f"expected NAME=RUN, got '{text}'")
    return name.strip(), run


def _curves(options: argparse.Namespace) -> None:
    from lightning_lossmeta.artifacts import write_atomic
    from lightning_lossmeta.cli.curves.runs import find_runs, read_run
    from lightning_lossmeta.cli.curves.summary import (
        summarise_runs,
        summary_csv,
        summary_tables,
    )

    out = console()
    folders_of = find_runs(options.runs, options.label)
    runs = {
        label: [read_run(folder) for folder in folders] for label, folders in folders_of.items()
    }
    folder = options.out or next(iter(runs.values()))[0].folder
    for line in _remarks(runs):
        out.print(printable(line), soft_wrap=True, highlight=False, markup=False)
    groups = _with_generations(runs)
    _check_scores(groups)
    folder.mkdir(parents=True, exist_ok=True)
    summary = summarise_runs(groups)
    for table in summary_tables(groups, summary):
        out.print(table)
    paths = [folder / name for name in FILES]
    _draw(groups, *paths[:2])
    write_atomic(paths[2], summary_csv(groups, summary))
    for path in paths:
        out.print(printable(str(path)), soft_wrap=True, highlight=False, markup=False)


def _remarks(groups: Mapping[str, list[Run]]) -> list[str]:
    """Sentences on what of the runs is not shown."""
    lines = []
    for label, runs in groups.items():
        for run in runs:
            if not run.generations:
                lines.append(f"'{run.folder}' has no finished generation yet: left out")
            elif run.unfinished:
                number, count = len(run.generations), run.unfinished
                lines.append(f"'{run.folder}': {count} candidates of generation {number} left out")
        lengths = [len(run.generations) for run in runs if run.generations]
        if lengths and min(lengths) < max(lengths):
            lines.append(f"{label}: runs of {min(lengths)} to {max(lengths)} generations")
    return lines


def _with_generations(groups: Mapping[str, list[Run]]) -> dict[str, list[Run]]:
    from lightning_lossmeta.cli.curves.runs import UnreadableRunError

    finished = {label: [run for run in runs if run.generations] for label, runs in groups.items()}
    if not any(finished.values()):
        raise UnreadableRunError("expected at least one run with a finished generation, got none")
    return {label: runs for label, runs in finished.items() if runs}


def _check_scores(groups: Mapping[str, list[Run]]) -> None:
    """Refuse runs whose scores are of different kinds, which have no scale in common."""
    from lightning_lossmeta.cli.curves.runs import UnreadableRunError

    runs = [run for group in groups.values() for run in group]
    first = runs[0]
    for run in runs:
        if (run.monitor, run.mode) != (first.monitor, first.mode):
            raise UnreadableRunError(
                f"expected runs with one score, got {first.monitor} ({first.mode}) in "
                f"'{first.folder}' and {run.monitor} ({run.mode}) in '{run.folder}'"
            )


def _draw(groups: Mapping[str, list[Run]], fitness: Path, fates: Path) -> None:
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.filter_shares import filter_figure
    from lightning_lossmeta.analysis.search_curves import search_figure
    from lightning_lossmeta.cli.curves.summary import bests, filters_of, shares

    monitor = next(iter(groups.values()))[0].monitor
    curves = {label: bests(runs) for label, runs in groups.items()}
    save_figure(search_figure(curves, f"best {monitor} so far"), fitness)
    filters = filters_of(groups)
    parts = {label: shares(runs, filters) for label, runs in groups.items()}
    save_figure(filter_figure(parts, {n: len(runs) for n, runs in groups.items()}), fates)
