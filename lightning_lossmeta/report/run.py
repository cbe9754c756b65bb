"""What the folder of a run holds, and what of it is missing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.comparison import Report
from lightning_lossmeta.report.comparison_files import read_comparison
from lightning_lossmeta.report.history import History, read_history
from lightning_lossmeta.search.run_lock import current_holder

#: Files of which at least one is in the folder of a run.
_MARKS = ("history.csv", "state.json", "comparison.json", "trainings")
_VIEWS = {
    "best_search": "of each method the search that validation prefers",
    "each_search": "each search by itself",
}
_MOST_BYTES = 2**20


class NoRunError(OSError):
    """A folder that is no run's; says what was found."""


@dataclass
class RunContents:
    """A run as its files tell it; what could not be read is empty, and a remark says so.

    Args:
        folder: The run's folder.
        is_search: Whether it is a search, and not a comparison alone.
        config_text: The configuration, as written; empty where there is none.
        config: The same as values.
        artifact: The learned loss.
        kept: Name of the usual loss that the search ended with instead; empty if it did not.
        history: The candidates.
        front: Structure and parameters of the candidates that none beats in all objectives.
        comparison: The losses' scores on test data.
        views: Further tables of a comparison, by what they are.
        settings: What the search was asked for, as its state says.
        remarks: Sentences on what is missing, or was not as expected.
    """

    folder: Path
    is_search: bool
    config_text: str = ""
    config: Mapping[str, Any] = field(default_factory=dict)
    artifact: Artifact | None = None
    kept: str = ""
    history: History = field(default_factory=History)
    front: set[tuple[str | None, tuple[float, ...]]] = field(default_factory=set)
    comparison: Report | None = None
    views: dict[str, Report] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """Where the learned loss came from; empty without one."""
        return self.artifact.provenance if self.artifact else {}

    @property
    def objective(self) -> tuple[str, str]:
        """Name and mode of what candidates are drawn by: the objective, or the fitness of all."""
        source: Mapping[str, Any] = self.provenance
        if not source and not self.is_search:
            source = self.config
        session = self.config.get("session")
        if not source and isinstance(session, Mapping) and session.get("objectives"):
            source = session["objectives"][0]
        if len(self.history.objectives) > 1 or not isinstance(source, Mapping):
            return "fitness", "max"
        name = source.get("monitor") or "fitness"
        return str(name), "min" if source.get("mode") == "min" else "max"


def read_contents(folder: Path) -> RunContents:
    """Read a run's folder; nothing that it names is imported or run.

    Raises:
        NoRunError: If the folder is no run's.
    """
    if not folder.is_dir():
        what = "a file" if folder.is_file() else "nothing"
        raise NoRunError(f"Expected the folder of a run at '{folder}', found {what}.")
    if not any((folder / name).exists() for name in _MARKS):
        raise NoRunError(
            f"Expected the folder of a search or comparison at '{folder}', found none of "
            f"{', '.join(_MARKS)} in it: give the folder that --run_dir named."
        )
    search = any((folder / name).exists() for name in ("history.csv", "state.json", "best.json"))
    run = RunContents(folder, search)
    _read_config(run)
    for read in (_read_state, _read_artifact, _read_history, _read_comparison):
        _attempt(read, run)
    run.remarks[:0] = _progress(run)
    return run


def _attempt(read: Callable[[RunContents], None], run: RunContents) -> None:
    """Read a part of a run; a remark tells of one that is damaged."""
    try:
        read(run)
    except (ValueError, OSError, RecursionError, LookupError, TypeError, AttributeError) as error:
        text = str(error).rstrip(".")
        run.remarks.append(f"A part of the run can't be read and is left out: {text}.")


def _read_config(run: RunContents) -> None:
    path = run.folder / "config.yaml"
    if not path.is_file():
        run.remarks.append("There is no config.yaml: the run was started from Python.")
        return
    try:
        if path.stat().st_size > _MOST_BYTES:
            raise ValueError("larger than a configuration")
        run.config_text = path.read_text("utf-8")
        content = yaml.safe_load(run.config_text)
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        run.remarks.append(f"config.yaml can't be read: {str(error).splitlines()[0]}.")
        return
    run.config = content if isinstance(content, dict) else {}


def _read_state(run: RunContents) -> None:
    path = run.folder / "state.json"
    if not path.is_file():
        return
    content = json.loads(path.read_text("utf-8"))
    settings = content.get("settings", {})
    run.settings = settings if isinstance(settings, Mapping) else {}
    rows = [row for _, row in content.get("front", [])]
    run.front = {(row[0], tuple(map(float, row[1]))) for row in rows}


def _read_artifact(run: RunContents) -> None:
    best, learned = run.folder / "best.json", run.folder / "learned.json"
    try:
        if best.is_file():
            run.artifact = Artifact.load(best)
        if learned.is_file():  # the other may be a usual loss that did as well
            kept = run.provenance.get("not_learned") or run.provenance.get("keep")
            run.kept = str(kept) if kept else ""
            run.artifact = Artifact.load(learned)
    except ArtifactError as error:
        raise ValueError(str(error).rstrip(".")) from None


def _read_history(run: RunContents) -> None:
    run.history = read_history(run.folder / "history.csv")
    if count := run.history.unread:
        lines = "line" if count == 1 else "lines"
        run.remarks.append(f"{count} {lines} of history.csv can't be read and are left out.")


def _read_comparison(run: RunContents) -> None:
    baseline = "learned" if run.is_search else run.config.get("baseline")
    losses = run.config.get("losses")
    if baseline is None and isinstance(losses, Mapping) and losses:
        baseline = next(iter(losses))
    mode = run.objective[1]
    run.comparison = read_comparison(run.folder, baseline, mode, run.is_search)
    for name, what in _VIEWS.items():
        view = read_comparison(run.folder / name, baseline, mode, run.is_search)
        if view is not None:
            run.views[what] = view


def _progress(run: RunContents) -> list[str]:
    """Whether the run is at its end, under way, or was cut short."""
    done, asked = run.history.generations, run.config.get("generations")
    complete = run.comparison is not None and not run.is_search
    if (holder := current_holder(run.folder)) is not None:
        return [f"The run is still going, in {holder}: this is what there is by now."]
    if run.is_search:
        complete = (run.folder / "fit.yaml").is_file() or not run.config
        early = isinstance(asked, int) and 0 < done < asked
        if complete and early:
            return [f"The search ended after {done} of {asked} generations: its searcher stopped."]
    if complete:
        return []
    folder = shlex.quote(str(run.folder))
    if run.is_search:
        count = f"{done} of {asked}" if isinstance(asked, int) else f"{done}"
        text = f"The search was cut short in or after generation {count}. "
        return [f"{text}Go on with: lossmeta search --resume {folder}"]
    config = shlex.quote(str(run.folder / "config.yaml"))
    text = "The comparison was cut short before its tables were written. Go on with: "
    return [f"{text}lossmeta compare --config {config} --run_dir {folder}"]
