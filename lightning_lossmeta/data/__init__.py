"""Lightning data modules, and label noise."""

from lightning_lossmeta.data.base import TensorDataModule
from lightning_lossmeta.data.episodes import (
    ClassPools,
    EpisodeData,
    EpisodeDataModule,
    ResampledSplits,
)
from lightning_lossmeta.data.images.archives import JPEGArchiveDataModule
from lightning_lossmeta.data.images.augment import Augmentation
from lightning_lossmeta.data.images.base import ImageDataModule
from lightning_lossmeta.data.images.clothing import Clothing1MDataModule
from lightning_lossmeta.data.images.digits import DigitsDataModule
from lightning_lossmeta.data.images.folders import ImageFolderDataModule
from lightning_lossmeta.data.images.vision import (
    CIFAR10DataModule,
    CIFAR100DataModule,
    FashionMNISTDataModule,
    KMNISTDataModule,
    MNISTDataModule,
    SVHNDataModule,
)
from lightning_lossmeta.data.loader import BatchLoader
from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.noise.class_conditional import (
    PairFlipNoise,
    SymmetricNoise,
    TransitionNoise,
)
from lightning_lossmeta.data.noise.instance import InstanceNoise
from lightning_lossmeta.data.noise.label_files import LabelFileNoise
from lightning_lossmeta.data.noise.label_readers import read_labels
from lightning_lossmeta.data.noise.transition import empirical_transition, estimate_transition
from lightning_lossmeta.data.split import Split, Splits
from lightning_lossmeta.data.tables.california import CaliforniaHousingDataModule
from lightning_lossmeta.data.tables.csv_classification import TableClassificationDataModule
from lightning_lossmeta.data.tables.csv_regression import TableDataModule
from lightning_lossmeta.data.tables.diabetes import DiabetesDataModule
from lightning_lossmeta.data.tables.regression import RegressionDataModule

__all__ = [
    "Augmentation",
    "BatchLoader",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "CaliforniaHousingDataModule",
    "ClassPools",
    "Clothing1MDataModule",
    "DiabetesDataModule",
    "DigitsDataModule",
    "EpisodeData",
    "EpisodeDataModule",
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
    "ResampledSplits",
    "SVHNDataModule",
    "Split",
    "Splits",
    "SymmetricNoise",
    "TableClassificationDataModule",
    "TableDataModule",
    "TensorDataModule",
    "TransitionNoise",
    "empirical_transition",
    "estimate_transition",
    "read_labels",
]
