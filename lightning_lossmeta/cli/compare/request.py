"""What ``lossmeta compare``, ``attack``, ``embed`` and ``learning`` are asked for, checked."""

from __future__ import annotations

import json
import math
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from jsonargparse import ActionConfigFile, Namespace  # type: ignore[attr-defined]
from torch import nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.artifacts import ArtifactError, find_loss
from lightning_lossmeta.artifacts.zoo import UnknownLossError
from lightning_lossmeta.cli.arguments import with_default_classes
from lightning_lossmeta.cli.class_paths import add_current_folder
from lightning_lossmeta.cli.compare.searches import Searches
from lightning_lossmeta.cli.compare.tasks import Sweep, SweepPoint, make_tasks
from lightning_lossmeta.cli.configuration import (
    HintingParser,
    as_dict,
    complaint,
)
from lightning_lossmeta.cli.endings import WRONG_INPUT, interrupted, prepare_process
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.comparison import (
    ComparisonConfig,
    ComparisonError,
    Method,
    check_methods,
)
from lightning_lossmeta.evaluators import AutoEvaluator, Evaluator
from lightning_lossmeta.modules.methods import TrainingMethod
from lightning_lossmeta.report import check_charts
from lightning_lossmeta.search.preflight import check_loss, check_task
from lightning_lossmeta.search.run_folder import new_directory
from lightning_lossmeta.task import Objective, Session, Task
from lightning_lossmeta.training import MachineError

DEFAULT_LOSSES = (
    "cross_entropy",
    "mean_absolute_error",
    "generalized_cross_entropy",
    "symmetric_cross_entropy",
    "label_smoothing",
    "bootstrap_soft",
)


#: Errors whose text is for the user as it is.
_CLEAR = (ArtifactError, UnknownLossError, ComparisonError, MachineError)


@dataclass
class Settings:
    """What a comparison is asked for.

    Args:
        losses: By name: a loss or training method by ``class_path``, the name of a ready loss
            (``lossmeta zoo`` lists them), or the file of a learned one.
        baseline: The loss that the others are tested against; the first by default.
        tasks: By name what each task changes of ``model`` and ``data``, by dotted keys; without,
            there is one task.
        methods: By name, ways of learning a loss (files as those of ``configs/methods``, or
            ``file`` and what is different by dotted keys): each learns losses on each task, which
            are compared there with the others.
        searches: How many losses each method learns on a task.
        sweep: A setting, for whose values each task is repeated, with a figure over them.
        only: Of these tasks, the names of those to look at; all by default.
        comparison: Seeds, learning rates and budget.
        epochs: Budget in passes over the training data, instead of ``comparison.steps``.
        monitor: The metric, logged by ``validation_step``, that is the score.
        mode: Whether more or less of it is better.
        evaluator: What trains; by default the fastest for each task, measured.
        accelerator: As in ``Trainer``.
        precision: As in ``Trainer``.
        run_dir: Where results go; a folder that holds some is gone on with. ``runs/NAME-TIME`` by
            default.
        seed: The seed that all others derive from.
        samples: How many samples ``lossmeta embed`` shows.
        loss_attribute: The name under which the module has its loss, e.g. ``criterion``.
    """

    losses: dict[str, str | TrainingMethod | nn.Module] = field(
        default_factory=lambda: {name: name for name in DEFAULT_LOSSES}
    )
    baseline: str | None = None
    tasks: dict[str, dict[str, Any]] = field(default_factory=dict)
    methods: dict[str, str | dict[str, Any]] = field(default_factory=dict)
    searches: int = 3
    sweep: Sweep | None = None
    only: list[str] = field(default_factory=list)
    comparison: ComparisonConfig = field(default_factory=ComparisonConfig)
    epochs: int | None = None
    monitor: str = "val_accuracy"
    mode: Literal["max", "min"] = "max"
    evaluator: Evaluator | None = None
    accelerator: str = "auto"
    precision: str = "32-true"
    run_dir: str | None = None
    seed: int = 0
    samples: int = 2000
    loss_attribute: str = "loss_fn"


@dataclass(frozen=True)
class Request:
    """A comparison that was asked for, ready to run.

    Args:
        losses: Losses and training methods by name.
        baseline: Name of the loss that the others are tested against.
        tasks: Tasks by name, each with its place in the sweep.
        searches: The searches whose losses are learned before the comparison.
        sweep: The setting for whose values tasks are repeated, if there is one.
        comparison: Seeds, learning rates and budget.
        evaluator: What trains.
        directory: Gets the results.
        seed: The seed that all others derive from.
        samples: How many samples an embedding shows.
        score: Name of the scores, e.g. ``"test accuracy"``.
        mode: Whether more or less of it is better.
        text: The resolved configuration, which runs again as it is.
        settings: All that was asked for, with what a command has of its own.
        report: Whether to write a page of the results as well.
    """

    losses: dict[str, Method]
    baseline: str
    tasks: dict[str, tuple[Task, SweepPoint]]
    searches: Searches
    sweep: Sweep | None
    comparison: ComparisonConfig
    evaluator: Evaluator
    directory: Path
    seed: int
    samples: int
    score: str
    mode: str
    text: str
    settings: Any
    report: bool = False


