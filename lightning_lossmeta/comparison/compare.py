"""Losses on equal terms: paired seeds, one budget, each at its own best learning rate."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import pytorch_lightning as pl

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.fitness import Fitness
from lightning_lossmeta.callbacks.fitness.comparison_scores import (
    VALIDATION,
    VALIDATION_ERROR,
    ComparisonScores,
)
from lightning_lossmeta.comparison.methods import Method
from lightning_lossmeta.comparison.rows import Row
from lightning_lossmeta.comparison.runs import Run, RunStore, repeated, train_runs
from lightning_lossmeta.comparison.tuning import failure_of, tune
from lightning_lossmeta.data.episodes import held_out
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.task import Objective, Session, Task
from lightning_lossmeta.training.lazy import sized

#: What a row says beside its scores: at the best validation, and the wall time of a fit.
AT_BEST = "at_best_validation"
SECONDS = "seconds"


@dataclass(frozen=True)
class ComparisonConfig:
    """How losses are compared.

    Args:
        seeds: How many fresh seeds score each loss on the test split.
        tuning_seeds: How many other seeds choose its learning rate on the validation split.
        learning_rate_factors: The grid, relative to what the module configures; a single one is
            taken without tuning.
        steps: Training budget of every fit; ``None`` for that of the task's session, or of the
            training that it stands for.
        validations: How many points the curves of a scoring fit have; from these the score at the
            best validation is taken.
        widenings: How often a loss whose best learning rate lies at the edge of the grid is trained
            at one more, as far past the edge as the last step of the grid.

    Raises:
        ValueError: If a count is below 1 (2 for ``seeds``), or the grid is empty or not positive.
    """

    seeds: int = 5
    tuning_seeds: int = 3
    learning_rate_factors: tuple[float, ...] = (0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0)
    steps: int | None = None
    validations: int = 1
    widenings: int = 2

    def __post_init__(self) -> None:
        check_at_least(2, seeds=self.seeds)
        check_at_least(1, tuning_seeds=self.tuning_seeds, validations=self.validations)
        check_at_least(0, widenings=self.widenings)
        if self.steps is not None:
            check_at_least(1, steps=self.steps)
        grid = self.learning_rate_factors
        if not grid or not all(0 < factor < math.inf for factor in grid):
            raise ValueError(
                "Expected argument `learning_rate_factors` to hold positive numbers, at least one, "
                f"got {list(grid)}."
            )
        if len(set(grid)) < len(grid):
            raise ValueError(
                "Expected argument `learning_rate_factors` to hold each number once, got "
                f"{list(grid)}."
            )


def compare_losses(
    losses: Mapping[str, Method],
    tasks: Task | Sequence[Task],
    evaluator: Evaluator,
    settings: ComparisonConfig,
    progress: Callable[[str, int, int], None] = lambda stage, done, count: None,
    store: RunStore | None = None,
    repeats: bool = False,
) -> list[Row]:
    """Train every loss alike and score it on the test split.

    The learning rate of each is, on each task, the one with the best mean validation score over
    seeds of their own; then fresh seeds, the same for all losses, give initial weights and batches.

    Args:
        losses: Losses and training methods by name.
        tasks: Module, data and session of each; their names differ.
        evaluator: What trains the runs.
        settings: Seeds, grid and budget.
        progress: Called with the stage, how many of its trainings are done, and of how many.
        store: Keeps each training's result and knows those of before.
        repeats: Whether a loss may be there under two names, as searches may find it twice.

    Returns:
        One row a task and loss, in order.

    Raises:
        ValueError: If there is no loss or task, or one is there twice.
        MachineError: If the machine or the data failed; the store has what was trained before.
    """
    tasks = [sized(task) for task in ([tasks] if isinstance(tasks, Task) else tasks)]
    if not repeats:
        check_methods(losses)
    names = [task.name for task in tasks]
    if not names or len(set(names)) < len(names):
        raise ValueError(
            "Expected argument `tasks` to hold tasks of different names, at least one, got "
            f"{names}."
        )
    methods = dict(losses)
    store = store or RunStore()
    grid = sorted(settings.learning_rate_factors)

    def train(runs: list[Run], stage: str) -> list[Evaluation]:
        count = 0

        def done(run: Run, result: Evaluation) -> None:
            nonlocal count
            count += 1
            progress(stage, count, len(runs))

        progress(stage, 0, len(runs))
        return train_runs(runs, methods, evaluator, store, done)

    tuning = tune(
        tasks,
        list(losses),
        grid,
        settings.widenings,
        lambda task, factors: variants(task, settings, factors, tuning=True),
        train,
    )
    best = {key: item.best for key, item in tuning.items()}
    keys, runs = [], []
    for task in tasks:
        factors = sorted({best[task.name, name] for name in losses})
        for variant, factor in variants(task, settings, factors, tuning=False):
            for name in losses:
                if best[task.name, name] == factor:
                    keys.append((task.name, name))
                    runs.append(Run(name, variant))
    scored: dict[tuple[str, str], list[Evaluation]] = {key: [] for key in tuning}
    for key, result in zip(keys, train(runs, "scoring"), strict=True):
        scored[key].append(result)
    sessions = {task.name: task.session for task in tasks}
    rows = []
    for (task_name, name), results in scored.items():
        factor = best[task_name, name]
        rows.append(
            Row(
                name,
                factor,
                tuning[task_name, name].at_edge,
                tuple(_score(item, sessions[task_name].objectives[0]) for item in results),
                tuning={} if len(grid) == 1 else tuning[task_name, name].sorted_scores,
                task=task_name,
                metrics=_metrics(results, sessions[task_name].monitor),
                failures={i: text for i, item in enumerate(results) if (text := failure_of(item))},
                tuning_failures=tuning[task_name, name].failures,
            )
        )
    return rows


def check_methods(losses: Mapping[str, Method]) -> None:
    """Refuse a comparison of nothing, or of a loss with itself.

    Raises:
        ValueError: If there is no loss, or one under two names.
    """
    if not losses:
        raise ValueError("Expected argument `losses` to hold at least one, got none.")
    if twins := repeated(dict(losses)):
        raise ValueError(
            f"Expected argument `losses` to hold each loss once, got it as '{twins[0]}' and as "
            f"'{twins[1]}'. The `best.json` of a search holds a usual loss where the learned one, "
            "in `learned.json`, was not shown to be better."
        )


def variants(
    task: Task, settings: ComparisonConfig, factors: Sequence[float], tuning: bool
) -> list[tuple[Task, float]]:
    """The task for each seed and learning rate of a stage."""
    purpose, count = (
        (Purpose.TUNING, settings.tuning_seeds) if tuning else (Purpose.SCORING, settings.seeds)
    )
    base = compared_session(task.session, settings, tuning)
    data = held_out(task.data, "val" if tuning else "test")
    return [
        (
            replace(
                task,
                data=data,
                seed=derived_seed(task.seed, purpose, number),
                session=replace(base, learning_rate_factor=factor * base.learning_rate_factor),
            ),
            factor,
        )
        for number in range(count)
        for factor in factors
    ]


_SCORES = ComparisonScores()


def compared_session(session: Session, settings: ComparisonConfig, tuning: bool) -> Session:
    """The session of a comparison's trainings.

    Args:
        session: The task's.
        settings: Budget and validations of the comparison.
        tuning: Whether the trainings choose learning rates, or score on the test split.
    """
    return replace(
        session,
        steps=settings.steps or session.real_steps,
        validations=0 if tuning else settings.validations,
        horizons=None,  # what counts is the end of training
        split="val" if tuning else "test",
        callbacks=session.callbacks if tuning else (*map(_on_test, session.callbacks), _SCORES),
    )


def _on_test(callback: pl.Callback) -> pl.Callback:
    return callback.on_test_data() if isinstance(callback, Fitness) else callback


def _score(result: Evaluation, objective: Objective) -> float:
    """The first objective's metric in its own sign; NaN where there is none."""
    return objective.signed(result.objectives[0]) if result.objectives else math.nan


