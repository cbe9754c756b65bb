"""The figures of searches that ``lossmeta curves`` tells, by method."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from rich.table import Table
from rich.text import Text

from lightning_lossmeta.cli.curves.runs import Run, wall_seconds
from lightning_lossmeta.cli.shell import printable
from lightning_lossmeta.evaluation import Status

Array = npt.NDArray[np.float64]

TRAINED, LOST = "trained", "diverged or failed"
COLUMNS = ("method", "quantity", "filter", "runs", "mean", "std")
_METHODS_A_TABLE = 4


class Quantity(NamedTuple):
    """A number that a run has: of all candidates, or of those that one filter judged."""

    name: str
    filter: str = ""


class Spread(NamedTuple):
    """Mean and deviation of a number over runs; the deviation, with n - 1, is NaN for one run."""

    mean: float
    std: float


def filters_of(groups: Mapping[str, Sequence[Run]]) -> list[str]:
    """Names of the filters that judged anything, in alphabetical order."""
    runs = [run for group in groups.values() for run in group]
    return sorted({o.filter for run in runs for part in run.generations for o in part} - {""})


def bests(runs: Sequence[Run]) -> Array:
    """Best scores so far, as long as the shortest run ``(generations, runs)``."""
    return np.array(list(zip(*(run.best_so_far() for run in runs), strict=False)))


def shares(runs: Sequence[Run], filters: Sequence[str]) -> dict[str, Array]:
    """What became of candidates, in shares of a generation, mean over runs ``(generations,)``.

    As long as the shortest run. The shares of a generation add up to 1.

    Args:
        runs: The runs of one method.
        filters: Names of the filters.
    """
    means: dict[str, list[float]] = {name: [] for name in (TRAINED, LOST, *filters)}
    for generation in zip(*(run.generations for run in runs), strict=False):
        fates = [
            Counter(o.filter or (TRAINED if o.status is Status.OK else LOST) for o in outcomes)
            for outcomes in generation
        ]
        for name, values in means.items():
            values.append(float(np.mean([fate[name] / fate.total() for fate in fates])))
    return {name: np.array(values) for name, values in means.items()}


def quantities(run: Run, filters: Sequence[str]) -> dict[Quantity, float]:
    """The numbers of a run.

    A filter's candidates count as ``cached`` where it knew their fitness, else as ``rejected``;
    ``trained``, ``diverged`` and ``failed`` are those that no filter judged. ``core seconds`` is
    the sum over candidates, ``wall seconds`` NaN where it is not known.
    """
    outcomes = [outcome for part in run.generations for outcome in part]
    free = Counter(o.status for o in outcomes if not o.filter)
    cached = Counter(o.filter for o in outcomes if o.status is Status.CACHED)
    judged = Counter(o.filter for o in outcomes)
    numbers: dict[Quantity, float] = {
        Quantity("best score"): run.best_so_far()[-1],
        Quantity("generations"): len(run.generations),
        Quantity("candidates"): len(outcomes),
        Quantity("trained"): free[Status.OK],
        Quantity("diverged"): free[Status.DIVERGED],
        Quantity("failed"): free[Status.FAILED],
    }
    for name in filters:
        numbers[Quantity("rejected", name)] = judged[name] - cached[name]
        numbers[Quantity("cached", name)] = cached[name]
    numbers[Quantity("core seconds")] = math.fsum(outcome.seconds for outcome in outcomes)
    numbers[Quantity("wall seconds")] = wall_seconds(run.folder)
    return numbers


def summarise_runs(
    groups: Mapping[str, Sequence[Run]],
) -> dict[str, dict[Quantity, Spread]]:
    """Mean and standard deviation over runs, by method and quantity."""
    filters = filters_of(groups)
    summary = {}
    for label, runs in groups.items():
        tables = [quantities(run, filters) for run in runs]
        summary[label] = {key: _spread([table[key] for table in tables]) for key in tables[0]}
    return summary


def _spread(values: Sequence[float]) -> Spread:
    std = float(np.std(values, ddof=1)) if len(values) > 1 else math.nan
    return Spread(float(np.mean(values)), std)


def summary_csv(
    groups: Mapping[str, Sequence[Run]], summary: Mapping[str, Mapping[Quantity, Spread]]
) -> str:
    """A row a method and quantity; what is not known is left empty."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(COLUMNS)
    for label, spreads in summary.items():
        for key, spread in spreads.items():
            numbers = [repr(value) if math.isfinite(value) else "" for value in spread]
            writer.writerow([label, *key, len(groups[label]), *numbers])
    return buffer.getvalue()


def summary_tables(
    groups: Mapping[str, Sequence[Run]], summary: Mapping[str, Mapping[Quantity, Spread]]
) -> list[Table]:
    """Mean ± standard deviation over runs, a column a method, four methods a table.

    A filter's row is left out where it is zero for all methods of a table.
    """
    labels = list(summary)
    parts = [labels[i : i + _METHODS_A_TABLE] for i in range(0, len(labels), _METHODS_A_TABLE)]
    monitor = next(iter(groups.values()))[0].monitor
    tables = []
    for part in parts:
        table = Table(title="Searches, mean ± standard deviation over runs", title_justify="left")
        table.add_column("", overflow="fold")
        for label in part:
            table.add_column(Text(printable(label)), overflow="fold", justify="right")
        table.add_row("runs", *(str(len(groups[label])) for label in part))
        for key in summary[part[0]]:
            if key.filter and not any(summary[label][key].mean for label in part):
                continue
            name = f"best {monitor}" if key.name == "best score" else key.name
            name = f"{name} by {key.filter}" if key.filter else name
            cells = [_cell(summary[label][key], 4 if "best" in name else 1) for label in part]
            table.add_row(Text(printable(name)), *cells)
        tables.append(table)
    return tables


def _cell(spread: Spread, digits: int) -> str:
    if math.isnan(spread.mean):
        return "unknown"
    mean = f"{spread.mean:.{digits}f}"
    if math.isnan(spread.std):
        return mean.removesuffix(".0")
    return f"{mean} ± {spread.std:.{digits}f}"
