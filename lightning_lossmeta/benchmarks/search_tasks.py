"""What the benchmark of search time searches on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import pytorch_lightning as pl
import torch
from torchmetrics import MeanSquaredError

from lightning_lossmeta.data import DiabetesDataModule, MNISTDataModule
from lightning_lossmeta.losses import RegressionSquaredError
from lightning_lossmeta.models import MLP, LeNet5
from lightning_lossmeta.modules import SupervisedModule


@dataclass(frozen=True)
class SearchTask:
    """A task that methods search on, and what it changes in their settings.

    Args:
        name: As the table has it.
        module: Makes the module that is trained.
        data: The data that it is trained on.
        monitor: The metric that is the fitness.
        mode: Whether the metric is to be small or large.
        settings: What differs from the methods' files, by the name of the method.
    """

    name: str
    module: Callable[[], SupervisedModule]
    data: pl.LightningDataModule
    monitor: str
    mode: Literal["min", "max"]
    settings: dict[str, dict[str, Any]]


_SGD = partial(torch.optim.SGD, lr=0.01, momentum=0.9, nesterov=True, weight_decay=5e-4)


def diabetes_module(hidden: list[int]) -> SupervisedModule:
    """The module of ``configs/tasks/diabetes.yaml``, with hidden layers of other widths."""
    return SupervisedModule(
        MLP(10, hidden, 1),
        RegressionSquaredError(),
        _SGD,
        metric=MeanSquaredError(),
        metric_name="mse",
    )


def diabetes(hidden: list[int]) -> SearchTask:
    """The first of ``configs/compare/evomal_regression.yaml``, with these hidden layers."""
    regression = {"family.init_args.problem": "regression"}
    cubic = {"order": 3, "start": "mse", "problem": "regression"}
    settings: dict[str, dict[str, Any]] = {
        "ml3": regression,
        "taylorglo": {"family.init_args": cubic, "searcher.init_args.sigma": 0.5},
        "gp_lfl": regression,
        "evomal": regression,
    }
    name = f"Diabetes, 10-{'-'.join(map(str, hidden))}-1"
    module = partial(diabetes_module, hidden)
    return SearchTask(name, module, DiabetesDataModule(batch_size=64), "val_mse", "min", settings)


def mnist_module() -> SupervisedModule:
    """LeNet-5 on one grey channel, trained with cross-entropy."""
    return SupervisedModule(LeNet5(num_classes=10), optimizer=_SGD)


def mnist(root: str) -> SearchTask:
    """The task LeNet-5 of ``configs/compare/evomal_mnist.yaml``."""
    data = MNISTDataModule(root=root, val_size=6000, batch_size=128)
    return SearchTask("MNIST, LeNet-5", mnist_module, data, "val_accuracy", "max", {})
