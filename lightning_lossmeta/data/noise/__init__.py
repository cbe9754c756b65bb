"""Label noise: what flips labels, and what is known of flipped ones."""

from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.noise.class_conditional import (
    PairFlipNoise,
    SymmetricNoise,
    TransitionNoise,
)
from lightning_lossmeta.data.noise.instance import InstanceNoise
from lightning_lossmeta.data.noise.label_files import LabelFileNoise
from lightning_lossmeta.data.noise.label_readers import read_labels
from lightning_lossmeta.data.noise.transition import empirical_transition, estimate_transition

__all__ = [
    "InstanceNoise",
    "LabelFileNoise",
    "LabelNoise",
    "PairFlipNoise",
    "SymmetricNoise",
    "TransitionNoise",
    "empirical_transition",
    "estimate_transition",
    "read_labels",
]
