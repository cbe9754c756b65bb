"""The contract of training methods: what changes in a training beside its loss."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod

import pytorch_lightning as pl

from lightning_lossmeta._example import HasExample
from lightning_lossmeta.modules.plain_training import overridden_hook
from lightning_lossmeta.modules.supervised import SupervisedModule


class TrainingMethod(HasExample, ABC):
    """Changes how a module is trained; the loss stays what the module has.

    Methods are small and can be pickled; their constructors take plain numbers. One that needs some
    overrides :meth:`example`, by which the contract tests make it.
    """

    @abstractmethod
    def wrap(self, module: pl.LightningModule) -> pl.LightningModule:
        """The module that is trained instead.

        Args:
            module: A fresh one with its initial weights; its parts are taken over, not copied.

        Returns:
            A module with the attribute ``loss_fn``, which may be replaced until a fit starts. It
            logs what ``module`` logs, and its ``forward`` gives the logits that are scored. Equal
            modules are wrapped equally; global random state is left alone.

        Raises:
            TypeError: If the method does not know how to train ``module``.
        """


def check_supervised(module: pl.LightningModule, method: TrainingMethod) -> SupervisedModule:
    """Check that a module trains as :class:`SupervisedModule` does, and return it.

    Args:
        module: The module that is to be wrapped.
        method: The method that would wrap it, for the message.

    Raises:
        TypeError: If it is no ``SupervisedModule``, or its class changes a step or hook, which
            would be lost.
    """
    kind, name = type(module), type(method).__name__
    if not isinstance(module, SupervisedModule):
        raise TypeError(f"Expected {name} to be given a SupervisedModule, got {kind.__name__}.")
    if hook := overridden_hook(kind):
        raise TypeError(
            f"Expected {name} to be given a module that trains as SupervisedModule does, got "
            f"{kind.__name__}, whose own `{hook}` would be lost."
        )
    return module


def training_steps(trainer: pl.Trainer) -> int:
    """How many optimiser steps a fit will take.

    Args:
        trainer: The trainer, while it fits.

    Raises:
        ValueError: If nothing limits them.
    """
    steps = trainer.estimated_stepping_batches
    if not 0 < steps < math.inf:
        raise ValueError(
            "Expected the Trainer to say when training ends, got neither `max_steps` nor "
            "`max_epochs` over data with a length. Give `max_steps`."
        )
    return int(steps)
