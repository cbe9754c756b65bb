"""What a search was asked for, as search_fingerprint values that two runs can be compared by."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lightning_lossmeta._fingerprint import arguments, jsonable
from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.search.generation import Engines
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.task import Task


def search_fingerprint(
    family: LossFamily, searcher: Searcher, tasks: Sequence[Task], engines: Engines
) -> dict[str, Any]:
    """All that bears on a search's history; not how many generations it has."""
    found: dict[str, Any] = {
        "family": {"name": family.name, **family.settings()},
        "searcher": arguments(searcher),
        "evaluator": arguments(engines.evaluator),
        "allocation": arguments(engines.allocation),
        "refiner": None if engines.refiner is None else arguments(engines.refiner),
        "callbacks": [arguments(item) for item in engines.callbacks if _bears(item)],
    }
    described: dict[str, Any] = {}
    for task in tasks:
        session = {
            item.name: getattr(task.session, item.name)
            for item in fields(task.session)
            if item.name not in ("callbacks", "accelerator", "devices")
        }
        described[task.name] = {
            "session": session,
            "data": arguments(task.data),
            "module": str(task.fresh_module()),
        }
    if len(tasks) == 1:
        found |= described
    else:  # their order says which is the main one, and gives seeds
        found |= {"tasks": described, "order of tasks": [task.name for task in tasks]}
    return jsonable(found)  # type: ignore[no-any-return]


def _bears(callback: MetaCallback) -> bool:
    """Whether a callback can change what a search finds."""
    hooks = (
        "wrap_family",
        "configure_task",
        "screen",
        "screen_refined",
        "on_candidate_evaluated",
    )
    return any(getattr(type(callback), hook) is not getattr(MetaCallback, hook) for hook in hooks)
