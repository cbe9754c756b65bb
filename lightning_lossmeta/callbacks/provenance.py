"""Where a learned loss came from, as its file says."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import torch

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks.base import Search
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.task import Task


def learned_artifact(
    search: Search, chosen: Evaluation, choice: Mapping[str, Any] | None = None
) -> Artifact:
    """Make a learned loss of a search's candidate, with where it came from.

    Args:
        search: The search that tried the candidate.
        chosen: The candidate and its scores.
        choice: How it was chosen, if not by its fitness alone: goes into the provenance.
    """
    session = search.tasks[0].session
    objectives = zip(search.objectives, chosen.objectives, strict=False)
    provenance = {
        "fitness": chosen.fitness,
        "objectives": {item.monitor: item.signed(value) for item, value in objectives},
        "finalists": None,
        "monitor": session.monitor,
        "mode": session.mode,
        "generation": _generation(search, chosen),
        "generations": search.searcher.generation,
        "candidates_a_generation": getattr(search.searcher, "population", None),
        "steps": session.steps,
        "train_samples": session.train_samples,
        "learning_rate_factor": session.learning_rate_factor,
        "as_if": session.as_if,
        "precision": session.precision,
        "seed": search.seed,
        "num_classes": search.num_classes,
        "searcher": type(search.searcher).__name__,
        "tasks": [task_summary(task) for task in search.tasks],
        "versions": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "pytorch_lightning": version("pytorch-lightning"),
        },
        **(choice or {}),
    }
    return Artifact.of(search.family, chosen.candidate, provenance)


def _generation(search: Search, chosen: Evaluation) -> int | None:
    """The generation that tried a candidate first; ``None`` if none did."""
    for number, generation in enumerate(search.searcher.history):
        if any(item.candidate == chosen.candidate for item in generation):
            return number
    return None


def task_summary(task: Task) -> dict[str, str]:
    """Describe a task by the names of its parts and the number of its weights."""
    module = task.fresh_module()
    network = getattr(module, "network", None)
    return {
        "name": task.name,
        "data": type(task.data).__name__,
        "module": type(module).__name__,
        "network": type(network).__name__ if network is not None else type(module).__name__,
        "parameters": str(sum(p.numel() for p in module.parameters())),
    }
