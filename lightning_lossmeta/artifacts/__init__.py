"""Learned losses as files, ready losses by name, and both in other formats."""

from lightning_lossmeta.artifacts.artifact import Artifact
from lightning_lossmeta.artifacts.export import export_file, export_text
from lightning_lossmeta.artifacts.export_error import ExportError
from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.artifacts.front_file import FrontFile, FrontMember, UsualScores
from lightning_lossmeta.artifacts.hugging_face import hf_loss
from lightning_lossmeta.artifacts.learned import LearnedLoss, load_loss
from lightning_lossmeta.artifacts.reading import ArtifactError
from lightning_lossmeta.artifacts.zoo import ReadyLoss, find_loss, get_loss, ready_names

__all__ = [
    "Artifact",
    "ArtifactError",
    "ExportError",
    "FrontFile",
    "FrontMember",
    "LearnedLoss",
    "ReadyLoss",
    "UsualScores",
    "export_file",
    "export_text",
    "find_loss",
    "get_loss",
    "hf_loss",
    "load_loss",
    "ready_names",
    "write_atomic",
]
