"""A comparison as tables on the terminal and as files."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.comparison.columns import Column, caption, columns
from lightning_lossmeta.comparison.markup import latex, markdown, one_line
from lightning_lossmeta.comparison.rows import Row, by_task, ranks
from lightning_lossmeta.comparison.verdict import verdict


@dataclass(frozen=True)
class Report:
    """Rows with what it takes to present them.

    Args:
        rows: One a task and loss.
        score: What the scores are, e.g. ``"test accuracy"``.
        baseline: Name of the loss that the others were tested against.
        mode: Whether the most (``"max"``) or the least (``"min"``) is the best.
        baseline_better: Whether the question was if the baseline is better than the others.
    """

    rows: Sequence[Row]
    score: str
    baseline: str
    mode: str = "max"
    baseline_better: bool = False

    def table(self, title: str) -> RenderableType:
        """Tables for the terminal, one a task, with the average ranks below them."""
        groups = by_task(self.rows)
        tables = [
            self._table(rows, f"{title}: {name}" if len(groups) > 1 else title)
            for name, rows in groups.items()
        ]
        if ranked := self._ranked():
            text = ", ".join(f"{name} {rank:.2f}" for name, rank in ranked)
            return Group(*tables, Text(f"Average rank over {len(groups)} tasks: {text}"))
        return Group(*tables)

    def verdict(self) -> list[str]:
        """What the tests come to, in sentences."""
        return verdict(self.rows, self.baseline, self.mode, self.baseline_better)

    def markdown(self) -> str:
        """The rows as Markdown tables, one a task, with average ranks and the verdict."""
        parts = []
        groups = by_task(self.rows)
        for name, rows in groups.items():
            shown = self._columns(rows)
            lines = [f"**{markdown(name)}**", ""] if len(groups) > 1 else []
            lines += [_line(column.heading for column in shown)]
            lines += ["| --- |" + " ---: |" * (len(shown) - 1)]
            lines += [_line(column.cell(row) for column in shown) for row in rows]
            parts.append("\n".join([*lines, "", markdown(self._caption(rows)), ""]))
        if ranked := self._ranked():
            lines = ["| loss | average rank |", "| --- | ---: |"]
            parts.append("\n".join([*lines, *(_line([n, f"{r:.2f}"]) for n, r in ranked), ""]))
        parts.append("\n".join([*(f"- {markdown(line)}" for line in self.verdict()), ""]))
        return "\n".join(parts)

    def latex(self) -> str:
        """The rows as LaTeX tables (``booktabs``), one a task."""
        parts = []
        for name, rows in by_task(self.rows).items():
            shown = self._columns(rows)
            heads = " & ".join(latex(column.heading) for column in shown)
            body = [" & ".join(latex(column.cell(row)) for column in shown) for row in rows]
            text = latex(f"{name}: {self.score}. {self._caption(rows)}")
            lines = [
                r"\begin{table}",
                rf"\caption{{{text}}}",
                rf"\begin{{tabular}}{{l{'r' * (len(shown) - 1)}}}",
                r"\toprule",
                rf"{heads} \\",
                r"\midrule",
                *(rf"{line} \\" for line in body),
                r"\bottomrule",
                r"\end{tabular}",
                r"\end{table}",
            ]
            parts.append("\n".join(lines) + "\n")
        return "\n".join(parts)

    def write(self, directory: Path) -> None:
        """Write ``comparison.csv``, ``.md``, ``.tex`` and ``.json``."""
        write_atomic(directory / "comparison.csv", self._csv())
        write_atomic(directory / "comparison.md", self.markdown())
        write_atomic(directory / "comparison.tex", self.latex())
        content = [_plain(row) for row in self.rows]
        write_atomic(directory / "comparison.json", json.dumps(content, indent=1) + "\n")

    def _columns(self, rows: Sequence[Row]) -> list[Column]:
        return columns(rows, self.score, self.baseline)

    def _table(self, rows: Sequence[Row], title: str) -> Table:
        table = Table(
            title=Text(title),
            title_justify="left",
            caption=Text(self._caption(rows)),
            caption_justify="left",
        )
        shown = self._columns(rows)
        for number, column in enumerate(shown):
            table.add_column(
                Text(column.heading), justify="right" if number else "left", no_wrap=not number
            )
        for row in rows:
            table.add_row(*(Text(one_line(column.cell(row))) for column in shown))
        return table

    def _caption(self, rows: Sequence[Row]) -> str:
        return caption(rows, self.baseline, self.baseline_better)

    def _ranked(self) -> list[tuple[str, float]]:
        """Average ranks, best first; none where there is one task or one loss."""
        groups = by_task(self.rows)
        if len(groups) < 2 or any(len(rows) < 2 for rows in groups.values()):
            return []
        return sorted(ranks(self.rows, self.mode).items(), key=lambda item: item[1])

    def _csv(self) -> str:
        names = list(dict.fromkeys(name for row in self.rows for name in row.metrics))
        buffer = io.StringIO()
        writer = csv.writer(buffer, lineterminator="\n")
        start = ["task", "loss", "seed_index", "learning_rate_factor", self.score]
        writer.writerow([*start, *names, "status", "error"])
        for row in self.rows:
            for index, value in enumerate(row.scores):
                others = [
                    repr(row.metrics[name][index]) if name in row.metrics else "" for name in names
                ]
                start = [row.task, row.name, str(index), repr(row.factor), repr(value)]
                error = row.failures.get(index, "")
                status = "failed" if error else "ok" if math.isfinite(value) else "diverged"
                writer.writerow([*start, *others, status, error])
        return buffer.getvalue()


def _line(cells: Any) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"


def _plain(row: Row) -> dict[str, Any]:
    def number(value: float) -> float | None:
        return value if math.isfinite(value) else None

    return {
        "task": row.task,
        "loss": row.name,
        "learning_rate_factor": row.factor,
        "at_edge": row.at_edge,
        "searches": row.searches,
        "scores": [number(value) for value in row.scores],
        "p_value": number(row.p_value),
        "tuning": {str(k): number(v) for k, v in row.tuning.items()},
        "metrics": {k: [number(value) for value in v] for k, v in row.metrics.items()},
        "failures": {str(place): message for place, message in row.failures.items()},
        "tuning_failures": list(row.tuning_failures),
    }
