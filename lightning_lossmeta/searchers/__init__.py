"""Ask/tell searchers."""

from lightning_lossmeta.searchers.base import Searcher
from lightning_lossmeta.searchers.chat_proposer import ChatProposer
from lightning_lossmeta.searchers.cmaes import CMAESSearcher
from lightning_lossmeta.searchers.evolution import EvolutionStrategySearcher
from lightning_lossmeta.searchers.genetic import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.gradient import GradientSearcher
from lightning_lossmeta.searchers.nsga2 import NSGA2Searcher
from lightning_lossmeta.searchers.proposed import ProposedExpressionSearcher
from lightning_lossmeta.searchers.proposers import (
    CommandProposer,
    FormulaFile,
    FormulaList,
    ProposalRequest,
    Proposer,
    ProposerError,
)
from lightning_lossmeta.searchers.restarted import RestartedSearcher

__all__ = [
    "CMAESSearcher",
    "ChatProposer",
    "CommandProposer",
    "EvolutionStrategySearcher",
    "FormulaFile",
    "FormulaList",
    "GeneticProgrammingSearcher",
    "GradientSearcher",
    "NSGA2Searcher",
    "ProposalRequest",
    "ProposedExpressionSearcher",
    "Proposer",
    "ProposerError",
    "RestartedSearcher",
    "Searcher",
]
