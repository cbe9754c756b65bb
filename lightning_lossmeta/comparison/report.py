"""A comparison as a table on the terminal and as files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.table import Table

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.comparison.compare import Row


def table(rows: Sequence[Row], title: str, score: str) -> Table:
    """The comparison for the terminal."""
    made = Table(title=title, title_justify="left", caption=_caption(rows), caption_justify="left")
    made.add_column("loss")
    made.add_column(f"{score}, mean ± std", justify="right")
    made.add_column("lr factor", justify="right")
    made.add_column(f"p against {rows[0].name}", justify="right")
    for row in rows:
        made.add_row(row.name, _score(row), _factor(row), _p_value(row))
    return made


def markdown(rows: Sequence[Row], score: str) -> str:
    """The comparison as a Markdown table."""
    lines = [
        f"| loss | {score}, mean ± std | lr factor | p against {rows[0].name} |",
        "| --- | ---: | ---: | ---: |",
    ]
    lines += [f"| {r.name} | {_score(r)} | {_factor(r)} | {_p_value(r)} |" for r in rows]
    return "\n".join(lines) + "\n\n" + _caption(rows) + "\n"


def write_files(rows: Sequence[Row], directory: Path, score: str) -> None:
    """Write ``comparison.csv``, ``comparison.md`` and ``comparison.json``."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow(["loss", "seed_index", "learning_rate_factor", score])
    for row in rows:
        for index, value in enumerate(row.scores):
            writer.writerow([row.name, index, repr(row.factor), repr(value)])
    write_atomic(directory / "comparison.csv", buffer.getvalue())
    write_atomic(directory / "comparison.md", markdown(rows, score))
    content = [_plain(row) for row in rows]
    write_atomic(directory / "comparison.json", json.dumps(content, indent=1) + "\n")


def _plain(row: Row) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "loss": row.name,
        "learning_rate_factor": row.factor,
        "scores": [number(value) for value in row.scores],
        "p_value": number(row.p_value),
        "tuning": {str(k): number(v) for k, v in row.tuning.items()},
    }


def _score(row: Row) -> str:
    return f"{row.mean:.4f} ± {row.std:.4f}"


def _factor(row: Row) -> str:
    return f"{row.factor:g}{' *' if row.at_edge else ''}"


def _p_value(row: Row) -> str:
    return "" if math.isnan(row.p_value) else f"{row.p_value:.2g}"


def _caption(rows: Sequence[Row]) -> str:
    text = f"{len(rows[0].scores)} seeds; Welch's t-test, two-sided."
    if any(row.at_edge for row in rows):
        text += " * at the edge of the grid: a wider one may do better."
    return text
