"""Callbacks that judge candidates without training them."""

from lightning_lossmeta.callbacks.filters.archive import SymbolicArchive
from lightning_lossmeta.callbacks.filters.gradient_equivalence import GradientEquivalence
from lightning_lossmeta.callbacks.filters.invariant import InvariantCheck
from lightning_lossmeta.callbacks.filters.rejection import RejectionFilter

__all__ = [
    "GradientEquivalence",
    "InvariantCheck",
    "RejectionFilter",
    "SymbolicArchive",
]
