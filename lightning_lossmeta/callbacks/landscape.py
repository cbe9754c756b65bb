"""How flat the landscape is where a training ended."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta._seeds import check_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.analysis import check_picture, save_figure
from lightning_lossmeta.analysis.directions import (
    alphas_of,
    filter_normalised_direction,
    flatness,
)
from lightning_lossmeta.analysis.landscape import (
    ACCURACY,
    Landscape,
    check_forward,
    described_statistics,
    loss_landscape,
)
from lightning_lossmeta.analysis.landscape_batches import first_samples, pair_of
from lightning_lossmeta.analysis.landscape_figure import landscape_figure
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.population import PopulationModule
from lightning_lossmeta.modules.transfer import transferred


class LossLandscape(pl.Callback):
    """Draws accuracy and losses along random directions from where a training ended.

    When a training ends, the network is moved along filter-normalised directions and evaluated on
    validation batches, or on training batches where there are none; its weights are as they were
    afterwards. A picture and ``landscape.csv`` go to the logger's folder, the picture to
    TensorBoard too, and a classifier's ``landscape/width`` to all loggers: how wide the interval is
    in which accuracy stays at ``level`` of its peak, a mean over the directions.

    Args:
        points: How many along a direction, odd, from ``-reach`` to ``reach``.
        reach: How far, in lengths of the network's own filters.
        directions: How many are drawn.
        samples: How many samples are looked at.
        statistics_batches: From how many training batches running statistics of normalisation
            layers are made anew at each point; 0 keeps those of the training.
        level: The share of the peak that the width is taken at.
        seed: Seed of the directions; global random state is left alone.
        picture: File that the figure is written to, ending in .png, .svg or .pdf, instead of
            ``landscape.png`` in the logger's folder.

    Attributes:
        landscapes: What was found in the last training, one a direction.
        width: The width; NaN for no classifier.

    Raises:
        ValueError: If a number is out of its range, or ``picture`` ends otherwise.

    Source: Li et al. (2018); figure 4 of Gonzalez & Miikkulainen (2021).
    """

    def __init__(
        self,
        points: int = 41,
        reach: float = 1.0,
        directions: int = 3,
        samples: int = 1000,
        statistics_batches: int = 0,
        level: float = 0.9,
        seed: int = 0,
        picture: str | None = None,
    ) -> None:
        self.alphas = alphas_of(points, reach)
        check_at_least(1, directions=directions, samples=samples)
        check_at_least(0, statistics_batches=statistics_batches)
        check_seed(seed=seed)
        if picture is not None:
            check_picture("picture", picture)
        self.directions = directions
        self.samples = samples
        self.statistics_batches = statistics_batches
        self.level = check_interval("level", level, 0, 1, "(]")
        self.seed = seed
        self.picture = picture
        self.landscapes: list[Landscape] = []
        self.width = float("nan")

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last training.

        Raises:
            TypeError: If the module is a stack of networks, or has no ``forward``.
            ValueError: If it has no weights of two axes.
        """
        if isinstance(pl_module, PopulationModule):
            raise TypeError(
                "Expected one network for LossLandscape, got a stack of them: take it out of the "
                "session's callbacks, or train with the TrainerEvaluator."
            )
        check_forward(pl_module)
        self._drawn(pl_module)
        self.landscapes, self.width = [], float("nan")

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look around the network, and draw what was found."""
        if not trainer.is_global_zero:
            return
        loss = getattr(pl_module, "loss_fn", None)
        loss = loss if isinstance(loss, nn.Module) else None
        with isolate_rng(), trainer.precision_plugin.forward_context():
            loader = trainer.val_dataloaders or trainer.train_dataloader
            held = list(first_samples(_batches(loader, trainer, pl_module), self.samples))
            training = _batches(trainer.train_dataloader, trainer, pl_module)
            statistics = [inputs for inputs, _ in islice(training, self.statistics_batches)]
            self.landscapes = [
                loss_landscape(pl_module, held, [direction], self.alphas, loss, statistics)
                for direction in self._drawn(pl_module)
            ]
        rows = [item.figures[ACCURACY] for item in self.landscapes if ACCURACY in item.figures]
        if rows:
            widths = [flatness(self.alphas, row, self.level).width for row in rows]
            self.width = float(np.mean(widths))
            for logger in trainer.loggers:
                logger.log_metrics({"landscape/width": self.width}, trainer.global_step)
        self._draw(trainer, described_statistics(pl_module, len(statistics)))

    def _drawn(self, module: pl.LightningModule) -> list[dict[str, Tensor]]:
        """The directions, anew from the seed."""
        loss = getattr(module, "loss_fn", None)
        without = (loss,) if isinstance(loss, nn.Module) else ()
        generator = torch.Generator().manual_seed(self.seed)
        count = range(self.directions)
        return [filter_normalised_direction(module, generator, without) for _ in count]

    def _draw(self, trainer: pl.Trainer, note: str) -> None:
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        folder = trainer.log_dir if trainer.loggers else None
        if folder is None and self.picture is None:
            return
        first = self.landscapes[0].figures
        curves = {key: np.stack([item.figures[key] for item in self.landscapes]) for key in first}
        title = f"{self.directions} directions"
        figure = landscape_figure(self.alphas, {"": {"this network": curves}}, title, note)
        for board in boards:
            board.experiment.add_figure("landscape", figure, trainer.global_step)
        if folder is not None:
            write_atomic(Path(folder) / "landscape.csv", self._csv())
        if self.picture is not None:
            save_figure(figure, self.picture)
        elif folder is not None:
            save_figure(figure, Path(folder) / "landscape.png")

    def _csv(self) -> str:
        """One line a direction and point."""
        names = list(self.landscapes[0].figures)
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["direction", "alpha", *names])
        for number, item in enumerate(self.landscapes):
            for place, alpha in enumerate(self.alphas):
                values = [f"{item.figures[name][place]:.6g}" for name in names]
                writer.writerow([number, f"{alpha:g}", *values])
        return text.getvalue()


def _batches(
    loader: Any, trainer: pl.Trainer, module: pl.LightningModule
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of the first loader as the module sees them."""
    data: Any = trainer.datamodule or pl.LightningDataModule()  # type: ignore[attr-defined]
    first = loader[0] if isinstance(loader, (list, tuple)) else loader
    for batch in first:
        batch = trainer.precision_plugin.convert_input(batch)
        found = transferred(batch, module, data, module.device)
        yield pair_of(found)
