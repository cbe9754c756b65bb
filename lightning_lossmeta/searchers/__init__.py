"""Ask/tell searchers."""

from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.cmaes import CMAESSearcher
from lightning_lossmeta.searchers.evolution import EvolutionStrategySearcher
from lightning_lossmeta.searchers.genetic import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.gradient import GradientSearcher

__all__ = [
    "CMAESSearcher",
    "EvolutionStrategySearcher",
    "GeneticProgrammingSearcher",
    "GradientSearcher",
    "Searcher",
]
