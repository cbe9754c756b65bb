"""Local search: what a refiner is, and gradient descent through unrolled training steps."""

from lightning_lossmeta.local_search.base import Refiner, RefinerJob
from lightning_lossmeta.local_search.gradient import GradientRefiner

__all__ = ["GradientRefiner", "Refiner", "RefinerJob"]
