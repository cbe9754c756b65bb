"""How networks learn with each of several losses: training and validation, step after step."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from lightning_lossmeta.callbacks.fitness.training_accuracy import TRAINING, TrainingAccuracy
from lightning_lossmeta.comparison.compare import ComparisonConfig, variants
from lightning_lossmeta.comparison.methods import Method
from lightning_lossmeta.comparison.runs import Run, RunStore, train_runs
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.task import Task


@dataclass(frozen=True)
class LearningCurves:
    """What became of a loss's networks at each step.

    Args:
        steps: (T,), the optimiser steps that are looked at.
        training: (S, T), the accuracy on the training samples, one row a seed.
        scored: (S, T), the score on the test data.
    """

    steps: np.ndarray
    training: np.ndarray
    scored: np.ndarray


def learning_curves(
    losses: Mapping[str, Method],
    task: Task,
    evaluator: Evaluator,
    settings: ComparisonConfig,
    factors: Mapping[str, float],
    progress: Callable[[str, int, int], None] = lambda stage, done, count: None,
    store: RunStore | None = None,
) -> dict[str, LearningCurves]:
    """Train as a comparison scores, on the same seeds, and look after every few steps.

    Args:
        losses: Losses and training methods by name.
        task: Module, data and session.
        evaluator: What trains.
        settings: Seeds, budget, and by ``validations`` how many points a curve has.
        factors: The learning-rate factor of each loss; 1 where there is none.
        progress: Called with the stage, how many trainings are done, and of how many.
        store: Keeps each training's result and knows those of before.

    Returns:
        The curves of each loss; one of which a training gave none is left out.
    """
    callbacks = (*task.session.callbacks, TrainingAccuracy())
    task = replace(task, session=replace(task.session, callbacks=callbacks))
    rates = {name: factors.get(name, 1.0) for name in losses}
    runs = [
        Run(name, variant)
        for variant, factor in variants(task, settings, sorted(set(rates.values())), tuning=False)
        for name in losses
        if rates[name] == factor
    ]
    done = 0

    def count(*_: object) -> None:
        nonlocal done
        done += 1
        progress(task.name, done, len(runs))

    results = train_runs(runs, dict(losses), evaluator, store or RunStore(), count)
    curves = {}
    for name in losses:
        own = [result for run, result in zip(runs, results, strict=True) if run.loss == name]
        if all(TRAINING in item.curves for item in own):
            curves[name] = _together([item.curves for item in own], task.session.monitor)
    return curves


def _together(
    curves: list[Mapping[str, tuple[tuple[int, float], ...]]], monitor: str
) -> LearningCurves:
    steps = [step for step, _ in curves[0][monitor]]
    training, scored = (
        np.array([[value for _, value in item[name]] for item in curves])
        for name in (TRAINING, monitor)
    )
    return LearningCurves(np.array(steps), training, scored)
