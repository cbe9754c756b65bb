"""Networks trained with each of several losses, and how flat the landscape around them is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.analysis.directions import (
    alphas_of,
    filter_normalised_direction,
    flatness,
)
from lightning_lossmeta.analysis.landscape import ACCURACY, described_statistics, loss_landscape
from lightning_lossmeta.analysis.landscape_batches import first_samples, pair_of
from lightning_lossmeta.comparison.compare import ComparisonConfig, variants
from lightning_lossmeta.comparison.methods import Method, loss_of, task_of
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.transfer import transferred
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import training_view
from lightning_lossmeta.training.recorder import all_finite
from lightning_lossmeta.training.session import quiet_lightning, run_session

Array = npt.NDArray[np.float64]

#: The parts of the data that landscapes are drawn on.
PARTS = ("test", "training")


@dataclass(frozen=True)
class LandscapeConfig:
    """How landscapes are drawn.

    Args:
        points: How many along a direction, odd, from ``-reach`` to ``reach``.
        reach: How far, in lengths of the network's own filters.
        directions: How many are drawn for each seed, the same for all losses; curves and widths are
            means over them.
        samples: How many samples of either part of the data are looked at.
        batch_norm: Whether running statistics are those of the training (``"kept"``), or made anew
            at each point (``"recomputed"``).
        statistics_batches: From how many training batches they are made anew.
        level: The width is that of the interval in which accuracy stays at this share of its peak.
        plane: How many points along each side of a plane over two directions, odd; 0 draws none.

    Raises:
        ValueError: If a number is out of its range.
    """

    points: int = 41
    reach: float = 1.0
    directions: int = 3
    samples: int = 2000
    batch_norm: Literal["kept", "recomputed"] = "kept"
    statistics_batches: int = 20
    level: float = 0.9
    plane: int = 0

    def __post_init__(self) -> None:
        alphas_of(self.points, self.reach)
        check_at_least(
            1,
            directions=self.directions,
            samples=self.samples,
            statistics_batches=self.statistics_batches,
        )
        check_interval("level", self.level, 0, 1, "(]")
        if self.plane:
            alphas_of(self.plane, self.reach)
        if self.batch_norm not in ("kept", "recomputed"):
            raise ValueError(
                f"Expected argument `batch_norm` to be 'kept' or 'recomputed', got "
                f"{self.batch_norm!r}."
            )


@dataclass(frozen=True)
class NetworkLandscape:
    """One trained network and what lies around it.

    Args:
        loss: Name of the loss.
        number: Number of the seed, from 0.
        factor: What the module's learning rates were multiplied by.
        accuracies: By part of the data the accuracy on all of it; empty for no classifier.
        curves: By part and name of the figure (D, P), a row a direction.
        planes: By part and name of the figure (Q, Q); empty where none was asked for.
        statistics: What was done about running statistics, in words.
        level: The share of the peak that :meth:`width` is taken at.
        alphas: (P,).
    """

    loss: str
    number: int
    factor: float
    accuracies: Mapping[str, float]
    curves: Mapping[str, Mapping[str, Array]]
    planes: Mapping[str, Mapping[str, Array]]
    statistics: str
    level: float
    alphas: Array = field(repr=False)

    @property
    def gap(self) -> float:
        """Accuracy on the training data less that on the test data; NaN for no classifier."""
        if not self.accuracies:
            return float("nan")
        return self.accuracies["training"] - self.accuracies["test"]

    def width(self, part: str) -> float:
        """The mean width over the directions; NaN for no classifier."""
        rows = self.curves[part].get(ACCURACY)
        if rows is None:
            return float("nan")
        return float(np.mean([flatness(self.alphas, row, self.level).width for row in rows]))

    def at_edge(self, part: str) -> int:
        """In how many directions the flat interval reaches the end of the curve."""
        rows = self.curves[part].get(ACCURACY, ())
        return sum(flatness(self.alphas, row, self.level).at_edge for row in rows)


def network_landscapes(
    losses: Mapping[str, Method],
    task: Task,
    settings: ComparisonConfig,
    landscapes: LandscapeConfig,
    factors: Mapping[str, float],
    progress: Callable[[str, int, int], None] = lambda stage, done, count: None,
) -> list[NetworkLandscape]:
    """Train as a comparison scores, on the same seeds, and look around each network.

    Initial weights, batches and the draws of directions are the same for all losses of one seed.

    Args:
        losses: Losses and training methods by name.
        task: Module, data and session.
        settings: Seeds and budget.
        landscapes: How they are drawn.
        factors: The learning-rate factor of each loss; 1 where there is none.
        progress: Called with the stage, how many networks are done, and of how many.

    Returns:
        One a loss and seed, loss by loss; networks whose weights are not finite are left out.

    Raises:
        TypeError: If the module has no ``forward``.
        ValueError: If it has no weights of two axes, or no accuracy nor loss to draw.
    """
    found = []
    done, count = 0, settings.seeds * len(losses)
    for name, method in losses.items():
        factor = factors.get(name, 1.0)
        for number, (variant, _) in enumerate(variants(task, settings, [factor], tuning=False)):
            progress(task.name, done, count)
            module, own = trained(method, variant)
            done += 1
            if all_finite(module):
                with isolate_rng():  # order of batches, augmentation
                    item = _around(module, own, variant, landscapes)
                found.append(replace(item, loss=name, number=number, factor=factor))
    progress(task.name, done, count)
    return found


def trained(method: Method, task: Task) -> tuple[pl.LightningModule, Task]:
    """A module trained with a method, and the task as the method trained on it."""
    session = replace(task.session, callbacks=(), validations=0)
    own = replace(task_of(method, task), session=session)
    module = own.fresh_module()
    module.loss_fn = loss_of(method)
    run_session(module, own)
    return module, own


def _around(
    module: pl.LightningModule, task: Task, given: Task, settings: LandscapeConfig
) -> NetworkLandscape:
    """The landscape around a network; directions are drawn by the seed of its training."""
    loss = module.loss_fn if isinstance(module.loss_fn, nn.Module) else None
    without = () if loss is None else (loss,)
    generator = torch.Generator().manual_seed(given.seed)
    count = max(settings.directions, 2 if settings.plane else 1)
    drawn = [filter_normalised_direction(module, generator, without) for _ in range(count)]
    with quiet_lightning():
        data: Any = training_view(task)
    module.to(data.trainer.strategy.root_device)
    again = settings.statistics_batches if settings.batch_norm == "recomputed" else 0
    seen = _batches(module, data, task.seed, "training", augmented=True) if again else ()
    statistics = [inputs for inputs, _ in islice(seen, again)]
    alphas = alphas_of(settings.points, settings.reach)
    curves: dict[str, dict[str, Array]] = {}
    planes: dict[str, dict[str, Array]] = {}
    accuracies: dict[str, float] = {}
    for part in PARTS:
        held = list(first_samples(_batches(module, data, task.seed, part), settings.samples))
        rows = [
            loss_landscape(module, held, [direction], alphas, loss, statistics).figures
            for direction in drawn[: settings.directions]
        ]
        curves[part] = {name: np.stack([row[name] for row in rows]) for name in rows[0]}
        if settings.plane:
            planes[part] = _plane(module, held, drawn[:2], settings, loss, statistics)
        every = _batches(module, data, task.seed, part)
        whole = loss_landscape(module, every, drawn[:1], [0.0], loss).figures
        if ACCURACY in whole:
            accuracies[part] = float(whole[ACCURACY][0])
    said = described_statistics(module, len(statistics))
    return NetworkLandscape("", 0, 1.0, accuracies, curves, planes, said, settings.level, alphas)


def _plane(
    module: pl.LightningModule,
    batches: list[tuple[Tensor, Tensor]],
    directions: list[dict[str, Tensor]],
    settings: LandscapeConfig,
    loss: nn.Module | None,
    statistics: list[Tensor],
) -> dict[str, Array]:
    side = alphas_of(settings.plane, settings.reach)
    points = np.stack(np.meshgrid(side, side, indexing="ij"), axis=-1).reshape(-1, 2)
    figures = loss_landscape(module, batches, directions, points, loss, statistics).figures
    return {name: values.reshape(len(side), len(side)) for name, values in figures.items()}


def _batches(
    module: pl.LightningModule, data: Any, seed: int, part: str, augmented: bool = False
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches as the module sees them, in the same order for all losses of a seed.

    Training batches are augmented for statistics alone, as in the training that made these.
    """
    seed_all(seed)
    data.trainer.training = augmented
    loader = data.train_dataloader() if part == "training" else data.val_dataloader()
    for batch in loader:
        yield pair_of(transferred(batch, module, data, module.device))
