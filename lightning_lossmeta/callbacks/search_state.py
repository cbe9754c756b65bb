"""What a search keeps on disk so that it can go on: a small state, and a history that grows."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from lightning_lossmeta._fingerprint import digest
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.evaluation import Evaluation, Status, Training
from lightning_lossmeta.searchers.base import evaluation_of, row_of
from lightning_lossmeta.searchers.front import FrontEntry

STATE_FORMAT = "lightning_lossmeta/search"
STATE_VERSION = 2
STATE_FILE = "state.json"
HISTORY_FILE = "history.jsonl"

_KEYS = {"seed", "settings", "evaluator", "searcher", "front", "history", "digest"}

#: Characters of a message that are kept.
MAX_MESSAGE = 500


class HistoryLog:
    """The generations of a search, one line of JSON each, only ever appended to.

    A line has the rows of the searcher's history; for candidates with several trainings, the
    outcome of each of these; and for those that a filter judged or that failed, which and why.

    Args:
        path: The file; made by the first :meth:`append`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._digest = hashlib.sha256()
        self._bytes = 0

    def append(
        self, generation: int, history: Sequence[Evaluation], evaluations: Sequence[Evaluation]
    ) -> None:
        """Write a generation and have it on the disk.

        Args:
            generation: The generation's number.
            history: Its evaluations as the searcher's history has them.
            evaluations: The same as they were scored, with their trainings.
        """
        content = {
            "generation": generation,
            "rows": [row_of(item) for item in history],
            "trainings": {
                str(index): [
                    [part.task, part.seed, list(part.objectives), part.status.value]
                    for part in item.trainings
                ]
                for index, item in enumerate(evaluations)
                if item.trainings
            },
            "notes": {
                str(index): [item.filter, one_line(item.message)]
                for index, item in enumerate(evaluations)
                if item.filter or item.message
            },
        }
        line = (json.dumps(content, allow_nan=False) + "\n").encode()
        with self.path.open("ab") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        self._count(line)

    def mark(self) -> dict[str, Any]:
        """The length and digest of the file by now, for the state that goes with it."""
        return {"bytes": self._bytes, "sha256": self._digest.hexdigest()}

    def restore(self, mark: dict[str, Any]) -> list[list[Any]]:
        """Cut the file to what a state knows of, and read it.

        Args:
            mark: As :meth:`mark` gave it.

        Returns:
            The rows of each generation.

        Raises:
            ValueError: If the file is shorter than it was, or has been changed.
        """
        content = self.path.read_bytes() if self.path.exists() else b""
        whole = content[: mark["bytes"]]
        self._digest, self._bytes = hashlib.sha256(), 0
        self._count(whole)
        if self.mark() != mark:
            raise ValueError(
                f"Expected '{self.path}' to begin with the {mark['bytes']} bytes that the search "
                "wrote; it is cut short or was changed, so that the search can't go on from it."
            )
        if len(content) > len(whole):
            os.truncate(self.path, len(whole))
        return [line["rows"] for line in read_generations(self.path)]

    def _count(self, content: bytes) -> None:
        self._digest.update(content)
        self._bytes += len(content)


def read_generations(path: Path) -> list[dict[str, Any]]:
    """The lines of a history; none where there is no such file.

    Args:
        path: As of a :class:`HistoryLog` that was restored, so that all lines are whole.
    """
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().splitlines()]


def finished_generations(search: Search) -> list[list[Evaluation]]:
    """What a search has behind it: the searcher's history, with the trainings and notes of the log.

    Args:
        search: Begun, or restored by its log.
    """
    lines = read_generations(search.directory / HISTORY_FILE)
    lines += [{}] * (search.searcher.generation - len(lines))
    return [
        [_with_notes(item, line, str(index)) for index, item in enumerate(generation)]
        for generation, line in zip(search.searcher.history, lines, strict=False)
    ]


