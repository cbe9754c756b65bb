"""What fits are scored by beside the metrics that the module logs."""

from lightning_lossmeta.callbacks.fitness.attacked import AttackedAccuracy
from lightning_lossmeta.callbacks.fitness.base import Fitness
from lightning_lossmeta.callbacks.fitness.calibration import CalibrationFitness
from lightning_lossmeta.callbacks.fitness.comparison_scores import ComparisonScores
from lightning_lossmeta.callbacks.fitness.fgsm import FGSMFitness
from lightning_lossmeta.callbacks.fitness.noisy_accuracy import NoisyAccuracy
from lightning_lossmeta.callbacks.fitness.pgd import PGDFitness

__all__ = [
    "AttackedAccuracy",
    "CalibrationFitness",
    "ComparisonScores",
    "FGSMFitness",
    "Fitness",
    "NoisyAccuracy",
    "PGDFitness",
]
