"""The outer loop of a search: what one is asked for, how its generations go, what it ends with."""

from lightning_lossmeta.search.finalists import Finalists
from lightning_lossmeta.search.trainer import MetaLossTrainer, SearchError, SearchResult

__all__ = [
    "Finalists",
    "MetaLossTrainer",
    "SearchError",
    "SearchResult",
]
