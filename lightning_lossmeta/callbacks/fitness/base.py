"""The contract of a fitness: what fits are scored by beside the metrics that a module logs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor
from torchmetrics import Metric

from lightning_lossmeta.callbacks.base import MetaCallback
from lightning_lossmeta.modules.networks import Networks, has_forward, networks_of
from lightning_lossmeta.modules.transfer import transferred
from lightning_lossmeta.task import Objective, Task

#: The part of the data that scores a fit, whatever split that is.
SCORED = "scored"

#: How many trainings' figures of one part are kept: name, then one metric or sum a network.
_Sums = dict[str, tuple[Tensor, int]]


class Fitness(MetaCallback):
    """Scores one network, or each network of a stack, in validation and test, and logs the scores.

    A subclass writes :meth:`measure`, a figure of each sample, or :meth:`metrics`, a torchmetrics
    ``Metric`` over all samples, or both, and names in :attr:`objectives` which of what it logs a
    search is to make large or small. Where it needs to know more of a task it overrides
    :meth:`prepare`; where it looks at more than the data that score a fit, :meth:`parts`.

    Give it to the ``MetaLossTrainer`` for a search, or to any ``Trainer``. Objectives of several
    fitnesses add up; those that the session names itself stand if one of the fitness is among them.

    In a ``test`` of a Trainer it logs what :meth:`on_test_data` has of the scored data, under
    names that begin with ``test_`` where those of validation do with ``val_``.

    Batches other than pairs of tensors, and modules without a ``forward``, are left alone.
    """

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What of the logged figures a search is scored by; by default nothing."""
        return ()

    def prepare(self, task: Task) -> Fitness:
        """The fitness for one task, e.g. with the normalisation of its data; by default itself.

        Args:
            task: What is fitted; its data module may not be set up yet.

        Raises:
            ValueError: If the task lacks what the fitness needs; says what.
        """
        del task
        return self

    def on_test_data(self) -> Fitness:
        """The fitness that scores test data, in a comparison; by default itself.

        For one that allows for faults of the validation data that test data do not have.
        """
        return self

    def parts(self, data: Any) -> Mapping[str, Iterable[Any]]:
        """Further batches to look at when a validation ends, by name of the part.

        Args:
            data: The data module; of an inner fit, its view.
        """
        del data
        return {}

    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """Figures of each sample, to be averaged, by the name that they are logged under.

        Args:
            networks: One network or C of them.
            part: ``"scored"``, or a name that :meth:`parts` gives.
            inputs: The batch's, (B, ...).
            target: The batch's.

        Returns:
            The figures by name, each ``(C, B)``.
        """
        del networks, part, inputs, target
        return {}

    def metrics(self, part: str, outputs: Tensor, target: Tensor) -> Mapping[str, Metric]:
        """Metrics over all samples of a part, by the name that they are logged under.

        Each network has copies of its own. A network whose outputs are not finite has NaN.

        Args:
            part: As of :meth:`measure`.
            outputs: The outputs for the part's first batch, (C, B, ...); their last sizes say how
                many classes there are.
            target: The targets of that batch, (C, B, ...).
        """
        del part, outputs, target
        return {}

    def configure_task(self, task: Task) -> Task:
        """Have the inner fits of a task scored so."""
        session = task.session
        prepared = self.prepare(task)
        objectives = session.objectives
        own = {objective.monitor for objective in prepared.objectives}
        if own and own.isdisjoint(objective.monitor for objective in objectives):
            earlier = any(isinstance(c, Fitness) and c.objectives for c in session.callbacks)
            objectives = (*(objectives if earlier else ()), *prepared.objectives)
        callbacks = (*session.callbacks, prepared)
        return replace(task, session=replace(session, objectives=objectives, callbacks=callbacks))

    def on_validation_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last validation."""
        self._figures: dict[str, _Figures] = {}

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score a batch."""
        if dataloader_idx == 0:
            with trainer.precision_plugin.forward_context():
                self._look_at(pl_module, SCORED, batch)

    def on_validation_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Score the further parts, and log all."""
        data: Any = trainer.datamodule or pl.LightningDataModule()  # type: ignore[attr-defined]
        for part, batches in self.parts(data).items():
            for batch in batches:
                converted = trainer.precision_plugin.convert_input(batch)
                moved = transferred(converted, pl_module, data, pl_module.device)
                with trainer.precision_plugin.forward_context():
                    if not self._look_at(pl_module, part, moved):
                        break
        networks = networks_of(pl_module)
        for figures in self._figures.values():
            for name, values in figures.compute().items():
                networks.log(name, values)

    def on_test_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Forget the last test."""
        self._on_test = self.on_test_data()
        self._on_test.on_validation_epoch_start(trainer, pl_module)

    def on_test_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Score a batch of test data."""
        self._on_test.on_validation_batch_end(
            trainer, pl_module, outputs, batch, batch_idx, dataloader_idx
        )

    def on_test_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Log the scores of the test data."""
        networks = networks_of(pl_module)
        for figures in self._on_test._figures.values():
            for name, values in figures.compute().items():
                networks.log(re.sub("^val_", "test_", name), values)

    def _look_at(self, module: pl.LightningModule, part: str, batch: Any) -> bool:
        """Score a batch, if it is a pair of tensors."""
        pair = isinstance(batch, (tuple, list)) and len(batch) == 2
        if not pair or not all(isinstance(item, Tensor) for item in batch):
            return False
        if not has_forward(module):
            return False
        figures = self._figures.setdefault(part, _Figures(self, part, networks_of(module)))
        return figures.take(*batch)


