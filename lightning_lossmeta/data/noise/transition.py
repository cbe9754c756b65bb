"""Transition matrices: how often a label became another."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from lightning_lossmeta.data.split import Split, check_labels


def empirical_transition(split: Split, num_classes: int) -> Tensor:
    """The transition matrix that label noise came to, counted.

    For classes i and j ::

        T[i, j] = (samples of class i labelled j) / (samples of class i)

    Args:
        split: The samples with their labels before noise; without those the identity comes out.
        num_classes: How many classes there are, n.

    Returns:
        (n, n), float64, rows summing to 1; a class without samples keeps its label.

    Raises:
        ValueError: If a label is out of range.

    >>> noisy = torch.tensor([0, 1, 1])
    >>> empirical_transition(Split(torch.zeros(3, 1), noisy, clean=torch.tensor([0, 0, 1])), 2)
    tensor([[0.5000, 0.5000],
            [0.0000, 1.0000]], dtype=torch.float64)
    """
    targets = split.targets.cpu().long()
    clean = targets if split.clean is None else split.clean.cpu().long()
    check_labels(targets, num_classes, "the labels of the split")
    check_labels(clean, num_classes, "the labels before noise")
    pairs = (clean * num_classes + targets).bincount(minlength=num_classes**2)
    counts = pairs.view(num_classes, num_classes).double()
    sizes = counts.sum(dim=1, keepdim=True)
    return torch.where(sizes > 0, counts / sizes, torch.eye(num_classes, dtype=torch.float64))


def estimate_transition(probabilities: Tensor, quantile: float = 1.0) -> Tensor:
    """The transition matrix of label noise, from a network that was trained on the noisy labels.

    For each class i a sample that surely is of that class (an anchor) is looked for, and what the
    network says of it is taken for row i ::

        a_i = argmax_x p(i | x),   T[i, j] = p(j | a_i)

    Args:
        probabilities: What the network says, p(j | x), (N, n), with rows that sum to 1; labels
            aren't needed.
        quantile: The quantile of p(i | x) over the samples at which the anchor is taken: 1 takes
            the largest. Lower ones pass over outliers: the authors take 0.97 for CIFAR-10.

    Returns:
        The matrix, (n, n), float64, with rows that sum to 1.

    Raises:
        ValueError: If the probabilities are none, or ``quantile`` is not in (0, 1].

    Source: Patrini et al. (2017), equations 12 and 13.

    >>> estimate_transition(torch.tensor([[0.7, 0.3], [0.5, 0.5], [0.2, 0.8]]))
    tensor([[0.7000, 0.3000],
            [0.2000, 0.8000]], dtype=torch.float64)
    """
    if not 0 < quantile <= 1:
        raise ValueError(f"Expected argument `quantile` to be in (0, 1], got {quantile!r}.")
    if probabilities.dim() != 2 or not probabilities.numel():
        raise ValueError(
            "Expected argument `probabilities` to be (samples, classes), at least one of each, got "
            f"shape {tuple(probabilities.shape)}."
        )
    p = probabilities.detach().double()
    sums = p.sum(dim=1)
    if not bool((p >= 0).all() & ((sums - 1).abs() < 1e-3).all()):
        raise ValueError(
            "Expected argument `probabilities` to be none below 0, each row summing to 1, got "
            f"entries from {float(p.min()):g} and rows summing to {float(sums.min()):g} to "
            f"{float(sums.max()):g}. Put logits through a softmax first."
        )
    rank = math.floor(quantile * (len(p) - 1)) + 1
    anchors = p.kthvalue(rank, dim=0).indices
    return p[anchors] / sums[anchors, None]
