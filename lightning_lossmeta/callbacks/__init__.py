"""Lightning callbacks: hooks of the outer loop, and a learned loss for any fit."""

from lightning_lossmeta.callbacks.archive import SymbolicArchive
from lightning_lossmeta.callbacks.attraction import SampleAttraction
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.checkpoint import SearchCheckpoint
from lightning_lossmeta.callbacks.curves import CandidateCurves
from lightning_lossmeta.callbacks.fgsm import FGSMFitness
from lightning_lossmeta.callbacks.gradient_equivalence import GradientEquivalence
from lightning_lossmeta.callbacks.history import SearchHistory
from lightning_lossmeta.callbacks.inject import InjectLoss
from lightning_lossmeta.callbacks.invariant import InvariantCheck
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.callbacks.normalisation import LossNormalisation
from lightning_lossmeta.callbacks.progress import SearchProgress
from lightning_lossmeta.callbacks.rejection import Rejection
from lightning_lossmeta.callbacks.training_time import TrainingTime

__all__ = [
    "CandidateCurves",
    "FGSMFitness",
    "GradientEquivalence",
    "InjectLoss",
    "InvariantCheck",
    "LearningRateFactor",
    "LossNormalisation",
    "MetaCallback",
    "Rejection",
    "SampleAttraction",
    "Search",
    "SearchCheckpoint",
    "SearchHistory",
    "SearchProgress",
    "SymbolicArchive",
    "TrainingTime",
]
