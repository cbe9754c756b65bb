"""Lightning callbacks: hooks of the outer loop, and a learned loss for any fit."""

from lightning_lossmeta.callbacks.attraction import SampleAttraction
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.checkpoint import SearchCheckpoint
from lightning_lossmeta.callbacks.curves import CandidateCurves
from lightning_lossmeta.callbacks.filters.archive import SymbolicArchive
from lightning_lossmeta.callbacks.filters.gradient_equivalence import GradientEquivalence
from lightning_lossmeta.callbacks.filters.invariant import InvariantCheck
from lightning_lossmeta.callbacks.filters.rejection import RejectionFilter
from lightning_lossmeta.callbacks.fitness import (
    AttackedAccuracy,
    CalibrationFitness,
    FGSMFitness,
    Fitness,
    NoisyAccuracy,
    PGDFitness,
)
from lightning_lossmeta.callbacks.front import SearchFront
from lightning_lossmeta.callbacks.history import SearchHistory
from lightning_lossmeta.callbacks.inject import InjectLoss
from lightning_lossmeta.callbacks.landscape import LossLandscape
from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.callbacks.normalisation import LossNormalisation
from lightning_lossmeta.callbacks.progress import SearchProgress
from lightning_lossmeta.callbacks.search_logger import SearchLogger
from lightning_lossmeta.callbacks.suspicious_labels import SuspiciousLabels
from lightning_lossmeta.callbacks.time_budget import TimeBudget
from lightning_lossmeta.callbacks.training_progress import TrainingProgress

__all__ = [
    "AttackedAccuracy",
    "CalibrationFitness",
    "CandidateCurves",
    "FGSMFitness",
    "Fitness",
    "GradientEquivalence",
    "InjectLoss",
    "InvariantCheck",
    "LearningRateFactor",
    "LossLandscape",
    "LossNormalisation",
    "MetaCallback",
    "NoisyAccuracy",
    "PGDFitness",
    "RejectionFilter",
    "SampleAttraction",
    "Search",
    "SearchCheckpoint",
    "SearchFront",
    "SearchHistory",
    "SearchLogger",
    "SearchProgress",
    "SuspiciousLabels",
    "SymbolicArchive",
    "TimeBudget",
    "TrainingProgress",
]
