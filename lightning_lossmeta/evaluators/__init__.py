"""Score a population of losses."""

from lightning_lossmeta.evaluators.auto import AutoEvaluator
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.cluster import RayEvaluator, SubmititEvaluator
from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator
from lightning_lossmeta.evaluators.processes.evaluator import ProcessEvaluator
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator

__all__ = [
    "AutoEvaluator",
    "Evaluator",
    "PopulationEvaluator",
    "ProcessEvaluator",
    "RayEvaluator",
    "SubmititEvaluator",
    "TrainerEvaluator",
]
