"""Ask/tell searchers."""

from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.cmaes import CMAESSearcher
from lightning_lossmeta.searchers.genetic import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.gradient import GradientSearcher

__all__ = ["CMAESSearcher", "GeneticProgrammingSearcher", "GradientSearcher", "Searcher"]
