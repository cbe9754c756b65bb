"""What a search was asked for, as values that two runs can be compared by."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any

from lightning_lossmeta._fingerprint import FingerprintError, changed_keys, fingerprint
from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.search.generation import Engines
from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.task_fingerprint import (
    data_fingerprint,
    fresh_modules,
    module_fingerprint,
    optimizers_of,
    session_fingerprint,
)

#: Hooks by which a callback can change what a search finds.
_BEARING = (
    "wrap_family",
    "configure_task",
    "screen",
    "screen_refined",
    "on_candidate_evaluated",
)

#: Stands in place of what has no value.
_UNKNOWN = "not comparable"


def search_fingerprint(
    family: LossFamily, searcher: Searcher, tasks: Sequence[Task], engines: Engines
) -> dict[str, Any]:
    """Describe all that bears on a search's history; how many generations it has does not.

    What has no value (a module with a lambda, say) stands there as not comparable, with the reason.
    """
    callbacks = [item for item in engines.callbacks if _bears(item)]
    described: dict[str, Any] = {
        "family": {"name": family.name, **fingerprint(family.settings())},
        "searcher": _known(lambda: fingerprint(searcher)),
        "evaluator": _known(lambda: fingerprint(engines.evaluator)),
        "allocation": _known(lambda: fingerprint(engines.allocation)),
        "refiner": _known(lambda: fingerprint(engines.refiner)),
        "callbacks": _known(lambda: [fingerprint(item) for item in callbacks]),
    }
    by_task = {task.name: _task(task) for task in tasks}
    if len(tasks) == 1:
        return described | by_task
    # Their order says which is the main one, and gives seeds.
    return described | {"tasks": by_task, "order of tasks": list(by_task)}


def changed_settings(old: dict[str, Any], new: dict[str, Any]) -> list[str]:
    """What differs between the settings of two searches, as ``key: old -> new``.

    Warns:
        UserWarning: If something is not comparable, and so taken to be the same.
    """
    reasons: list[str] = []
    changed = changed_keys(*_comparable(old, new, reasons))
    for reason in reasons:
        warnings.warn(
            f"Resumed as if this had not changed, which can't be seen: {reason}", stacklevel=2
        )
    return changed


def _comparable(
    old: dict[str, Any], new: dict[str, Any], reasons: list[str]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Leave out of both settings what is not comparable in either."""
    kept: tuple[dict[str, Any], dict[str, Any]] = dict(old), dict(new)
    for key in old.keys() & new.keys():
        pair = old[key], new[key]
        if not all(isinstance(item, dict) for item in pair):
            continue
        if unknown := [item[_UNKNOWN] for item in pair if _UNKNOWN in item]:
            reasons.append(unknown[-1])
            del kept[0][key], kept[1][key]
        else:
            kept[0][key], kept[1][key] = _comparable(*pair, reasons)
    return kept


def _known(describe: Callable[[], Any]) -> Any:
    try:
        return describe()
    except FingerprintError as error:
        return {_UNKNOWN: str(error)}


def _task(task: Task) -> dict[str, Any]:
    try:
        trained = module_fingerprint(task)
    except FingerprintError as error:  # the optimisers may be comparable alone
        module, _ = fresh_modules(task)
        optimizers = _known(lambda: fingerprint(optimizers_of(module, task)))
        trained = {"module": {_UNKNOWN: str(error)}, "optimizers": optimizers}
    return {
        "session": _known(lambda: session_fingerprint(task.session)),
        "data": _known(lambda: data_fingerprint(task)),
        **trained,
        "loss_fn": _known(lambda: fingerprint(task.fresh_module().loss_fn)),
    }


def _bears(callback: MetaCallback) -> bool:
    """Whether a callback can change what a search finds."""
    return any(
        getattr(type(callback), hook) is not getattr(MetaCallback, hook) for hook in _BEARING
    )
