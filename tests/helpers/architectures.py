"""Every architecture of the package, found by walking, at a size that tests can train."""

from torch import nn
from walking import concrete_subclasses, constructor_arguments

#: What makes the large ones small; others are small enough as they are.
REDUCED = {
    "AlexNet": {"hidden": 32},
    "MLP": {"hidden": [16, 12], "dropout": 0.5, "batch_norm": True},
    "PreActResNet": {"depth": 8},
    "PyramidNet": {"depth": 8, "alpha": 10},
    "VGG": {"depth": 11},
    "WideResNet": {"depth": 10, "width": 2, "dropout": 0.3},
}

ARCHITECTURES = [
    cls
    for cls in concrete_subclasses(nn.Module)
    if cls.__module__.startswith("lightning_lossmeta.models.")
    and "num_classes" in constructor_arguments(cls)
]


def name_of(cls):
    """For the ids of tests."""
    return cls.__name__


def make(cls, size=16, channels=3, num_classes=10, **arguments):
    """An architecture for square images, with the arguments that it has."""
    offered = {
        "in_features": channels * size * size,
        "in_channels": channels,
        "image_size": size,
        "hidden": [256],
    }
    taken = {k: v for k, v in offered.items() if k in constructor_arguments(cls)}
    if cls.__name__ != "MLP":
        taken.pop("hidden", None)
    return cls(**{**taken, "num_classes": num_classes, **arguments})


def make_reduced(cls, size=16, channels=3, num_classes=10):
    """The same, made small."""
    return make(cls, size, channels, num_classes, **REDUCED.get(cls.__name__, {}))
