"""The outer loop of a search: what one is asked for, how its generations go, what it ends with."""

from lightning_lossmeta.search.allocation import Allocation, FixedSeeds, RacedSeeds
from lightning_lossmeta.search.loop import SearchError, SearchResult
from lightning_lossmeta.search.selection import Finalists
from lightning_lossmeta.search.trainer import MetaLossTrainer

__all__ = [
    "Allocation",
    "Finalists",
    "FixedSeeds",
    "MetaLossTrainer",
    "RacedSeeds",
    "SearchError",
    "SearchResult",
]
