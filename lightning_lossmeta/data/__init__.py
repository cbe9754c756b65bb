"""Lightning data modules."""

from lightning_lossmeta.data.base import Split, Splits, TensorDataModule
from lightning_lossmeta.data.digits import DigitsDataModule
from lightning_lossmeta.data.loader import BatchLoader
from lightning_lossmeta.data.mnist import MNISTDataModule

__all__ = [
    "BatchLoader",
    "DigitsDataModule",
    "MNISTDataModule",
    "Split",
    "Splits",
    "TensorDataModule",
]
