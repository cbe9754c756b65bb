"""What a candidate is tried on: an architecture with its optimiser, data, and a short training."""

from __future__ import annotations

import copy
import itertools
import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

import pytorch_lightning as pl
from pytorch_lightning.utilities.seed import isolate_rng

from lightning_lossmeta._loss_place import USUAL, check_loss_place, redirect
from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta._validation import check_at_least


@dataclass(frozen=True)
class Objective:
    """A figure that a search makes as large, or as small, as it can.

    Args:
        monitor: The metric, logged in validation, that is the figure.
        mode: Whether more (``"max"``) or less (``"min"``) of it is better.
        weight: Its factor in the fitness, the weighted sum of the objectives; positive.

    Raises:
        ValueError: If ``mode`` is neither, or ``weight`` is not positive.

    >>> Objective("val_mse", "min").signed(0.25)
    -0.25
    """

    monitor: str = "val_accuracy"
    mode: Literal["max", "min"] = "max"
    weight: float = 1.0

    def __post_init__(self) -> None:
        if self.mode not in ("max", "min"):
            raise ValueError(f"Expected argument `mode` to be 'max' or 'min', got {self.mode!r}.")
        if not 0 < self.weight < math.inf:
            raise ValueError(
                f"Expected argument `weight` to be a positive number, got {self.weight!r}."
            )

    def signed(self, value: float) -> float:
        """Turn a value so that higher is better; turned twice, it is what it was."""
        return value if self.mode == "max" else -value


@dataclass(frozen=True)
class Horizons:
    """Steps of one fit at which it is scored, and how much each score counts.

    An objective is then the weighted mean of its values at these steps.

    Args:
        steps: Optimiser steps, rising.
        weights: The weight of each step's score, positive; all are equal by default.

    Raises:
        ValueError: If steps do not rise from 1, or weights do not fit them.
    """

    steps: tuple[int, ...]
    weights: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        check_at_least(1, **{f"steps[{i}]": step for i, step in enumerate(self.steps)})
        if not self.steps or any(b <= a for a, b in itertools.pairwise(self.steps)):
            raise ValueError(f"Expected argument `steps` to hold rising numbers, got {self.steps}.")
        if self.weights and (
            len(self.weights) != len(self.steps) or not all(0 < w < math.inf for w in self.weights)
        ):
            raise ValueError(
                f"Expected argument `weights` to hold {len(self.steps)} positive numbers, one a "
                f"step, got {self.weights}."
            )

    def mean(self, values: Mapping[int, float]) -> float:
        """The weighted mean of values by step.

        Raises:
            KeyError: If the value of a step is missing.

        >>> Horizons((10, 20), (1.0, 3.0)).mean({10: 0.0, 20: 1.0})
        0.75
        """
        weights = self.weights or (1.0,) * len(self.steps)
        total = sum(w * values[step] for w, step in zip(weights, self.steps, strict=True))
        return total / sum(weights)


#: Validations that the steps of horizons may cost at the most.
MAX_VALIDATIONS = 100


