"""One row a candidate."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import math
import os
import warnings
from collections import defaultdict
from dataclasses import replace

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.search_state import (
    HISTORY_FILE,
    finished_generations,
    one_line,
)
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
        """Keep the rows of finished generations alone: a crash may have left part of one.

        Warns:
            UserWarning: If rows are missing or damaged. They are written anew from
                ``history.jsonl``; the seconds that they took are lost.
        """
        path, columns = search.directory / self.file_name, _columns(search)
        stored = path.read_bytes().decode("utf-8", errors="replace") if path.exists() else ""
        seconds = _seconds(stored, columns)
        rows = [
            _row(search, number, index, replace(item, seconds=seconds[str(number), str(index)]))
            for number, generation in enumerate(finished_generations(search))
            for index, item in enumerate(generation)
        ]
        text = _csv([columns, *rows])
        if rows and not stored.startswith(text):
            lost = sum(row[columns.index("seconds")] == "nan" for row in rows)
            warnings.warn(
                f"'{path}' was damaged: it is written anew from '{HISTORY_FILE}'; the seconds of "
                f"{lost} of {len(rows)} candidates are lost.",
                stacklevel=2,
            )
        write_atomic(path, text)

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
        "" if value is None else repr(float(objective.signed(value)))
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
        one_line(item.message),
    ]


def _theta(theta: tuple[float, ...]) -> str:
    text = " ".join(map(repr, theta))
    if len(theta) <= MAX_THETA:
        return text
    return f"{len(theta)} numbers, sha256 {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _seconds(text: str, columns: list[str]) -> defaultdict[tuple[str, str], float]:
    """What candidates took, by generation and index, as far as a file tells; else NaN."""
    place = columns.index("seconds")
    seconds: defaultdict[tuple[str, str], float] = defaultdict(lambda: math.nan)
    for line in text.split("\n")[1:]:
        with contextlib.suppress(csv.Error, ValueError):
            for row in csv.reader([line]):
                if len(row) == len(columns):
                    seconds[row[0], row[1]] = float(row[place])
    return seconds


def _csv(rows: list[list[str]]) -> str:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerows(rows)
    return buffer.getvalue()