def reported(work: Callable[[], None]) -> int:
    """Do something; tell what the user got wrong in one message, without a traceback."""
    prepare_process()
    try:
        work()
    except KeyboardInterrupt as stop:
        return interrupted(stop)
    except (ValueError, TypeError, OSError, *_CLEAR) as error:
        message = str(error) if isinstance(error, _CLEAR) else complaint(error)
        if message is None:
            raise
        print(f"lossmeta: {message}", file=sys.stderr)
        return WRONG_INPUT
    return 0


def parse(
    argv: list[str], command: str, description: str | None, kind: type[Settings] = Settings
) -> Request:
    """Read and check all that was asked for, before any training.

    Args:
        argv: The command's arguments.
        command: Name of the command.
        description: What the command does, for its help.
        kind: The settings that the command has.

    Raises:
        ValueError: If a setting is wrong, or settings do not fit together.
    """
    parser = HintingParser(prog=f"lossmeta {command}", description=description or "")
    parser.add_argument("--config", action=ActionConfigFile, help="a YAML file of these options")
    parser.add_subclass_arguments(pl.LightningModule, "model", required=True, fail_untyped=False)
    parser.add_subclass_arguments(pl.LightningDataModule, "data", required=True, fail_untyped=False)
    parser.add_class_arguments(kind, None, sub_configs=True)
    if command == "compare":
        parser.add_argument(
            "--report",
            action="store_true",
            help="Write RUN_DIR/report.html at the end, a page to look at (lossmeta report).",
        )
    add_current_folder()
    argv = with_default_classes(argv)
    config = parser.parse_args(argv)
    resolved = config.clone()
    resolved.run_dir = None
    resolved.pop("report", None)
    text = parser.dump(resolved, skip_none=False)
    settings = parser.instantiate_classes(config)
    base = {"model": as_dict(config.model), "data": as_dict(config.data)}
    settings.tasks = as_dict(config).get("tasks", {})  # not made yet: a sweep may change them
    name = Path(str(config.config[0])).stem if config.config else command
    directory = Path(settings.run_dir).expanduser() if settings.run_dir else new_directory(name)
    settings.methods = as_dict(config).get("methods", {})
    beside = Path(str(config.config[0])).parent if config.config else None
    request = _request(settings, base, directory, beside, text)
    if config.get("report"):
        check_charts()
        request = replace(request, report=True)
    if command != "compare" and request.searches.methods:
        raise ValueError(f"Expected no `methods` for {command}: give it files of learned losses.")
    for task, _ in request.tasks.values():
        check_task(task)
        for loss, method in request.losses.items():
            if isinstance(method, nn.Module):
                check_loss(method, task, loss)
    return request


def _request(
    config: Namespace, base: dict[str, Any], directory: Path, beside: Path | None, text: str
) -> Request:
    losses = {name: _method(item) for name, item in config.losses.items()}
    baseline = config.baseline or next(iter(losses), "")
    check_methods(losses)
    if baseline not in losses:
        raise ValueError(
            f"Expected argument `baseline` to be one of {list(losses)}, got {baseline!r}."
        )
    if config.comparison.steps is not None and config.epochs is not None:
        raise ValueError("Expected argument `epochs` or `comparison.steps`, got both.")
    session = Session(
        objectives=(Objective(config.monitor, config.mode),),
        precision=config.precision,
        accelerator=config.accelerator,
    )
    tasks = make_tasks(
        base,
        config.tasks,
        config.sweep,
        session,
        config.seed,
        config.epochs,
        config.loss_attribute,
    )
    if unknown := [name for name in config.only if name not in tasks]:
        raise ValueError(f"Expected argument `only` to hold some of {list(tasks)}, got {unknown}.")
    return Request(
        losses,
        baseline,
        {name: task for name, task in tasks.items() if not config.only or name in config.only},
        _searches(config, directory, beside),
        config.sweep,
        config.comparison,
        config.evaluator or AutoEvaluator(),
        directory,
        config.seed,
        config.samples,
        f"test {config.monitor.removeprefix('val_').replace('_', ' ')}",
        config.mode,
        text,
        config,
    )


def _searches(config: Namespace, directory: Path, beside: Path | None) -> Searches:
    check_at_least(1, searches=config.searches)
    methods = {name: read_search_method(method, beside) for name, method in config.methods.items()}
    for settings in methods.values():
        make_search_method(settings)  # errors before any training
    searches = Searches(methods, config.searches, config.seed, directory)
    names = {*methods, *(name for losses in searches.names().values() for name in losses)}
    if twins := names & set(config.losses):
        raise ValueError(
            f"Expected arguments `losses` and `methods` to have names of their own, got "
            f"{sorted(twins)} in both."
        )
    return searches


def _method(item: Any) -> Method:
    """A loss by the name or file that stands in a configuration, or what was made of it."""
    return find_loss(item).loss if isinstance(item, str) else item


def found_factors(path: Path) -> dict[tuple[str, str], float]:
    """The learning rates that a comparison has found, by names of task and loss.

    Args:
        path: Its ``comparison.json``; where there is none, none were found.
    """
    try:
        rows = json.loads(path.read_text("utf-8"))
        factors = {(r["task"], r["loss"]): float(r["learning_rate_factor"]) for r in rows}
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return {key: value for key, value in factors.items() if 0 < value < math.inf}
