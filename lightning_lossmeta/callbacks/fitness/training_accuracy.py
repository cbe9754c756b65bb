"""How many of its training samples a network classifies right, beside those that score it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import islice
from typing import Any

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor

from lightning_lossmeta.callbacks.fitness.base import SCORED, Fitness
from lightning_lossmeta.data.episodes import EpisodeData
from lightning_lossmeta.modules.networks import Networks

#: The name of what is logged.
TRAINING = "train_accuracy"

# More batches are left out.
_BATCHES = 20


class TrainingAccuracy(Fitness):
    """Logs ``train_accuracy`` at each validation, over at most 20 training batches.

    For classifiers with class indices for targets; a network that trains on an episode is asked
    about the samples of its own.
    """

    def parts(self, data: Any) -> Mapping[str, Iterable[Any]]:
        """The training samples: of an episode each network's own."""
        original = getattr(data, "original", data)
        source = data if isinstance(original, EpisodeData) else original
        with isolate_rng():  # batches are drawn as the training would go on without
            return {TRAINING: list(islice(source.train_dataloader(), _BATCHES))}

    @torch.no_grad()
    def measure(
        self, networks: Networks, part: str, inputs: Tensor, target: Tensor
    ) -> Mapping[str, Tensor]:
        """Whether each sample's class is predicted."""
        if part == SCORED or target.is_floating_point():
            return {}
        predicted = networks.outputs(inputs).argmax(dim=-1)
        return {TRAINING: (predicted == networks.own(target)).float()}
