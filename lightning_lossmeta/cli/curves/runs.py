"""What ``lossmeta curves`` reads of the folders of searches."""

from __future__ import annotations

import csv
import glob
import io
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from lightning_lossmeta.evaluation import Status

HISTORY = "history.csv"
NEEDED = ("generation", "status", "fitness", "seconds")
#: Stands for a filter in histories that do not tell which one it was.
UNNAMED = "unnamed filter"

# Not the time of a default folder, runs/NAME-20260102-030405.
_NUMBER = re.compile(r"(?<=.)(?<!-\d{8})[-_](seed[-_]?)?\d+$", re.IGNORECASE)


class UnreadableRunError(OSError):
    """A folder that is no search's, or whose files are damaged."""


class Outcome(NamedTuple):
    """What became of a candidate, see :class:`~lightning_lossmeta.evaluation.Evaluation`."""

    status: Status
    filter: str
    fitness: float
    seconds: float


@dataclass(frozen=True)
class Run:
    """A search as its files tell it.

    Args:
        folder: The run's folder.
        generations: Outcomes by generation, finished ones alone.
        monitor: The metric that is the fitness; ``"fitness"`` where no file tells.
        mode: Whether more or less of it is better.
        unfinished: How many candidates of a generation under way were left out.
    """

    folder: Path
    generations: list[list[Outcome]]
    monitor: str = "fitness"
    mode: str = "max"
    unfinished: int = 0

    def best_so_far(self) -> list[float]:
        """Best score up to each generation, in the metric's own sign; NaN before there is one."""
        sign = 1.0 if self.mode == "max" else -1.0
        best, curve = -math.inf, []
        for outcomes in self.generations:
            trained = (Status.OK, Status.CACHED)
            scores = [item.fitness for item in outcomes if item.status in trained]
            best = max([best, *filter(math.isfinite, scores)])
            curve.append(sign * best if math.isfinite(best) else math.nan)
        return curve


def find_runs(runs: Sequence[str], labelled: Sequence[tuple[str, str]]) -> dict[str, list[Path]]:
    """Folders of runs by method.

    Folders without a label whose paths differ by a number at their end alone, such as
    ``EvoMAL-1`` and ``EvoMAL-seed2``, are runs of one method, ``EvoMAL``; others are methods of
    their own, with the folder's name or, where two have one name, its path.

    Args:
        runs: Folders, or patterns of them.
        labelled: Pairs of a label and a folder or pattern; several may have one label.

    Raises:
        UnreadableRunError: If there is no such folder, or one has two labels.
    """
    groups: dict[str, list[Path]] = {}
    for label, text in labelled:
        groups.setdefault(label, []).extend(_folders(text))
    groups = {label: list(dict.fromkeys(folders)) for label, folders in groups.items()}
    named = [folder for folders in groups.values() for folder in folders]
    if twice := next((folder for folder in named if named.count(folder) > 1), None):
        raise UnreadableRunError(f"expected one label for each run, got two for '{twice}'")
    stems: dict[Path, list[Path]] = {}
    for folder in dict.fromkeys(path for text in runs for path in _folders(text)):
        if folder not in named:
            stems.setdefault(folder.with_name(_NUMBER.sub("", folder.name)), []).append(folder)
    paths = {stem if len(folders) > 1 else folders[0]: folders for stem, folders in stems.items()}
    names = [path.name for path in paths]
    for path, folders in paths.items():
        unique = names.count(path.name) == 1 and path.name not in groups
        groups[path.name if unique else str(path)] = folders
    return groups


def _folders(text: str) -> list[Path]:
    if Path(text).is_dir() or not glob.has_magic(text):
        return [Path(text).resolve()]
    matches = [Path(path).resolve() for path in sorted(glob.glob(text, recursive=True))]
    if runs := [path for path in matches if (path / HISTORY).is_file()]:
        return runs
    raise UnreadableRunError(f"there is no folder '{text}' with a {HISTORY}")


def read_run(folder: Path) -> Run:
    """Read a run's history and what its score is.

    A generation under way is left out: one of fewer candidates than the one before it, or with a
    line that has no end.

    Raises:
        UnreadableRunError: If the folder is no search's, or a file is damaged; says which.
    """
    path = folder / HISTORY
    if not path.is_file():
        what = f"holds no {HISTORY}" if folder.is_dir() else "is no folder"
        raise UnreadableRunError(f"expected the folder of a search, but '{folder}' {what}")
    text = _text(path)
    whole, _, cut = text.rpartition("\n")
    generations = _generations(path, whole)
    sizes = [len(outcomes) for outcomes in generations]
    next_begun = cut.startswith(f"{len(sizes)},")
    short = sizes[-1:] < sizes[-2:-1] or (cut and not next_begun)
    unfinished = len(generations.pop()) if short and generations else 0
    return Run(folder, generations, *_score(folder), unfinished=unfinished)


def _generations(path: Path, text: str) -> list[list[Outcome]]:
    reader = csv.DictReader(io.StringIO(text))
    if missing := set(NEEDED) - set(reader.fieldnames or ()):
        raise UnreadableRunError(f"expected '{path}' to have columns {NEEDED}, not {missing}")
    generations: list[list[Outcome]] = []
    try:
        for row in reader:
            number = int(row["generation"])
            if number == len(generations):
                generations.append([])
            elif number != len(generations) - 1:
                raise ValueError(f"generation {number} after {len(generations)} generations")
            generations[-1].append(_outcome(row))
    except (ValueError, TypeError, csv.Error) as error:
        raise UnreadableRunError(f"'{path}', line {reader.line_num}: {error}") from None
    return generations


def _outcome(row: Mapping[str, str]) -> Outcome:
    status = Status(row["status"])
    screened = status in (Status.REJECTED, Status.CACHED)
    name = row.get("filter") or (UNNAMED if screened else "")
    return Outcome(status, name, float(row["fitness"]), float(row["seconds"]))


def _score(folder: Path) -> tuple[str, str]:
    """Metric and mode: the best loss has them, or the configuration."""
    import yaml

    try:
        if (path := folder / "best.json").is_file():
            source = json.loads(_text(path))["provenance"]
            several = len(source.get("objectives", ())) > 1
        elif (path := folder / "config.yaml").is_file():
            source = yaml.safe_load(_text(path))
            if source.get("monitor") is None:
                source, *others = source["session"]["objectives"]
                several = bool(others)
            else:
                several = False
        else:
            return "fitness", "max"
        return ("fitness", "max") if several else _checked(source["monitor"], source["mode"])
    except (ValueError, LookupError, TypeError, AttributeError, RecursionError, yaml.YAMLError):
        raise UnreadableRunError(f"expected '{path}' to tell `monitor` and `mode`") from None


def _checked(monitor: Any, mode: Any) -> tuple[str, str]:
    if not isinstance(monitor, str) or mode not in ("max", "min"):
        raise ValueError(monitor, mode)
    return monitor, mode


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UnreadableRunError(f"expected '{path}' to be a text file: {error}") from None


def wall_seconds(folder: Path) -> float:
    """Wall time of a search by its TensorBoard files, from each start to the last generation then.

    Returns:
        Seconds, without interruptions and the final comparison; NaN where there are no files.
    """
    from tensorboard.backend.event_processing.event_file_loader import (  # type: ignore[import-untyped]  # has no types
        EventFileLoader,
    )

    files = sorted((folder / "tensorboard" / "search").glob("events.out.tfevents.*"))
    times = [[event.wall_time for event in EventFileLoader(str(file)).Load()] for file in files]
    spans = [stamps[-1] - stamps[0] for stamps in times if stamps]
    return sum(spans) if spans else math.nan
