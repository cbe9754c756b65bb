"""Score a population of losses."""

from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.population import PopulationEvaluator
from lightning_lossmeta.evaluators.trainer import TrainerEvaluator

__all__ = ["Evaluator", "PopulationEvaluator", "TrainerEvaluator"]
