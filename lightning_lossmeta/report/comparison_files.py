"""A comparison, as its ``comparison.json`` and ``comparison.csv`` tell it."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning_lossmeta.comparison import Report, Row

_SCORE_COLUMN = 4
_DEFAULT_SCORE = "test score"


def read_comparison(
    folder: Path, baseline: str | None, mode: str, baseline_better: bool
) -> Report | None:
    """The comparison in a folder.

    Args:
        folder: The folder of a run, or one of those within that hold further views.
        baseline: Name of the loss that the others were tested against; the first by default.
        mode: Whether the most (``"max"``) or the least (``"min"``) is the best.
        baseline_better: Whether the question was if the baseline is better than the others.

    Returns:
        ``None`` where there is none.

    Raises:
        ValueError: If the file is damaged.
    """
    path = folder / "comparison.json"
    if not path.is_file():
        return None
    try:
        rows = [_row(item) for item in json.loads(path.read_text("utf-8"))]
        names = [row.name for row in rows]
        base = baseline if baseline in names else names[0]
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise ValueError(f"'{path.name}' is damaged: {error!r:.200}") from None
    return Report(rows, _score(folder), base, mode, baseline_better)


def _row(item: Mapping[str, Any]) -> Row:
    factor = float(item["learning_rate_factor"])
    tuning = {float(key): _number(value) for key, value in item["tuning"].items()}
    edges = {min(tuning), max(tuning)} if len(tuning) > 1 else set()
    return Row(
        name=str(item["loss"]),
        factor=factor,
        at_edge=bool(item.get("at_edge", factor in edges)),
        scores=tuple(_number(value) for value in item["scores"]),
        p_value=_number(item["p_value"]),
        tuning=tuning,
        task=str(item["task"]),
        metrics={str(k): tuple(map(_number, v)) for k, v in item["metrics"].items()},
        searches=int(item.get("searches", 1)),
        failures={int(k): str(v) for k, v in item.get("failures", {}).items()},
        tuning_failures=[str(text) for text in item.get("tuning_failures", [])],
    )


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _score(folder: Path) -> str:
    """The name of the scores, which stands above their column."""
    try:
        with (folder / "comparison.csv").open(newline="", encoding="utf-8") as file:
            return next(csv.reader(file))[_SCORE_COLUMN]
    except (OSError, ValueError, StopIteration, IndexError, csv.Error):
        return _DEFAULT_SCORE
