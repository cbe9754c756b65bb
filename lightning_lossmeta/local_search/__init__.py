"""Local search: what a refiner is, and gradient descent through unrolled training steps."""

from lightning_lossmeta.local_search.base import Refiner, RefinerJob
from lightning_lossmeta.local_search.gradient import GradientRefiner
from lightning_lossmeta.local_search.spread import refine_with

__all__ = ["GradientRefiner", "Refiner", "RefinerJob", "refine_with"]
