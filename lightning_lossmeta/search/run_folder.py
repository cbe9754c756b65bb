"""A run's folder: made, gone on with, and what an interrupted search says."""

from __future__ import annotations

import math
import shlex
from datetime import datetime
from pathlib import Path

from lightning_lossmeta._fingerprint import changed_keys
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.callbacks.checkpoint import load_state
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator


def new_directory(name: str) -> Path:
    """``runs/NAME-TIME``, not made yet."""
    return Path("runs") / f"{name}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"


def make_directory(directory: Path) -> None:
    """Make a run's folder.

    Raises:
        FileExistsError: If it holds anything.
        PermissionError: If it can't be made or written.
    """
    if (directory / "state.json").exists():
        raise FileExistsError(
            f"Expected `run_dir` to be new, but '{directory}' holds a search: go on with it by "
            f"`--resume {shlex.quote(str(directory))}`, or choose another folder."
        )
    if foreign := sorted(item.name for item in directory.glob("*")):
        raise FileExistsError(
            f"Expected `run_dir` to be a new or empty folder, got '{directory}' with {foreign[:5]}."
        )
    try:
        directory.mkdir(parents=True, exist_ok=True)
        probe = directory / ".probe"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise PermissionError(
            f"Expected `run_dir` to be a folder that can be written, got '{directory}': "
            f"{error.strerror}."
        ) from error


def restore(search: Search, evaluator: Evaluator) -> None:
    """Bring a search to where the state in its folder is.

    Raises:
        FileNotFoundError: If there is no state.
        ValueError: If seed or settings are not those of the state; names what differs.
    """
    state = load_state(search.directory)
    if state["seed"] != search.seed:
        raise ValueError(
            f"Expected the seed of '{search.directory}', {state['seed']}, to resume it, got "
            f"{search.seed}."
        )
    if changed := changed_keys(state["settings"], search.settings):
        raise ValueError(
            f"Expected the settings of '{search.directory}' to resume it; these differ: "
            f"{'; '.join(changed)}."
        )
    search.searcher.load_state_dict(state["searcher"])
    evaluator.load_state_dict(state["evaluator"])
    search.evaluator_state = state["evaluator"]
    if (best := state["best"]) is not None:
        candidate = Candidate(best["structure"], tuple(best["theta"]))
        search.best = Evaluation(candidate, best["fitness"])
        search.best_generation = best["generation"]


def resume_hint(search: Search) -> str:
    """What an interrupted search says."""
    done = search.searcher.generation
    if done == 0:
        return "Interrupted before the first generation was done: nothing to resume."
    best = math.nan if search.best is None else search.best.fitness
    return (
        f"Interrupted after {done} of {search.generations} generations (best fitness {best:.4f}). "
        f"Go on with: lossmeta search --resume {shlex.quote(str(search.directory))}"
    )
