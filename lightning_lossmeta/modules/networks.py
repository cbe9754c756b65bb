"""One network or a stack of them, seen alike by what scores them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import contextmanager

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_lossmeta.modules.population import PopulationModule


class Networks(ABC):
    """C networks with the inputs and targets that each is scored on.

    Attributes:
        count: C; 1 for a module of one network.
    """

    count: int

    @abstractmethod
    def own(self, values: Tensor) -> Tensor:
        """What each network sees of a batch's inputs or targets, (C, B, ...)."""

    @abstractmethod
    def outputs(self, inputs: Tensor) -> Tensor:
        """Outputs (C, B, ...) for a batch's inputs, in whatever mode the networks are."""

    @abstractmethod
    def __call__(self, inputs: Tensor) -> Tensor:
        """Outputs (C, B, ...) for inputs (C, B, ...), each network's own."""

    @abstractmethod
    def parts(self) -> list[nn.Module]:
        """The modules whose modes decide how the networks run, each once."""

    @contextmanager
    def evaluating(self) -> Iterator[None]:
        """Have the networks in evaluation mode for a while, whatever mode each part was in."""
        modes = [(part, part.training) for part in self.parts()]
        for part, _ in modes:
            part.training = False
        try:
            yield
        finally:
            for part, training in modes:
                part.training = training

    @abstractmethod
    def log(self, name: str, values: Tensor) -> None:
        """Log a figure of each network, (C,), at the end of a validation."""


def networks_of(module: pl.LightningModule) -> Networks:
    """The networks of a module: those of a stack, or its one ``forward``."""
    return _Stack(module) if isinstance(module, PopulationModule) else _One(module)


def has_forward(module: pl.LightningModule) -> bool:
    """Whether a module has a forward pass of its own, so that outputs can be asked for."""
    return type(module).forward is not pl.LightningModule.forward


class _One(Networks):
    def __init__(self, module: pl.LightningModule) -> None:
        self.module = module
        self.count = 1

    def own(self, values: Tensor) -> Tensor:
        return values.unsqueeze(0)

    def outputs(self, inputs: Tensor) -> Tensor:
        return self.module(inputs).unsqueeze(0)  # type: ignore[no-any-return]

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.outputs(inputs.squeeze(0))

    def parts(self) -> list[nn.Module]:
        return list(self.module.modules())

    def log(self, name: str, values: Tensor) -> None:
        self.module.log(name, values[0])


class _Stack(Networks):
    def __init__(self, module: PopulationModule) -> None:
        self.module = module
        self.count = module.size

    def own(self, values: Tensor) -> Tensor:
        if self.module.validates_by_seed:
            return values[torch.tensor(self.module.seed_index, device=values.device)]
        return values.expand(self.count, *values.shape)

    def outputs(self, inputs: Tensor) -> Tensor:
        if self.module.validates_by_seed:
            return self(self.own(inputs))
        return self.module(inputs)  # type: ignore[no-any-return]

    def __call__(self, inputs: Tensor) -> Tensor:
        return self.module(inputs, per_candidate=True)  # type: ignore[no-any-return]

    def parts(self) -> list[nn.Module]:
        return [*self.module.modules(), *self.module.skeleton.modules()]

    def log(self, name: str, values: Tensor) -> None:
        self.module.add_scores(name, values, 1)
