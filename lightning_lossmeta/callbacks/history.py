"""One row a candidate."""

from __future__ import annotations

import csv
import hashlib
import io
import os

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.evaluation import Evaluation

#: Columns before and after those of the objectives.
_FIRST = ("generation", "index", "status", "filter", "fitness")
_LAST = ("trainings", "seconds", "structure", "theta", "message")

#: More numbers than this are written as their digest; all stand in ``history.jsonl``.
MAX_THETA = 500


class SearchHistory(MetaCallback):
    """Writes ``history.csv``: what became of each candidate.

    Its columns are generation, index, status, filter and fitness, one for each objective in the
    metric's own sign, the number of trainings, seconds, and the loss. Numbers are written so that
    they come back to the last bit; ``theta`` is separated by blanks.
    """

    file_name = "history.csv"

    def on_search_start(self, search: Search) -> None:
        """Keep the rows of finished generations alone: a crash may have left part of one."""
        columns = _columns(search)
        path = search.directory / self.file_name
        rows: list[list[str]] = []
        if path.exists():
            with path.open(newline="", encoding="utf-8") as file:
                header, *stored = list(csv.reader(file)) or [[]]
            done = search.searcher.generation
            whole = [row for row in stored if _is_whole(row, header) and int(row[0]) < done]
            rows = [_by_columns(row, header, columns) for row in whole]
        write_atomic(path, _csv([columns, *rows]))

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Append a generation."""
        rows = [
            _row(search, generation, index, evaluation)
            for index, evaluation in enumerate(evaluations)
        ]
        with (search.directory / self.file_name).open("a", newline="", encoding="utf-8") as file:
            file.write(_csv(rows))
            file.flush()
            os.fsync(file.fileno())


def _columns(search: Search) -> list[str]:
    return [*_FIRST, *(objective.monitor for objective in search.objectives), *_LAST]


def _row(search: Search, generation: int, index: int, item: Evaluation) -> list[str]:
    values = item.objectives or (None,) * len(search.objectives)
    scores = [
        "" if value is None else repr(objective.signed(value))
        for objective, value in zip(search.objectives, values, strict=True)
    ]
    return [
        str(generation),
        str(index),
        item.status.value,
        item.filter,
        repr(item.fitness),
        *scores,
        str(len(item.trainings) or int(not item.filter)),
        f"{item.seconds:.4f}",
        item.candidate.structure or "",
        _theta(item.candidate.theta),
        " ".join(item.message.split())[:500],
    ]


def _theta(theta: tuple[float, ...]) -> str:
    text = " ".join(map(repr, theta))
    if len(theta) <= MAX_THETA:
        return text
    return f"{len(theta)} numbers, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _is_whole(row: list[str], header: list[str]) -> bool:
    return len(row) == len(header) and row[0].isdecimal()


def _by_columns(row: list[str], header: list[str], columns: list[str]) -> list[str]:
    """A row of a file whose columns may be those of an earlier release."""
    values = dict(zip(header, row, strict=True))
    return [values.get(column, "") for column in columns]


def _csv(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
