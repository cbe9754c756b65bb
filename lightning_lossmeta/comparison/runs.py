"""The trainings that a comparison is made of, each kept as soon as it is done."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from torch import nn

from lightning_lossmeta._fingerprint import arguments, digest, jsonable, module, without_addresses
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison.methods import Method, loss_of, task_of
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.task import Task

#: What says where data lie or where a fit runs, not what it is.
_PLACES = ("root", "download", "cache", "accelerator", "devices")


@dataclass(frozen=True)
class Run:
    """One training of one method.

    Args:
        loss: Name of the method.
        task: What it is trained on, with seed and learning rate.
    """

    loss: str
    task: Task


class RunStore:
    """Results of cells, one small JSON file each, found again by what was trained.

    Args:
        directory: Holds the files; ``None`` keeps results in memory alone.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._found: dict[str, Evaluation] = {}

    def get(self, identity: dict[str, Any]) -> Evaluation | None:
        """The result of the training that is described so, or ``None``.

        A file that can't be read counts as none.
        """
        name = digest(identity)
        if name not in self._found and self.directory is not None:
            try:
                stored = json.loads((self.directory / f"{name}.json").read_text("utf-8"))
                self._found[name] = _read(stored["result"])
            except (OSError, ValueError, KeyError, TypeError):
                return None
        return self._found.get(name)

    def put(self, identity: dict[str, Any], result: Evaluation) -> None:
        """Keep a result."""
        name = digest(identity)
        self._found[name] = result
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
            content = {"training": identity, "result": _written(result)}
            write_atomic(self.directory / f"{name}.json", json.dumps(content, indent=1) + "\n")


def train_runs(
    cells: Sequence[Run],
    methods: dict[str, Method],
    evaluator: Evaluator,
    store: RunStore,
    done: Callable[[Run, Evaluation], None] = lambda cell, result: None,
) -> list[Evaluation]:
    """Train the cells that the store does not know.

    Args:
        cells: What to train.
        methods: By name.
        evaluator: Trains.
        store: Gives and takes results.
        done: Called with each cell and its result, known ones first.

    Returns:
        One result a cell, in order.
    """
    describe = _Describer(methods)
    identities = [describe(cell) for cell in cells]
    found = {place: store.get(identity) for place, identity in enumerate(identities)}
    for place, known in found.items():
        if known is not None:
            done(cells[place], known)
    missing = [place for place, known in found.items() if known is None]
    losses: dict[str, Any] = {name: loss_of(item) for name, item in methods.items()}
    tasks: dict[tuple[str, int], Task] = {}
    jobs = []
    for place in missing:
        cell = cells[place]
        method = methods[cell.loss]
        # One object for equal tasks: evaluators do together what belongs together.
        key = ("" if isinstance(method, nn.Module) else cell.loss, id(cell.task))
        task = tasks.setdefault(key, task_of(method, cell.task))
        jobs.append(Job(Candidate(cell.loss), task))
    for position, result in evaluator.run(jobs, NamedLosses(losses)) if jobs else ():
        place = missing[position]
        found[place] = result
        if result.status is not Status.FAILED:  # a failure may be the machine's: tried again
            store.put(identities[place], result)
        done(cells[place], result)
    return [result for result in found.values() if result is not None]


class _Describer:
    """Says what a cell trains, in plain values."""

    def __init__(self, methods: dict[str, Method]) -> None:
        self._methods = {name: describe(item) for name, item in methods.items()}
        self._tasks: dict[tuple[int, int], dict[str, Any]] = {}

    def __call__(self, cell: Run) -> dict[str, Any]:
        task = cell.task
        key = (id(task.module), id(task.data))
        if key not in self._tasks:
            self._tasks[key] = describe_task(task)
        session = {f.name: getattr(task.session, f.name) for f in fields(task.session)}
        return {
            "loss": self._methods[cell.loss],
            **self._tasks[key],
            "session": _without_places(jsonable(session)),
            "seed": task.seed,
        }


def describe(method: Method) -> dict[str, Any]:
    """A method as plain values."""
    return module(method) if isinstance(method, nn.Module) else arguments(method)


def repeated(methods: dict[str, Method]) -> tuple[str, str] | None:
    """Two names of one method, if there are."""
    known: dict[str, str] = {}
    for name, method in methods.items():
        first = known.setdefault(digest(describe(method)), name)
        if first != name:
            return first, name
    return None


def describe_task(task: Task) -> dict[str, Any]:
    """Module, optimiser and data of a task as plain values."""
    made = task.fresh_module()
    made.loss_fn = nn.Identity()
    return {
        "module": without_addresses(str(made)),
        "optimizer": _optimizers(made.configure_optimizers()),
        "data": _without_places(arguments(task.data)),
    }


def _optimizers(configured: Any) -> Any:
    """What ``configure_optimizers`` returned, with the plain part of the schedules' state."""
    if isinstance(configured, (list, tuple)):
        return [_optimizers(item) for item in configured]
    if isinstance(configured, dict):
        return {key: _optimizers(item) for key, item in configured.items()}
    text = without_addresses(repr(configured))
    if hasattr(configured, "state_dict") and not hasattr(configured, "param_groups"):
        state = configured.state_dict()
        return [text, {k: v for k, v in state.items() if isinstance(v, (int, float, list))}]
    return text


def _without_places(values: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in values.items() if key not in _PLACES}


def _written(result: Evaluation) -> dict[str, Any]:
    values = asdict(result)
    del values["candidate"]["theta"], values["trainings"]
    values["status"] = result.status.value
    return _with_text(values)  # type: ignore[no-any-return]


def _with_text(value: Any) -> Any:
    """JSON has no infinities: as text."""
    if isinstance(value, dict):
        return {key: _with_text(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_with_text(item) for item in value]
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def _read(values: dict[str, Any]) -> Evaluation:
    return Evaluation(
        Candidate(values["candidate"]["structure"]),
        tuple(float(value) for value in values["objectives"]),
        Status(values["status"]),
        tuple(float(value) for value in values["weights"]),
        {name: float(value) for name, value in values["metrics"].items()},
        {name: _points(curve) for name, curve in values["curves"].items()},
        float(values["seconds"]),
        str(values["message"]),
    )


def _points(curve: Iterable[Sequence[Any]]) -> tuple[tuple[int, float], ...]:
    return tuple((int(step), float(value)) for step, value in curve)
