"""Image data sets, image folders and archives, and augmentation."""

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

__all__ = [
    "Augmentation",
    "CIFAR10DataModule",
    "CIFAR100DataModule",
    "Clothing1MDataModule",
    "DigitsDataModule",
    "FashionMNISTDataModule",
    "ImageDataModule",
    "ImageFolderDataModule",
    "JPEGArchiveDataModule",
    "KMNISTDataModule",
    "MNISTDataModule",
    "SVHNDataModule",
]