@dataclass(frozen=True)
class Session:
    """A partial training session: how one inner fit trains and what it is scored by.

    Args:
        steps: Optimiser steps of a fit.
        objectives: What fits are scored by; the fitness is their weighted sum.
        validations: How many points the validation curve has; the last is always taken.
        horizons: Several steps at which a fit is scored, instead of its end alone; then the curve
            has a point at each multiple of their greatest common divisor.
        train_samples: How many training samples a session sees, drawn class-balanced by the task's
            seed; ``None`` for all. Few samples over many steps reward losses that do not memorise.
        learning_rate_factor: Multiplies every learning rate that the module configures.
        as_if: How many steps the real training has that this session stands for, the one that the
            module's learning rates are meant for; by default the session stands for itself. Rates
            are then multiplied by ``as_if / steps``, whatever ``steps`` are: what a loss makes of a
            network depends on rate times steps more than on either.
        split: The data that score the fit, by the module's ``validation_step``.
        precision: As in ``Trainer``.
        accelerator: As in ``Trainer``.
        devices: As in ``Trainer``.
        gradient_clip_val: As in ``Trainer``.
        gradient_clip_algorithm: As in ``Trainer``.
        callbacks: Lightning callbacks that take part in each inner fit (copied for each).

    Raises:
        ValueError: If a number is out of its range, an objective is there twice, or horizons lie
            past the end or have next to no common divisor.
    """

    steps: int = 200
    objectives: tuple[Objective, ...] = (Objective(),)
    validations: int = 4
    horizons: Horizons | None = None
    train_samples: int | None = None
    learning_rate_factor: float = 1.0
    as_if: int | None = None
    split: Literal["val", "test"] = "val"
    precision: str = "32-true"
    accelerator: str = "auto"
    devices: int | list[int] = 1
    gradient_clip_val: float | None = None
    gradient_clip_algorithm: str | None = None
    callbacks: tuple[pl.Callback, ...] = ()

    def __post_init__(self) -> None:
        check_at_least(1, steps=self.steps)
        check_at_least(0, validations=self.validations)
        if self.train_samples is not None:
            check_at_least(1, train_samples=self.train_samples)
        if self.as_if is not None:
            check_at_least(1, as_if=self.as_if)
        names = [objective.monitor for objective in self.objectives]
        if not names or len(set(names)) < len(names):
            raise ValueError(
                f"Expected argument `objectives` to hold at least one, each once, got {names}."
            )
        if self.split not in ("val", "test"):
            raise ValueError(
                f"Expected argument `split` to be 'val' or 'test', got {self.split!r}."
            )
        if not 0 < self.learning_rate_factor < math.inf:
            raise ValueError(
                "Expected argument `learning_rate_factor` to be a positive number, got "
                f"{self.learning_rate_factor}."
            )
        if self.horizons is not None:
            self._check_horizons(self.horizons)

    def _check_horizons(self, horizons: Horizons) -> None:
        if horizons.steps[-1] > self.steps:
            raise ValueError(
                f"Expected `horizons` to lie within the {self.steps} steps of the session, got "
                f"{horizons.steps}."
            )
        if self.steps / self.validation_interval > MAX_VALIDATIONS:
            raise ValueError(
                f"Expected the steps of `horizons` to have a common divisor of at least "
                f"{math.ceil(self.steps / MAX_VALIDATIONS)}, since a fit is validated at each of "
                f"its multiples, got {horizons.steps}."
            )

    @property
    def validation_interval(self) -> int:
        """Steps from one validation to the next."""
        if self.horizons is not None:
            return math.gcd(*self.horizons.steps)
        return math.ceil(self.steps / max(1, self.validations))

    @property
    def real_steps(self) -> int:
        """Optimiser steps of the training that the session stands for."""
        return self.steps if self.as_if is None else self.as_if

    @property
    def rate_factor(self) -> float:
        """What learning rates are multiplied by in all.

        >>> Session(steps=100, as_if=1000, learning_rate_factor=0.5).rate_factor
        5.0
        """
        return self.learning_rate_factor * self.real_steps / self.steps

    @property
    def monitor(self) -> str:
        """The metric of the first objective, which tables and reports are about."""
        return self.objectives[0].monitor

    @property
    def mode(self) -> Literal["max", "min"]:
        """Whether more or less of the first objective's metric is better."""
        return self.objectives[0].mode


@dataclass(frozen=True)
class Task:
    """An architecture with its optimiser, a data module, and the session that scores a loss there.

    Args:
        module: A LightningModule with its loss in an attribute, or a function that makes one. A
            module is copied and every layer's ``reset_parameters`` called to draw new weights; give
            a function where that is not how its weights are drawn.
        data: The data, any LightningDataModule.
        session: How an inner fit trains and what it is scored by.
        seed: Fixes initial weights, batches and noise: candidates with one seed are comparable.
        name: The task's name in reports and files.
        loss_attribute: The name under which the module has its loss.
    """

    module: pl.LightningModule | Callable[[], pl.LightningModule]
    data: pl.LightningDataModule
    session: Session = field(default_factory=Session)
    seed: int = 0
    name: str = "task"
    loss_attribute: str = USUAL

    def fresh_module(self) -> pl.LightningModule:
        """A module with the weights that the seed draws; global random state is left alone.

        Raises:
            TypeError: If what ``module`` makes is no LightningModule with a ``loss_fn``.

        Warns:
            UserWarning: If a module has parameters that no ``reset_parameters`` draws.
        """
        with isolate_rng():
            seed_all(self.seed)
            if isinstance(self.module, pl.LightningModule):
                module = copy.deepcopy(self.module)
                draw_weights(module)
            else:
                module = self.module()
        if not isinstance(module, pl.LightningModule):
            raise TypeError(
                "Expected `module` of a task to be a LightningModule or to make one, got "
                f"{type(module).__name__}."
            )
        redirect(module, self.loss_attribute)
        check_loss_place(module)
        return module


def draw_weights(module: pl.LightningModule) -> None:
    """Draw new weights layer by layer, inner ones first as constructors do.

    Warns:
        UserWarning: If there are parameters that no ``reset_parameters`` draws.
    """
    kept = dict(module.named_parameters())
    for prefix, layer in reversed(list(module.named_modules())):
        # Attention has the underscore.
        for name in ("reset_parameters", "_reset_parameters"):
            reset = getattr(layer, name, None)
            if callable(reset):
                reset()
                for inner, _ in layer.named_parameters(prefix):
                    kept.pop(inner, None)
    if kept:
        warnings.warn(
            f"{type(module).__name__} has parameters that no `reset_parameters` draws: "
            f"{', '.join(list(kept)[:5])}. They start with the same values whatever the seed; give "
            "a function that makes the module to draw them too.",
            stacklevel=3,
        )
