"""A run's folder: made, gone on with, and what an interrupted search says."""

from __future__ import annotations

import math
import secrets
import shlex
from datetime import datetime
from pathlib import Path

from lightning_lossmeta._names import safe_name
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.callbacks.search_state import STATE_FILE, load_state
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.search.fingerprint import changed_settings
from lightning_lossmeta.search.run_lock import HOLDER, LOCK
from lightning_lossmeta.searchers.front import Front


def new_directory(name: str) -> Path:
    """``runs/NAME-TIME-RANDOM``, not made yet; no two calls give the same."""
    time = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    return Path("runs") / f"{safe_name(name)}-{time}-{secrets.token_hex(4)}"


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
    if foreign := sorted({item.name for item in directory.glob("*")} - {LOCK, HOLDER}):
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
    stored = load_state(search.directory)
    if stored.seed != search.seed:
        raise ValueError(
            f"Expected the seed of '{search.directory}', {stored.seed}, to resume it, got "
            f"{search.seed}."
        )
    if changed := changed_settings(stored.settings, search.settings):
        raise ValueError(
            f"Expected the settings of '{search.directory}' to resume it; these differ: "
            f"{'; '.join(changed)}."
        )
    search.searcher.replay(stored.history)
    search.searcher.load_state_dict(stored.searcher)
    evaluator.load_state_dict(stored.evaluator)
    search.evaluator_state = stored.evaluator
    search.front = Front(stored.entries(search))


def go_on(search: Search) -> str:
    """What to do to go on with a search."""
    folder = shlex.quote(str(search.directory))
    if not (search.directory / STATE_FILE).exists():
        return f"Nothing was trained yet: begin again, with another `run_dir` or without {folder}."
    return f"Go on with: lossmeta search --resume {folder}"


def resume_hint(search: Search) -> str:
    """What an interrupted search says."""
    done = search.searcher.generation
    if done == 0:
        return f"Interrupted before the first generation was done. {go_on(search)}"
    objective = search.objectives[0]
    best = math.nan if search.best is None else objective.signed(search.best.objectives[0])
    return (
        f"Interrupted after {done} of {search.generations} generations (best {objective.monitor} "
        f"{best:.4f}). {go_on(search)}"
    )
