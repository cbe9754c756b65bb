"""A network trained on pairs of input and target, with the loss as an argument."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal

import torch
from pytorch_lightning.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy

from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules.fast_hooks import FastHooksModule
from lightning_lossmeta.modules.fused import fuse
from lightning_lossmeta.modules.makers import check_made, check_maker

Batch = tuple[Tensor, Tensor]
_OPTIMIZERS = (torch.optim.Optimizer,)
_SCHEDULES = (torch.optim.lr_scheduler.LRScheduler,)

_SGD = partial(torch.optim.SGD, lr=0.1, momentum=0.9)


class SupervisedModule(FastHooksModule):
    """Any network with an injectable loss, optimiser, schedule and metric.

    Logs ``train_loss``, ``val_loss``, ``val_accuracy``, ``test_loss``, ``test_accuracy`` (or the
    lower-case name that ``metric_name`` gives in place of ``accuracy``).

    Args:
        network: Maps a batch of inputs to outputs, e.g. logits ``(B, n)``.
        loss_fn: Called as ``loss_fn(output, target)``; cross-entropy by default.
        optimizer: Makes the optimiser out of the parameters; SGD with momentum 0.9 and learning
            rate 0.1 by default.
        lr_scheduler: Makes a schedule out of the optimiser.
        lr_interval: Whether the schedule advances each step or each epoch.
        metric: The torchmetrics metric of validation and test; accuracy by default.
        metric_name: Its name in the logs.

    Raises:
        ValueError: If ``optimizer`` or ``lr_scheduler`` is no class of its kind, nor a function.
    """

    def __init__(
        self,
        network: nn.Module,
        loss_fn: nn.Module | None = None,
        optimizer: OptimizerCallable | None = None,
        lr_scheduler: LRSchedulerCallable | None = None,
        lr_interval: Literal["step", "epoch"] = "step",
        metric: Metric | None = None,
        metric_name: str = "accuracy",
    ) -> None:
        super().__init__()
        self.network = network
        self.loss_fn = CrossEntropy() if loss_fn is None else loss_fn
        self.optimizer: Callable[..., torch.optim.Optimizer]
        self.optimizer = _SGD if optimizer is None else optimizer
        check_maker(self.optimizer, _OPTIMIZERS, "optimizer")
        if lr_scheduler is not None:
            check_maker(lr_scheduler, _SCHEDULES, "lr_scheduler")
        self.lr_scheduler = lr_scheduler
        self.lr_interval = lr_interval
        self.metric_name = metric_name
        first = metric or MulticlassAccuracy(average="micro", validate_args=False)
        self.val_metric = first.clone()
        self.test_metric = first.clone()

    def forward(self, inputs: Tensor) -> Tensor:
        """The network's outputs."""
        return self.network(inputs)  # type: ignore[no-any-return]

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Mean loss of a batch."""
        inputs, target = batch
        loss: Tensor = self.loss_fn(self(inputs), target)
        if self._trainer is not None and self._trainer.loggers:
            self.log("train_loss", loss)
        return loss

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and metric of a batch of validation data."""
        self._score("val", self.val_metric, batch)

    def test_step(self, batch: Batch, batch_idx: int) -> None:
        """Log loss and metric of a batch of test data."""
        self._score("test", self.test_metric, batch)

    def predict_step(self, batch: Batch | Tensor, batch_idx: int) -> Tensor:
        """The network's outputs for a batch of inputs, or of pairs."""
        return self(batch if isinstance(batch, Tensor) else batch[0])  # type: ignore[no-any-return]

    def configure_optimizers(self) -> Any:
        """Optimiser and, if there is one, schedule."""
        return configure(self.parameters(), self)

    def _score(self, stage: str, metric: Metric, batch: Batch) -> None:
        inputs, target = batch
        output = self(inputs)
        metric.update(output, target)
        size = len(target)
        self.log(f"{stage}_loss", self.loss_fn(output, target), batch_size=size)
        self.log(f"{stage}_{self.metric_name}", metric, batch_size=size, prog_bar=True)


def configure(parameters: Any, module: SupervisedModule) -> Any:
    """What ``configure_optimizers`` returns for these parameters under a module's settings."""
    optimizer = module.optimizer(parameters)
    check_made(optimizer, _OPTIMIZERS, "optimizer")
    fuse(optimizer, module.network)
    if module.lr_scheduler is None:
        return optimizer
    schedule = module.lr_scheduler(optimizer)
    check_made(schedule, _SCHEDULES, "lr_scheduler")
    scheduler = {"scheduler": schedule, "interval": module.lr_interval}
    return {"optimizer": optimizer, "lr_scheduler": scheduler}


def module_kwargs(module: SupervisedModule) -> dict[str, Any]:
    """A module's network, loss, optimiser, schedule and metric, as another of its kind takes them.

    Args:
        module: Its parts are handed over, not copied.
    """
    return {
        "network": module.network,
        "loss_fn": module.loss_fn,
        "optimizer": module.optimizer,
        "lr_scheduler": module.lr_scheduler,
        "lr_interval": module.lr_interval,
        "metric": module.val_metric,
        "metric_name": module.metric_name,
    }
