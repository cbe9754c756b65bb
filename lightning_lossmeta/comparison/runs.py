"""The trainings that a comparison is made of, each kept as soon as it is done."""

from __future__ import annotations

import json
import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from torch import nn

from lightning_lossmeta._fingerprint import FingerprintError, digest, fingerprint
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison.methods import Method, loss_of, task_of
from lightning_lossmeta.comparison.named_losses import NamedLosses
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.task_fingerprint import (
    data_fingerprint,
    module_fingerprint,
    session_fingerprint,
)


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
    """Results of trainings, one small JSON file each, looked up by what was trained.

    Loss, module, optimiser, data and session are compared by value, so that a training whose
    settings, weights or data differ in anything is another one; code is known by its name. What
    has no value that another process could compare, such as a lambda in a network, is trained each
    time and not kept, with a warning that names it.

    Args:
        directory: Holds the files; ``None`` keeps results in memory alone.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self.directory = directory
        self._results: dict[str, Evaluation] = {}

    def get(self, identity: dict[str, Any] | None) -> Evaluation | None:
        """The result of a training; ``None`` if it is not kept, or its file is damaged.

        Args:
            identity: What was trained; ``None`` for what can't be known again.

        Warns:
            UserWarning: If the file is damaged; names it.
        """
        if identity is None:
            return None
        name = digest(identity)
        if name not in self._results and self.directory is not None:
            path = self.directory / f"{name}.json"
            if not path.exists():
                return None
            try:
                stored = json.loads(path.read_text("utf-8"))
                whole = _digest(stored["training"], stored["result"])
                if stored.get("digest", whole) != whole:  # earlier versions wrote none
                    raise ValueError("it was changed")
                self._results[name] = _read(stored["result"])
            except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
                warnings.warn(f"'{path}' is damaged: its training is done again.", stacklevel=3)
                return None
        return self._results.get(name)

    def put(self, identity: dict[str, Any] | None, result: Evaluation) -> None:
        """Keep a result.

        Args:
            identity: What was trained; ``None`` for what can't be known again, and is not kept.
            result: The evaluation that the training ended with.
        """
        if identity is None:
            return
        name = digest(identity)
        self._results[name] = result
        if self.directory is not None:
            self.directory.mkdir(parents=True, exist_ok=True)
            written = _written(result)
            content = {
                "training": identity,
                "result": written,
                "digest": _digest(identity, written),
            }
            write_atomic(self.directory / f"{name}.json", json.dumps(content, indent=1) + "\n")


def train_runs(
    runs: Sequence[Run],
    methods: dict[str, Method],
    evaluator: Evaluator,
    store: RunStore,
    done: Callable[[Run, Evaluation], None] = lambda run, result: None,
) -> list[Evaluation]:
    """Train what the store does not know.

    Args:
        runs: What to train.
        methods: The methods by name.
        evaluator: What trains the runs.
        store: Where results are looked up, and kept as soon as they are there.
        done: Called with each run and its result, stored ones first.

    Returns:
        One result a run, in order.

    Warns:
        UserWarning: If trainings can't be kept; says why.
    """
    identify = _Identities(methods)
    identities = [identify(run) for run in runs]
    results = {place: store.get(identity) for place, identity in enumerate(identities)}
    for place, stored in results.items():
        if stored is not None:
            done(runs[place], stored)
    missing = [place for place, stored in results.items() if stored is None]
    jobs = _jobs([runs[place] for place in missing], methods)
    losses: dict[str, Any] = {name: loss_of(item) for name, item in methods.items()}
    for position, result in evaluator.run(jobs, NamedLosses(losses)) if jobs else ():
        place = missing[position]
        results[place] = result
        if result.status is not Status.FAILED:  # a failure may be the machine's: tried again
            store.put(identities[place], result)
        done(runs[place], result)
    return [result for result in results.values() if result is not None]


def _jobs(runs: Sequence[Run], methods: dict[str, Method]) -> list[Job]:
    """One object for equal tasks: evaluators do together what belongs together."""
    tasks: dict[tuple[str, int], Task] = {}
    jobs = []
    for run in runs:
        method = methods[run.loss]
        key = ("" if isinstance(method, nn.Module) else run.loss, id(run.task))
        task = tasks.setdefault(key, task_of(method, run.task))
        jobs.append(Job(Candidate(run.loss), task))
    return jobs


class _Identities:
    """Says what a run trains, by value; ``None`` where that can't be said."""

    def __init__(self, methods: dict[str, Method]) -> None:
        self._methods = {
            name: _value_or_warning(name, lambda method=method: fingerprint(method))  # type: ignore[misc]
            for name, method in methods.items()
        }
        self._tasks: dict[tuple[int, int], dict[str, Any] | None] = {}

    def __call__(self, run: Run) -> dict[str, Any] | None:
        task = run.task
        key = (id(task.module), id(task.data))
        if key not in self._tasks:
            self._tasks[key] = _value_or_warning(task.name, lambda: describe_task(task))
        method, described = self._methods[run.loss], self._tasks[key]
        if method is None or described is None:
            return None
        session = session_fingerprint(task.session)
        return {"loss": method, **described, "session": session, "seed": task.seed}


def _value_or_warning(name: str, describe: Callable[[], dict[str, Any]]) -> dict[str, Any] | None:
    try:
        return describe()
    except FingerprintError as error:
        warnings.warn(
            f"Trainings with '{name}' are not kept, and done again each time: {error}",
            stacklevel=4,
        )
        return None


def describe_task(task: Task) -> dict[str, Any]:
    """Module, optimisers and data of a task, by value; whatever its loss and seed.

    Raises:
        FingerprintError: If one of them has no value that another process could compare.
    """
    return {**module_fingerprint(task), "data": data_fingerprint(task)}


def repeated(methods: dict[str, Method]) -> tuple[str, str] | None:
    """Two names of one method, if there are.

    What can't be compared by value is the same as nothing else.
    """
    names: dict[str, str] = {}
    for name, method in methods.items():
        try:
            first = names.setdefault(digest(fingerprint(method)), name)
        except FingerprintError:
            continue
        if first != name:
            return first, name
    return None


def _written(result: Evaluation) -> dict[str, Any]:
    values = asdict(result)
    del values["candidate"]["theta"], values["trainings"]
    values["status"] = result.status.value
    return _with_text(values)  # type: ignore[no-any-return]


def _digest(identity: dict[str, Any], written: dict[str, Any]) -> str:
    """Of what was trained and what came out, whatever time it took."""
    return digest([identity, {k: value for k, value in written.items() if k != "seconds"}])


def _with_text(value: Any) -> Any:
    """Write numbers that are not finite as text, since JSON has none."""
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
