"""Gradient descent on the parameters of a loss through unrolled training steps."""

from lightning_lossmeta.local_search.refined import RefinedEvaluator

__all__ = [
    "RefinedEvaluator",
]
