"""Architectures of the papers, sized for small images."""

from lightning_lossmeta.models.alexnet import AlexNet
from lightning_lossmeta.models.all_cnn import AllCNNC
from lightning_lossmeta.models.cnn4 import CNN4
from lightning_lossmeta.models.features import penultimate
from lightning_lossmeta.models.jocor_net import JoCoRNet
from lightning_lossmeta.models.lenet import LeNet5
from lightning_lossmeta.models.linear import MLP, LogisticRegression
from lightning_lossmeta.models.preact_resnet import PreActResNet
from lightning_lossmeta.models.pyramid_net import PyramidNet
from lightning_lossmeta.models.resnet import ResNet18
from lightning_lossmeta.models.squeezenet import SqueezeNet
from lightning_lossmeta.models.vgg import VGG
from lightning_lossmeta.models.wide_resnet import WideResNet

__all__ = [
    "CNN4",
    "MLP",
    "VGG",
    "AlexNet",
    "AllCNNC",
    "JoCoRNet",
    "LeNet5",
    "LogisticRegression",
    "PreActResNet",
    "PyramidNet",
    "ResNet18",
    "SqueezeNet",
    "WideResNet",
    "penultimate",
]
