"""Architectures of the papers, sized for small images."""

from lightning_lossmeta.models.lenet import LeNet5
from lightning_lossmeta.models.linear import MLP, LogisticRegression

__all__ = ["MLP", "LeNet5", "LogisticRegression"]
