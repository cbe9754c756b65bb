"""What a search was asked for, as plain values that two runs can be compared by."""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.task import Task


def plain(
    family: LossFamily,
    searcher: Searcher,
    evaluator: Evaluator,
    tasks: Sequence[Task],
    callbacks: Sequence[MetaCallback],
) -> dict[str, Any]:
    """All that bears on a search's history; not how many generations it has."""
    found: dict[str, Any] = {
        "family": {"name": family.name, **family.settings()},
        "searcher": arguments(searcher),
        "evaluator": arguments(evaluator),
        "callbacks": [arguments(item) for item in callbacks if _bears(item)],
    }
    for task in tasks:
        session = {
            item.name: getattr(task.session, item.name)
            for item in fields(task.session)
            if item.name not in ("callbacks", "accelerator", "devices")
        }
        found[task.name] = {
            "session": session,
            "data": arguments(task.data),
            "module": str(task.fresh_module()),
        }
    return _jsonable(found)  # type: ignore[no-any-return]


def _bears(callback: MetaCallback) -> bool:
    """Whether a callback can change what a search finds."""
    hooks = ("wrap_family", "configure_session", "screen", "on_candidate_evaluated")
    return any(getattr(type(callback), hook) is not getattr(MetaCallback, hook) for hook in hooks)


def arguments(thing: object) -> dict[str, Any]:
    """An object's class and the constructor arguments that it keeps under their own names."""
    found: dict[str, Any] = {"class": type(thing).__qualname__}
    for name in inspect.signature(type(thing)).parameters:
        value = getattr(thing, name, None)
        if isinstance(value, (str, int, float, bool, type(None), list, tuple, dict)):
            found[name] = value
    return found


def changed_keys(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs, as ``key: old -> new``."""
    before, after = _flat(old), _flat(new)
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    return [f"{key}: {before.get(key)!r:.80} -> {after.get(key)!r:.80}" for key in keys]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    if not isinstance(value, dict):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= _flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def _jsonable(value: Any) -> Any:
    """Plain values; an object by its class and arguments, never by its address."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_jsonable(item) for item in value]
    if isinstance(value, (str, int, float, bool, type(None))):
        return value
    return _jsonable(arguments(value))
