"""Ask/tell searchers."""

from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.cmaes import CMAESSearcher

__all__ = ["CMAESSearcher", "Searcher"]
