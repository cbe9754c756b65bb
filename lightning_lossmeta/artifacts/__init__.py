"""Learned losses as files."""

from lightning_lossmeta.artifacts.artifact import Artifact
from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.artifacts.learned import LearnedLoss, load_loss
from lightning_lossmeta.artifacts.reading import ArtifactError

__all__ = ["Artifact", "ArtifactError", "LearnedLoss", "load_loss", "write_atomic"]
