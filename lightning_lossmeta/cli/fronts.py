"""The front of a run, as a table and a picture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from lightning_lossmeta.analysis import front_figure, save_figure
from lightning_lossmeta.artifacts import ArtifactError, FrontFile
from lightning_lossmeta.artifacts.front_file import FRONT_FILE
from lightning_lossmeta.callbacks.front import FRONT_PICTURE, fresh_table, usual_tables
from lightning_lossmeta.cli.shell import console, printable
from lightning_lossmeta.report.history import read_history

#: Characters of a formula that the table shows.
_FORMULA = 300


def has_front(text: str) -> bool:
    """Whether a path is the folder of a run that keeps a front."""
    return (Path(text).expanduser() / FRONT_FILE).is_file()


def show_front(run: Path, out: Path | None) -> None:
    """List the front of a run, and draw it.

    Args:
        run: The run's folder; nothing in it is imported or evaluated.
        out: The picture; by default the one in the run's folder.

    Raises:
        ArtifactError: If its files are damaged.
    """
    index = FrontFile.load(run / FRONT_FILE)
    screen = console()
    screen.print(front_table(index, run))
    if index.hypervolumes:
        reference = ", ".join(f"{value:.4g}" for value in index.reference)
        screen.print(
            f"hypervolume {index.hypervolumes[-1]:.6g} after {len(index.hypervolumes)} generations "
            f"({index.hypervolumes[0]:.6g} after the first), above ({reference})",
            highlight=False,
        )
    if not index.members:
        return
    path = save_figure(_figure(index, run), out or run / FRONT_PICTURE)
    text = printable(f"front figure: {path}")
    screen.print(text, soft_wrap=True, highlight=False, markup=False)


def front_table(index: FrontFile, run: Path) -> Table:
    """A row a member, the knee marked, then the usual losses.

    Args:
        index: The front.
        run: The folder that its files are relative to.
    """
    table = Table(title=printable(f"Front of {run}"), title_justify="left", show_lines=True)
    table.add_column("file", no_wrap=True)
    names = [f"{name} ({'less' if mode == 'min' else 'more'})" for name, mode in index.objectives]
    for name in names:
        table.add_column(Text(printable(name)), justify="right")
    table.add_column("loss", overflow="fold")
    for place, item in enumerate(index.members):
        marked = f"{item.file or place}{' knee' if place == index.knee else ''}"
        again: Sequence[float | None] = item.fresh or (None,) * len(item.scores)
        cells = [_cell(value, fresh) for value, fresh in zip(item.scores, again, strict=True)]
        formula = item.formula[:_FORMULA] + ("..." if len(item.formula) > _FORMULA else "")
        table.add_row(Text(printable(marked)), *cells, Text(printable(formula)))
    for usual in index.usual:
        cells = [f"fresh {value:.4f}" for value in usual.scores]
        name = f"{usual.name}, learning rate x {usual.factor:g}"
        table.add_row("", *cells, Text(printable(name)))
    return table


def _cell(value: float, fresh: float | None) -> str:
    return f"{value:.4f}" if fresh is None else f"{value:.4f}\nfresh {fresh:.4f}"


def _figure(index: FrontFile, run: Path) -> Any:
    try:
        history = read_history(run / "history.csv")
    except (ValueError, OSError) as error:
        raise ArtifactError(f"'{run / 'history.csv'}': {error}") from None
    count = len(index.objectives)
    scored = [item for item in history.attempts if len(item.scores) == count]
    return front_figure(
        index.objectives,
        [item.scores for item in scored],
        [item.generation for item in scored],
        [item.scores for item in index.members],
        index.knee,
        fresh_table(index),
        usual_tables(index),
    )
