"""Lightning data modules, and label noise."""

from lightning_lossmeta.data.archives import JPEGArchiveDataModule
from lightning_lossmeta.data.augment import Augmentation
from lightning_lossmeta.data.base import TensorDataModule
from lightning_lossmeta.data.california import CaliforniaHousingDataModule
from lightning_lossmeta.data.clothing import Clothing1MDataModule
from lightning_lossmeta.data.diabetes import DiabetesDataModule
from lightning_lossmeta.data.digits import DigitsDataModule
from lightning_lossmeta.data.folders import ImageFolderDataModule
from lightning_lossmeta.data.images import ImageDataModule
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
from lightning_lossmeta.data.vision import (
    CIFAR10DataModule,
    CIFAR100DataModule,
    FashionMNISTDataModule,
    KMNISTDataModule,
    SVHNDataModule,
)

__all__ = [
    "Augmentation",
    "BatchLoader",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "CaliforniaHousingDataModule",
    "Clothing1MDataModule",
    "DiabetesDataModule",
    "DigitsDataModule",
    "FashionMNISTDataModule",
    "ImageDataModule",
    "ImageFolderDataModule",
    "InstanceNoise",
    "JPEGArchiveDataModule",
    "KMNISTDataModule",
    "LabelFileNoise",
    "LabelNoise",
    "MNISTDataModule",
    "PairFlipNoise",
    "RegressionDataModule",
    "SVHNDataModule",
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