class _Figures:
    """The figures of one part of the data, gathered over one validation."""

    def __init__(self, fitness: Fitness, part: str, networks: Networks) -> None:
        self.fitness = fitness
        self.part = part
        self.networks = networks
        self._sums: _Sums = {}
        self._metrics: dict[str, list[Metric]] | None = None
        self._finite: Tensor | None = None

    def take(self, inputs: Tensor, target: Tensor) -> bool:
        """Add a batch to the figures, and return whether it held anything to score."""
        own = self.fitness
        for name, values in own.measure(self.networks, self.part, inputs, target).items():
            total, count = self._sums.get(name, (values.new_zeros(len(values)), 0))
            self._sums[name] = (total + values.detach().sum(dim=1), count + values.shape[1])
        if type(own).metrics is not Fitness.metrics:
            self._update_metrics(inputs, target)
        return bool(self._sums or self._metrics)

    @torch.no_grad()
    def _update_metrics(self, inputs: Tensor, target: Tensor) -> None:
        outputs, targets = self.networks.outputs(inputs), self.networks.own(target)
        if self._metrics is None:
            made = self.fitness.metrics(self.part, outputs, targets)
            self._metrics = {
                name: [metric.clone().to(outputs.device) for _ in range(self.networks.count)]
                for name, metric in made.items()
            }
            self._finite = torch.ones(self.networks.count, dtype=torch.bool, device=outputs.device)
        finite = outputs.isfinite().flatten(1).all(dim=1)
        self._finite = finite if self._finite is None else self._finite & finite
        for copies in self._metrics.values():
            for metric, output, one, good in zip(copies, outputs, targets, finite, strict=True):
                if good:
                    metric.update(output.contiguous(), one)  # torchmetrics takes views of them

    def compute(self) -> dict[str, Tensor]:
        """Return each figure by name, one number a network, (C,)."""
        means = {name: total / count for name, (total, count) in self._sums.items() if count}
        for name, copies in (self._metrics or {}).items():
            values = [
                metric.compute() if good else torch.full((), torch.nan, device=self._finite.device)  # type: ignore[union-attr]
                for metric, good in zip(copies, self._finite, strict=True)  # type: ignore[arg-type]
            ]
            means[name] = torch.stack(values)
        return means