def _metrics(results: Sequence[Evaluation], monitor: str) -> dict[str, tuple[float, ...]]:
    """The further figures of a row by name, one value a seed.

    What the module logs in its ``validation_step`` is of test data here, and named so; the score
    itself, which stands by its name, is left out.
    """
    names = list(dict.fromkeys(name for item in results for name in item.metrics))
    metrics = {
        re.sub("^val_", "test_", name): tuple(item.metrics.get(name, math.nan) for item in results)
        for name in names
        if name != monitor
    }
    at_best = tuple(_at_best_validation(item, monitor) for item in results)
    if any(map(math.isfinite, at_best)):
        metrics[AT_BEST] = at_best
    metrics[SECONDS] = tuple(item.seconds for item in results)
    return metrics


def _at_best_validation(result: Evaluation, monitor: str) -> float:
    """The test score where the validation accuracy is highest, or the squared error least.

    Of equal points the earliest counts. It is NaN where the curve has a single point, whose score
    is the one at the end.
    """
    scores = dict(result.curves.get(monitor, ()))
    sign = 1.0 if VALIDATION in result.curves else -1.0
    curve = result.curves.get(VALIDATION) or result.curves.get(VALIDATION_ERROR, ())
    points = [(step, sign * value) for step, value in curve if step in scores]
    if len(points) < 2:
        return math.nan
    return scores[max(points, key=lambda point: (point[1], -point[0]))[0]]
