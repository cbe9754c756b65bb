"""Lightning data modules, and label noise."""

from lightning_lossmeta.data.base import TensorDataModule
from lightning_lossmeta.data.california import CaliforniaHousingDataModule
from lightning_lossmeta.data.diabetes import DiabetesDataModule
from lightning_lossmeta.data.digits import DigitsDataModule
from lightning_lossmeta.data.instance_noise import InstanceNoise
from lightning_lossmeta.data.label_files import LabelFileNoise
from lightning_lossmeta.data.label_noise import LabelNoise
from lightning_lossmeta.data.label_readers import read_labels
from lightning_lossmeta.data.loader import BatchLoader
from lightning_lossmeta.data.mnist import MNISTDataModule
from lightning_lossmeta.data.noise import PairFlipNoise, SymmetricNoise, TransitionNoise
from lightning_lossmeta.data.regression import RegressionDataModule
from lightning_lossmeta.data.split import Split, Splits
from lightning_lossmeta.data.tables import TableDataModule
from lightning_lossmeta.data.transition import estimate_transition, transition_of

__all__ = [
    "BatchLoader",
    "CaliforniaHousingDataModule",
    "DiabetesDataModule",
    "DigitsDataModule",
    "InstanceNoise",
    "LabelFileNoise",
    "LabelNoise",
    "MNISTDataModule",
    "PairFlipNoise",
    "RegressionDataModule",
    "Split",
    "Splits",
    "SymmetricNoise",
    "TableDataModule",
    "TensorDataModule",
    "TransitionNoise",
    "estimate_transition",
    "read_labels",
    "transition_of",
]
