"""The search's own state, and the best loss so far."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from lightning_lossmeta.artifacts import Artifact, write_atomic
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.task import Task

STATE_FORMAT = "lightning_lossmeta/search"
STATE_VERSION = 1


class SearchCheckpoint(MetaCallback):
    """Writes ``state.json`` and ``best.json`` after each generation, atomically."""

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Write the best loss, then the state that says it is there."""
        if search.best is not None and search.best_generation == generation:
            best_artifact(search, search.best).save(search.directory / "best.json")
        save_state(search)


def save_state(search: Search) -> None:
    """Write what a resumed search needs."""
    best = None
    if search.best is not None:
        best = {
            "generation": search.best_generation,
            "fitness": search.best.fitness,
            "structure": search.best.candidate.structure,
            "theta": list(search.best.candidate.theta),
        }
    content = {
        "format": STATE_FORMAT,
        "version": STATE_VERSION,
        "seed": search.seed,
        "settings": search.settings,
        "evaluator": search.evaluator_state,
        "best": best,
        "searcher": search.searcher.state_dict(),
    }
    write_atomic(search.directory / "state.json", json.dumps(content, allow_nan=False) + "\n")


def load_state(directory: Path) -> dict[str, Any]:
    """Read the state of a run.

    Raises:
        FileNotFoundError: If the folder holds no state.
        ValueError: If the file is none of this version, or damaged.
    """
    path = directory / "state.json"
    if not path.is_file():
        raise FileNotFoundError(
            f"Expected a search's state at '{path}', found none: give `resume` the folder of a run "
            "that finished at least one generation."
        )
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"'{path}' is no JSON: {error}") from None
    if not isinstance(content, dict) or content.get("format") != STATE_FORMAT:
        raise ValueError(f"Expected '{path}' to be the state of a search.")
    if content.get("version") != STATE_VERSION:
        raise ValueError(
            f"Expected version {STATE_VERSION} of '{path}', got {content.get('version')!r}."
        )
    if missing := {"seed", "settings", "evaluator", "best", "searcher"} - set(content):
        raise ValueError(f"Expected '{path}' to have {sorted(missing)}, which it lacks.")
    return content


def best_artifact(
    search: Search, chosen: Evaluation, choice: Mapping[str, Any] | None = None
) -> Artifact:
    """A candidate of a search as a learned loss, with where it came from.

    Args:
        search: What found it.
        chosen: The candidate and its fitness.
        choice: How it was chosen, if not by its fitness alone: goes into the provenance.
    """
    session = search.tasks[0].session
    provenance = {
        "fitness": chosen.fitness,
        "finalists": None,
        "monitor": session.monitor,
        "mode": session.mode,
        "generation": _generation(search, chosen),
        "generations": search.searcher.generation,
        "candidates_a_generation": getattr(search.searcher, "population", None),
        "steps": session.steps,
        "train_samples": session.train_samples,
        "learning_rate_factor": session.learning_rate_factor,
        "precision": session.precision,
        "seed": search.seed,
        "num_classes": search.num_classes,
        "searcher": type(search.searcher).__name__,
        "tasks": [describe(task) for task in search.tasks],
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "pytorch_lightning": version("pytorch-lightning"),
        },
        **(choice or {}),
    }
    return Artifact.of(search.family, chosen.candidate, provenance)


def _generation(search: Search, chosen: Evaluation) -> int | None:
    """When a candidate was tried first."""
    for number, told in enumerate(search.searcher.history):
        if any(item.candidate == chosen.candidate for item in told):
            return number
    return None


def describe(task: Task) -> dict[str, str]:
    """Names of a task's parts."""
    module = task.fresh_module()
    network = getattr(module, "network", None)
    return {
        "name": task.name,
        "data": type(task.data).__name__,
        "module": type(module).__name__,
        "network": type(network).__name__ if network is not None else type(module).__name__,
        "parameters": str(sum(p.numel() for p in module.parameters())),
    }