def _with_notes(item: Evaluation, line: dict[str, Any], index: str) -> Evaluation:
    judge, message = line.get("notes", {}).get(index, ("", ""))
    trainings = tuple(
        Training(task, seed, tuple(objectives), Status(status))
        for task, seed, objectives, status in line.get("trainings", {}).get(index, ())
    )
    return replace(item, filter=judge, message=message, trainings=trainings)


def one_line(message: str) -> str:
    r"""A message as histories have it.

    >>> one_line("not\ntrainable")
    'not trainable'
    """
    return " ".join(message.split())[:MAX_MESSAGE]


@dataclass(frozen=True)
class StoredSearch:
    """A search as its folder holds it.

    Args:
        seed: The seed that all random numbers derive from.
        settings: The fingerprint of what the search was asked for.
        evaluator: The state of the evaluator.
        searcher: The state of the searcher as far as its history does not show it.
        front: The generation and row of each of the best.
        history: The rows of each generation.
        log: The file that these rows stand in, to be appended to.
    """

    seed: int
    settings: dict[str, Any]
    evaluator: dict[str, Any]
    searcher: dict[str, Any]
    front: list[tuple[int, list[Any]]]
    history: list[list[Any]]
    log: HistoryLog

    def entries(self, search: Search) -> list[FrontEntry]:
        """The front, scored by the objectives of a search."""
        return [
            FrontEntry(generation, evaluation_of(row, search.objectives))
            for generation, row in self.front
        ]


def save_state(search: Search, log: HistoryLog) -> None:
    """Write what a resumed search needs beside its history.

    Args:
        search: Between two generations.
        log: Has all of them.
    """
    content = {
        "format": STATE_FORMAT,
        "version": STATE_VERSION,
        "seed": search.seed,
        "settings": search.settings,
        "evaluator": search.evaluator_state,
        "searcher": search.searcher.state_dict(),
        "front": [[entry.generation, row_of(entry.evaluation)] for entry in search.front],
        "history": log.mark(),
    }
    content["digest"] = _digest(content)
    write_atomic(search.directory / STATE_FILE, json.dumps(content, allow_nan=False) + "\n")


def load_state(directory: Path) -> StoredSearch:
    """Read the state and history of a run; what a crash left of a further generation is dropped.

    Raises:
        FileNotFoundError: If the folder holds no state.
        ValueError: If a file is none of this version, or damaged; says which.
    """
    content = read_state(directory)
    log = HistoryLog(directory / HISTORY_FILE)
    history = log.restore(content["history"])
    return StoredSearch(
        content["seed"],
        content["settings"],
        content["evaluator"],
        content["searcher"],
        [(generation, row) for generation, row in content["front"]],
        history,
        log,
    )


def read_state(directory: Path) -> dict[str, Any]:
    """The content of a run's state file, without its history.

    Raises:
        FileNotFoundError: If the folder holds no state.
        ValueError: If the file is none of this version, or damaged.
    """
    path = directory / STATE_FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a search's state at '{path}', found none: give `resume` the folder of a run "
            "that began to train candidates."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        own = _digest(content) if isinstance(content, dict) else ""
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != STATE_FORMAT:
        raise ValueError(f"Expected '{path}' to be the state of a search.")
    if content.get("version") != STATE_VERSION:
        raise ValueError(
            f"Expected version {STATE_VERSION} of '{path}', got {content.get('version')!r}: it was "
            "written by another release of lightning_lossmeta, which can go on with it."
        )
    if missing := _KEYS - set(content):
        raise ValueError(f"Expected '{path}' to have {sorted(missing)}, which it lacks.")
    if content["digest"] != own:
        raise ValueError(
            f"Expected '{path}' to be as the search wrote it; it is damaged or was changed, so "
            "that the search can't go on from it."
        )
    return content


def _digest(content: dict[str, Any]) -> str:
    """Of all that a state holds beside its digest, and the times that an evaluator measured."""
    parts = {key: value for key, value in content.items() if key != "digest"}
    if isinstance(evaluator := parts.get("evaluator"), dict):
        parts["evaluator"] = {k: value for k, value in evaluator.items() if k != "reports"}
    return digest(parts)
