"""What a classifier makes of its inputs before its last layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def penultimate(network: nn.Module, inputs: Tensor) -> Tensor:
    """Penultimate features: the input of the last layer with weights that a network runs.

    That is the last ``nn.Linear`` in most classifiers. In all-convolutional ones it is the
    convolution that makes a map for each class; its input is averaged over positions, as the maps
    are. The network runs in evaluation mode and is put back as it was.

    Args:
        network: Any classifier, or a LightningModule that runs one.
        inputs: ``(B, ...)``.

    Returns:
        The features, ``(B, d)``; with gradients if they are enabled.

    Raises:
        ValueError: If the network runs neither a linear layer nor a convolution, or its last layer
            has not one row of features for each sample.

    >>> import torch
    >>> penultimate(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.ones(3, 2, 2)).shape
    torch.Size([3, 4])
    """
    seen: list[tuple[nn.Module, Tensor]] = []

    def remember(layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        seen[:] = [(layer, args[0] if args else kwargs["input"])]

    layers = [m for m in network.modules() if isinstance(m, (nn.Linear, *CONVOLUTIONS))]
    hooks = [layer.register_forward_pre_hook(remember, with_kwargs=True) for layer in layers]
    training = [part for part in network.modules() if part.training]
    network.eval()
    try:
        network(inputs)
    finally:
        for part in training:
            part.training = True
        for hook in hooks:
            hook.remove()
    name = type(network).__name__
    if not seen:
        raise ValueError(
            f"Expected {name} to run an nn.Linear or a convolution, whose input its penultimate "
            f"features are; it has {len(layers)} of them and ran none."
        )
    layer, features = seen[0]
    if isinstance(layer, CONVOLUTIONS):
        features = features.flatten(2).mean(dim=2) if features.dim() > 2 else features
    if features.dim() != 2 or len(features) != len(inputs):
        raise ValueError(
            f"Expected the last layer of {name} to take one row of features for each of the "
            f"{len(inputs)} samples, got an input of shape {tuple(features.shape)} to {layer}."
        )
    return features
