"""What a run was asked for, and what it ran with, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightning_lossmeta.report.charts import cut
from lightning_lossmeta.report.run import RunContents

_PARTS = (
    "model",
    "data",
    "family",
    "searcher",
    "refiner",
    "evaluator",
    "allocation",
    "session",
    "steps",
    "monitor",
    "tasks",
    "generations",
    "finalists",
    "losses",
    "methods",
    "baseline",
    "comparison",
)
_LONGEST = 400


def what_was_asked(run: RunContents) -> list[tuple[str, str]]:
    """Each part with its settings, the seeds and the versions of what it ran on."""
    source: Mapping[str, Any] = run.config or {**run.settings, **run.provenance}
    session = source.get("session")
    if source.get("monitor") and isinstance(session, Mapping):  # it stands for the objectives
        rest = {key: value for key, value in session.items() if key != "objectives"}
        source = {**source, "session": rest}
    rows = [(name, cut(told(source[name]), _LONGEST)) for name in _PARTS if source.get(name)]
    trainer = run.config.get("trainer")
    callbacks = (trainer if isinstance(trainer, Mapping) else run.settings).get("callbacks")
    if callbacks:
        rows.append(("callbacks", cut(told(callbacks), _LONGEST)))
    seed = run.provenance.get("seed", run.config.get("seed_everything", run.config.get("seed")))
    if seed is not None:
        rows.append(("seed", str(seed)))
    if isinstance(versions := run.provenance.get("versions"), Mapping):
        rows.append(("versions", told(versions)))
    return [(name.replace("_", " "), text) for name, text in rows]


def told(value: Any, depth: int = 0) -> str:
    """Nested settings as a line; what is not set is left out.

    >>> told({"class_path": "torch.optim.SGD", "init_args": {"lr": 0.1, "fused": None}})
    'SGD (lr 0.1)'
    """
    if depth > 6:
        return "…"
    if isinstance(value, Mapping):
        name = value.get("class_path") or value.get("class")
        if isinstance(name, str):
            inner = value.get("init_args") if "class_path" in value else value
            rest = {k: v for k, v in inner.items() if k != "class"} if inner else {}
            settings = told(rest, depth + 1)
            short = name.rsplit(".", 1)[-1]
            return f"{short} ({settings})" if settings else short
        parts = [
            f"{str(key).replace('_', ' ')} {told(item, depth + 1)}"
            for key, item in value.items()
            if item is not None and item != {} and item != []
        ]
        return ", ".join(parts[:40])
    if isinstance(value, list):
        return ", ".join(told(item, depth + 1) for item in value[:40])
    return str(value)
