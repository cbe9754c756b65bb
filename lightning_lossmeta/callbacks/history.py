"""One row a candidate."""

from __future__ import annotations

import csv
import io
import os

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.evaluation import Evaluation

COLUMNS = (
    "generation",
    "index",
    "status",
    "filter",
    "fitness",
    "seconds",
    "structure",
    "theta",
    "message",
)


class SearchHistory(MetaCallback):
    """Writes ``history.csv``: a candidate's generation, status, filter, fitness, seconds and loss.

    Numbers are written so that they come back to the last bit; ``theta`` is separated by blanks.
    """

    file_name = "history.csv"

    def on_search_start(self, search: Search) -> None:
        """Keep the rows of finished generations alone: a crash may have left part of one."""
        path = search.directory / self.file_name
        rows: list[list[str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                header, *stored = list(csv.reader(file)) or [[]]
            done = search.searcher.generation
            whole = [row for row in stored if _is_whole(row, header) and int(row[0]) < done]
            rows = [_by_columns(row, header) for row in whole]
        write_atomic(path, _csv([list(COLUMNS), *rows]))

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Append a generation."""
        rows = [
            [
                str(generation),
                str(index),
                item.status.value,
                item.filter,
                repr(item.fitness),
                f"{item.seconds:.4f}",
                item.candidate.structure or "",
                " ".join(map(repr, item.candidate.theta)),
                " ".join(item.message.split())[:500],
            ]
            for index, item in enumerate(evaluations)
        ]
        with (search.directory / self.file_name).open("a", newline="", encoding="utf-8") as file:
            file.write(_csv(rows))
            file.flush()
            os.fsync(file.fileno())


def _is_whole(row: list[str], header: list[str]) -> bool:
    return len(row) == len(header) and row[0].isdecimal()


def _by_columns(row: list[str], header: list[str]) -> list[str]:
    """A row of a file whose columns may be those of an earlier release."""
    values = dict(zip(header, row, strict=True))
    return [values.get(column, "") for column in COLUMNS]


def _csv(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
