"""The candidates of a search, as its ``history.csv`` tells them."""

from __future__ import annotations

import csv
import io
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

#: Columns of every history; those of the objectives stand between the fitness and these.
_NEEDED = {"generation", "index", "status", "fitness"}
_OTHERS = {"filter", "trainings", "seconds", "structure", "theta", "message"}

#: What a candidate without a filter comes to.
TRAINED, CACHED, STOPPED, LOST = "trained", "known before", "given up", "diverged or failed"
_FATES = {"ok": TRAINED, "cached": CACHED, "stopped": STOPPED}


@dataclass(frozen=True)
class Attempt:
    """A candidate and what became of it.

    ``scores`` has a number an objective, in the metric's own sign, or is empty; ``theta`` is empty
    where the file holds a digest of it.
    """

    generation: int
    index: int
    status: str
    filter: str
    fitness: float
    scores: tuple[float, ...]
    trainings: int
    structure: str | None
    theta: tuple[float, ...]
    message: str

    @property
    def fate(self) -> str:
        """The filter that judged it, or how its training ended."""
        return self.filter or _FATES.get(self.status, LOST)


@dataclass(frozen=True)
class History:
    """All candidates of a search, in order.

    Args:
        objectives: Names of the objectives.
        attempts: The candidates.
        unread: How many lines could not be read, e.g. one that a crash has cut.
    """

    objectives: tuple[str, ...] = ()
    attempts: Sequence[Attempt] = ()
    unread: int = 0

    @property
    def generations(self) -> int:
        """How many generations were begun."""
        return 1 + max((item.generation for item in self.attempts), default=-1)

    def fates(self) -> Counter[str]:
        """How many candidates came to which end."""
        return Counter(item.fate for item in self.attempts)


def read_history(path: Path) -> History:
    """Read a history, whatever a crash or another release has made of it.

    Args:
        path: The file; if there is none, no candidate was scored.

    Raises:
        ValueError: If it is no history.
    """
    if not path.is_file():
        return History()
    whole, _, cut = path.read_text("utf-8", errors="replace").rpartition("\n")
    reader = csv.DictReader(io.StringIO(whole))
    names = tuple(reader.fieldnames or ())
    if missing := _NEEDED - set(names):
        raise ValueError(f"'{path.name}' has no columns {sorted(missing)}")
    objectives = tuple(name for name in names if name not in _NEEDED | _OTHERS)
    try:
        rows = list(reader)
    except csv.Error as error:
        raise ValueError(f"'{path.name}', line {reader.line_num}: {error}") from None
    attempts = [_readable(row, objectives) for row in rows]
    whole_ones = [item for item in attempts if item is not None]
    return History(objectives, whole_ones, len(attempts) - len(whole_ones) + bool(cut))


def _readable(row: Mapping[str, str], objectives: Sequence[str]) -> Attempt | None:
    try:
        return _attempt(row, objectives)
    except (ValueError, TypeError, AttributeError):  # a cell that is missing is None
        return None


def _attempt(row: Mapping[str, str], objectives: Sequence[str]) -> Attempt:
    scores = tuple(float(row[name] or math.nan) for name in objectives)
    generation, index = int(row["generation"]), int(row["index"])
    if generation < 0 or index < 0:
        raise ValueError(generation, index)
    return Attempt(
        generation,
        index,
        row["status"],
        row.get("filter") or "",
        float(row["fitness"]),
        scores if all(map(math.isfinite, scores)) else (),
        int(row.get("trainings") or 0),
        row.get("structure") or None,
        _numbers(row.get("theta") or ""),
        row.get("message") or "",
    )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(map(float, text.split()))
    except ValueError:  # the digest of more numbers than a cell takes
        return ()
