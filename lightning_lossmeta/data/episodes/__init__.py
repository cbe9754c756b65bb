"""Data modules whose training and validation data are drawn anew by a seed."""

from lightning_lossmeta.data.episodes.base import EpisodeData, HeldOut, held_out
from lightning_lossmeta.data.episodes.module import EpisodeDataModule
from lightning_lossmeta.data.episodes.pools import ClassPools
from lightning_lossmeta.data.episodes.resampled import ResampledSplits

__all__ = [
    "ClassPools",
    "EpisodeData",
    "EpisodeDataModule",
    "HeldOut",
    "ResampledSplits",
    "held_out",
]
