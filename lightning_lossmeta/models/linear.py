"""Networks without convolutions."""

from __future__ import annotations

from torch import nn

from lightning_lossmeta._validation import check_at_least


class LogisticRegression(nn.Sequential):
    """One linear layer on the flattened input.

    Args:
        in_features: Numbers an input has.
        num_classes: How many outputs there are, one for each class.

    >>> sum(p.numel() for p in LogisticRegression(784, 10).parameters())
    7850
    """

    def __init__(self, in_features: int, num_classes: int) -> None:
        check_at_least(1, in_features=in_features, num_classes=num_classes)
        super().__init__(nn.Flatten(), nn.Linear(in_features, num_classes))


class MLP(nn.Sequential):
    """Linear layers with ReLU between them, on the flattened input.

    Args:
        in_features: Numbers an input has.
        hidden: Width of each hidden layer.
        num_classes: How many outputs there are, one for each class.
        dropout: Probability after each hidden layer.
        batch_norm: Whether to normalise each hidden layer over the batch.

    >>> sum(p.numel() for p in MLP(784, [1000], 10).parameters())
    795010
    """

    def __init__(
        self,
        in_features: int,
        hidden: list[int],
        num_classes: int,
        dropout: float = 0.0,
        batch_norm: bool = False,
    ) -> None:
        check_at_least(1, in_features=in_features, num_classes=num_classes)
        if not 0 <= dropout < 1:
            raise ValueError(f"Expected argument `dropout` to be in [0, 1), got {dropout}.")
        layers: list[nn.Module] = [nn.Flatten()]
        width = in_features
        for size in hidden:
            check_at_least(1, hidden=size)
            layers.append(nn.Linear(width, size))
            if batch_norm:
                layers.append(nn.BatchNorm1d(size))
            layers.append(nn.ReLU())
            if dropout:
                layers.append(nn.Dropout(dropout))
            width = size
        super().__init__(*layers, nn.Linear(width, num_classes))
