"""All candidates of a generation in one stacked fit."""

from lightning_lossmeta.evaluators.population.evaluator import PopulationEvaluator

__all__ = [
    "PopulationEvaluator",
]
