"""Data modules whose training and validation data are drawn anew by a seed."""

from lightning_lossmeta.data.episodes.base import EpisodeData

__all__ = ["EpisodeData"]
