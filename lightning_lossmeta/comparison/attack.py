"""Losses under attack: the same seeds for all, each at its own learning rate, on test data."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.fitness import AttackedAccuracy, FGSMFitness, PGDFitness
from lightning_lossmeta.callbacks.training_seconds import TRAINING_SECONDS, TrainingSeconds
from lightning_lossmeta.comparison.compare import ComparisonConfig, check_methods, variants
from lightning_lossmeta.comparison.methods import Method
from lightning_lossmeta.comparison.rows import Row
from lightning_lossmeta.comparison.runs import Run, RunStore, train_runs
from lightning_lossmeta.comparison.tuning import Tuning, failure_of, tune
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.lazy import sized

#: The attacks by name.
FGSM, PGD = "fgsm", "pgd"
ATTACKS = (FGSM, PGD)

#: What is told of progress: the stage, how many trainings are done, and of how many.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class AttackConfig:
    """What networks are attacked with.

    Args:
        attacks: ``"fgsm"``, ``"pgd"`` or both, each once.
        epsilons: Largest changes of a raw pixel, rising; 0 is accuracy on clean images.
        steps: Steps of PGD.
        restarts: Random starts of PGD, of which the worst counts.
        samples: How many test samples are attacked, the first; ``None`` for all.

    Raises:
        ValueError: If an attack is not known or there twice, epsilons are negative or do not rise,
            or a count is below 1.
    """

    attacks: tuple[str, ...] = ATTACKS
    epsilons: tuple[float, ...] = (0.0, 0.01, 0.02, 0.05, 0.1, 0.15, 0.2)
    steps: int = 20
    restarts: int = 1
    samples: int | None = None

    def __post_init__(self) -> None:
        unknown = sorted(set(self.attacks) - set(ATTACKS))
        if unknown or not self.attacks or len(set(self.attacks)) < len(self.attacks):
            raise ValueError(
                f"Expected argument `attack` to name some of {', '.join(ATTACKS)}, each once, as "
                f"'fgsm,pgd', got {', '.join(self.attacks) or 'none'}."
            )
        for epsilon in self.epsilons:
            check_interval("epsilons", epsilon, 0, math.inf)
        if not self.epsilons or list(self.epsilons) != sorted(set(self.epsilons)):
            raise ValueError(
                "Expected argument `epsilons` to hold rising numbers, as '0,0.05,0.1', got "
                f"{list(self.epsilons)}."
            )
        check_at_least(1, steps=self.steps, restarts=self.restarts)
        if self.samples is not None:
            check_at_least(1, samples=self.samples)

    def fitnesses(self) -> list[AttackedAccuracy]:
        """One for each attack and epsilon, of names that :func:`figure_name` gives."""
        made: list[AttackedAccuracy] = []
        for attack in self.attacks:
            for epsilon in self.epsilons:
                name = figure_name(attack, epsilon)
                made.append(
                    FGSMFitness(epsilon, name=name, samples=self.samples)
                    if attack == FGSM
                    else PGDFitness(
                        epsilon, self.steps, self.restarts, name=name, samples=self.samples
                    )
                )
        return made

    def title(self, attack: str) -> str:
        """An attack in words.

        >>> AttackConfig(steps=7).title("pgd")
        'PGD, 7 steps'
        """
        if attack == FGSM:
            return "FGSM"
        starts = f" from {self.restarts} starts" if self.restarts > 1 else ""
        return f"PGD, {self.steps} steps{starts}"


def figure_name(attack: str, epsilon: float) -> str:
    """The name under which accuracy under an attack is logged.

    >>> figure_name("pgd", 0.1)
    'accuracy_pgd_0.1'
    """
    return f"accuracy_{attack}_{epsilon!r}"


@dataclass(frozen=True)
class AttackedLoss:
    """What became of the networks of one loss.

    Args:
        name: Name of the loss.
        tuning: How its learning rate was found.
        results: One training a seed.
    """

    name: str
    tuning: Tuning
    results: Sequence[Evaluation]

    @property
    def seconds(self) -> tuple[float, ...]:
        """Seconds that each network was trained for; NaN where nothing was trained."""
        return tuple(item.metrics.get(TRAINING_SECONDS, math.nan) for item in self.results)

    @property
    def failures(self) -> dict[int, str]:
        """By place of a seed what its training failed with."""
        return {i: text for i, item in enumerate(self.results) if (text := failure_of(item))}

    @property
    def diverged(self) -> int:
        """How many trainings ended without a score, but also without an error."""
        return sum(not item.trained for item in self.results) - len(self.failures)

    def row(self, attack: str, epsilon: float) -> Row:
        """Its accuracies under one attack as a row of a comparison whose task is epsilon."""
        name = figure_name(attack, epsilon)
        return Row(
            self.name,
            self.tuning.best,
            self.tuning.at_edge,
            tuple(
                item.metrics.get(name, math.nan) if item.trained else math.nan
                for item in self.results
            ),
            task=repr(epsilon),
            failures=self.failures,
            tuning_failures=self.tuning.failures,
        )


def attack_losses(
    losses: Mapping[str, Method],
    task: Task,
    evaluator: Evaluator,
    settings: ComparisonConfig,
    attack: AttackConfig,
    factors: Mapping[str, float],
    progress: Progress = lambda stage, done, count: None,
    store: RunStore | None = None,
) -> list[AttackedLoss]:
    """Train each loss on the same fresh seeds, then attack its networks on the test data.

    Args:
        losses: Losses and training methods by name.
        task: Module, data and session; the data say how pixels were normalised.
        evaluator: What trains.
        settings: Seeds, grid of learning rates and budget.
        attack: What networks are attacked with.
        factors: Learning-rate factors that are known, by name of the loss. Those of the others are
            chosen as in a comparison, by accuracy on clean validation data.
        progress: Told how far it is.
        store: Keeps each training's result and knows those of before.

    Returns:
        One item a loss, in order.

    Raises:
        ValueError: If there is no loss or one twice, or the normalisation of the data is unknown.
        MachineError: If the machine or the data failed; the store has what was trained before.
    """
    task = sized(task)
    check_methods(losses)
    methods, store = dict(losses), store or RunStore()

    def train(runs: list[Run], stage: str) -> list[Evaluation]:
        done = 0

        def count(*_: object) -> None:
            nonlocal done
            done += 1
            progress(stage, done, len(runs))

        progress(stage, 0, len(runs))
        return train_runs(runs, methods, evaluator, store, count)

    found = {name: Tuning({factor: math.nan}) for name, factor in factors.items() if name in losses}
    unknown = [name for name in losses if name not in found]
    tuned = tune(
        [task],
        unknown,
        sorted(settings.learning_rate_factors),
        settings.widenings,
        lambda one, grid: variants(one, settings, grid, tuning=True),
        train,
    )
    tunings = {**found, **{name: item for (_, name), item in tuned.items()}}
    attacked = _attacked(task, attack)
    runs = [
        Run(name, variant)
        for variant, factor in variants(
            attacked, settings, sorted({item.best for item in tunings.values()}), tuning=False
        )
        for name in losses
        if tunings[name].best == factor
    ]
    results: dict[str, list[Evaluation]] = {name: [] for name in losses}
    for run, result in zip(runs, train(runs, "training and attack"), strict=True):
        results[run.loss].append(result)
    return [AttackedLoss(name, tunings[name], results[name]) for name in losses]


def _attacked(task: Task, attack: AttackConfig) -> Task:
    """The task whose fits end with the attacks."""
    for fitness in attack.fitnesses():
        prepared = fitness.prepare(task)
        callbacks = (*task.session.callbacks, prepared)
        task = replace(task, session=replace(task.session, callbacks=callbacks))
    callbacks = (TrainingSeconds(), *task.session.callbacks)
    return replace(task, session=replace(task.session, callbacks=callbacks))
