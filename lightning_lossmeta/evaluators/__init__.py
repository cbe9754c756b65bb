"""Score a population of losses."""

from lightning_lossmeta.evaluators.auto import AutoEvaluator
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.population import PopulationEvaluator
from lightning_lossmeta.evaluators.processes import ProcessEvaluator
from lightning_lossmeta.evaluators.refined import RefinedEvaluator
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator

__all__ = [
    "AutoEvaluator",
    "Evaluator",
    "PopulationEvaluator",
    "ProcessEvaluator",
    "RefinedEvaluator",
    "TrainerEvaluator",
]
