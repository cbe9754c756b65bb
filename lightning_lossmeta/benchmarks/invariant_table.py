"""The table of the searches with and without an invariant."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lightning_lossmeta.comparison.statistics import paired, welch

#: The accuracy from which a candidate counts as one that trains, as in the benchmark `invariant`.
TRAINS = 0.3


def summary(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """A row a population and test, and one a test over all populations.

    The figure of a search is the mean of its loss's final accuracies; p is of the paired one-tailed
    test over the searches that it is higher than without an invariant, for the same seeds.

    Args:
        cells: The searches; each population and seed has one without an invariant.
    """
    populations = sorted({cell["settings"]["population"] for cell in cells})
    tests = list(dict.fromkeys(cell["settings"]["test"] for cell in cells))
    choices: list[list[int]] = [[population] for population in populations]
    if len(populations) > 1:
        choices.append(populations)
    rows = []
    for chosen, test in product(choices, tests):
        own, plain = _of(cells, test, chosen), _of(cells, "none", chosen)
        finals, others = _finals(own), _finals(plain)
        trained = [value for cell in own for value in cell["fitness"]]
        first, second = (np.concatenate([c["accuracies"] for c in part]) for part in (own, plain))
        row = {
            "population": " and ".join(map(str, chosen)),
            "invariant": test,
            "accuracy": float(np.mean(finals)),
            "accuracy_std": float(np.std(finals, ddof=1)) if len(finals) > 1 else math.nan,
            "short": float(np.mean([np.mean(cell["short_accuracies"]) for cell in own])),
            "validation": float(np.mean([max(cell["fitness"]) for cell in own])),
            "rejected": sum(cell["rejected"] for cell in own) / sum(c["asked"] for c in own),
            "train": float(np.mean(np.array(trained) > TRAINS)),
            "trained": float(np.mean([cell["trained"] for cell in own])),
            "seconds": float(np.mean([cell["search_s"] for cell in own])),
            "p": paired(finals, others),
            "p_two_sided": paired(finals, others, "two-sided"),
            "p_short_two_sided": paired(
                _finals(own, "short_accuracies"),
                _finals(plain, "short_accuracies"),
                "two-sided",
            ),
            "p_welch_of_trainings": welch(first, second),
        }
        if test == "none":
            row |= {name: math.nan for name in row if name.startswith("p_") or name == "p"}
        rows.append(row)
    return rows


def _of(
    cells: Sequence[Mapping[str, Any]], test: str, populations: Sequence[int]
) -> list[Mapping[str, Any]]:
    own = [
        cell
        for cell in cells
        if cell["settings"]["test"] == test and cell["settings"]["population"] in populations
    ]
    return sorted(own, key=lambda c: (c["settings"]["population"], c["settings"]["seed"]))


def _finals(cells: Sequence[Mapping[str, Any]], name: str = "accuracies") -> list[float]:
    return [float(np.mean(cell[name])) for cell in cells]


def show(cells: Sequence[Mapping[str, Any]], usual: Mapping[str, Sequence[float]]) -> None:
    """Print :func:`summary`, and what the usual losses come to with the same final trainings."""
    rows = summary(cells)
    table = Table(title="Searches with and without an invariant", title_justify="left")
    for name in rows[0]:
        table.add_column(name.replace("_", " "), justify="right")
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    console = Console(width=180)
    console.print(table)
    for name, values in usual.items():
        console.print(f"{name}: {np.mean(values):.4f}")


def _shown(value: object) -> str:
    if isinstance(value, float):
        return "" if math.isnan(value) else f"{value:.4g}"
    return str(value)
