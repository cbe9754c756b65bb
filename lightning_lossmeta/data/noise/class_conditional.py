"""Label noise that depends on the class alone, with exact counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from lightning_lossmeta.data.noise.apportion import (
    apportion,
    check_rate,
    shuffled_by_class,
    stratified,
)
from lightning_lossmeta.data.noise.base import LabelNoise
from lightning_lossmeta.data.split import Split

if TYPE_CHECKING:
    from typing_extensions import Self


class SymmetricNoise(LabelNoise):
    """Labels become any other class, each as likely.

    Of N labels exactly ``round(rate * N)`` change, of every class its share to within one sample;
    to which of the other n - 1 classes is drawn for each on its own ::

        T[i, i] = 1 - rate,   T[i, j] = rate / (n - 1)

    Args:
        rate: The share of labels that change, in [0, 1). At (n - 1) / n labels carry no
            information.

    Raises:
        ValueError: If ``rate`` is out of range.

    Source: Gao et al. (2021), noise types.

    >>> split = Split(torch.zeros(10, 1), torch.arange(10) % 2)
    >>> int(SymmetricNoise(0.4).apply(split, num_classes=2, seed=0).flipped.sum())
    4
    """

    def __init__(self, rate: float) -> None:
        check_rate(rate)
        self.rate = rate

    @classmethod
    def example(cls) -> Self:
        """Two in five labels."""
        return cls(0.4)

    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """Move the labels of the chosen samples by 1 to n - 1 classes."""
        generator = torch.Generator().manual_seed(seed)
        labels = split.targets.cpu().long().clone()
        chosen = stratified(labels, self.rate, num_classes, generator)
        shifts = torch.randint(1, num_classes, chosen.shape, generator=generator)
        labels[chosen] = (labels[chosen] + shifts) % num_classes
        return labels


class PairFlipNoise(LabelNoise):
    """Labels become the one class that theirs is mistaken for (asymmetric noise).

    Of the N samples of the classes that flip exactly ``round(rate * N)`` change, of every class its
    share to within one sample ::

        T[i, i] = 1 - rate,   T[i, pairs[i]] = rate

    Args:
        rate: The share of labels that change, in [0, 1). From 0.5 on the wrong label is as frequent
            as the right one.
        pairs: Which class becomes which; the others keep their labels, and do not count for
            ``rate``. ``None`` takes each class k to k + 1, and the last to 0.

    Raises:
        ValueError: If ``rate`` is out of range, or ``pairs`` are no pairs of different classes.

    Source: Han et al. (2018), pair flipping; Patrini et al. (2017), pairs of similar classes.

    >>> split = Split(torch.zeros(4, 1), torch.tensor([0, 0, 1, 2]))
    >>> PairFlipNoise(0.5, {0: 2}).apply(split, num_classes=3, seed=0).targets.bincount()
    tensor([1, 1, 2])
    """

    def __init__(self, rate: float, pairs: dict[int, int] | None = None) -> None:
        check_rate(rate)
        if pairs is not None and (
            not pairs or any(a == b or min(a, b) < 0 for a, b in pairs.items())
        ):
            raise ValueError(
                "Expected argument `pairs` to take classes to other classes, at least one, got "
                f"{pairs}."
            )
        self.rate = rate
        self.pairs = pairs

    @classmethod
    def example(cls) -> Self:
        """Two in five labels."""
        return cls(0.4)

    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """Look up the partners of the chosen samples' labels."""
        pairs = self.pairs or {k: (k + 1) % num_classes for k in range(num_classes)}
        beyond = sorted({k for pair in pairs.items() for k in pair if k >= num_classes})
        if beyond:
            raise ValueError(
                f"Expected argument `pairs` to name classes in [0, {num_classes}), got {beyond}."
            )
        generator = torch.Generator().manual_seed(seed)
        labels = split.targets.cpu().long().clone()
        partner = torch.arange(num_classes)
        partner[list(pairs)] = torch.tensor(list(pairs.values()))
        listed = (partner != torch.arange(num_classes))[labels].nonzero().flatten()
        chosen = listed[stratified(labels[listed], self.rate, num_classes, generator)]
        labels[chosen] = partner[labels[chosen]]
        return labels


class TransitionNoise(LabelNoise):
    """Labels become others with the probabilities of a matrix, in exact counts.

    Of the N_i samples of class i, T[i, j] N_i get the label j, made whole by the largest-remainder
    method; which ones is drawn.

    Args:
        matrix: T, n by n, with T[i, j] = P(new label j given label i) and rows that sum to 1; the
            diagonal is what is kept.

    Raises:
        ValueError: If ``matrix`` is no such matrix.

    Source: Patrini et al. (2017).

    >>> split = Split(torch.zeros(8, 1), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1]))
    >>> noise = TransitionNoise([[0.75, 0.25], [0.5, 0.5]])
    >>> noise.apply(split, num_classes=2, seed=0).targets.view(2, 4).sum(dim=1)
    tensor([1, 2])
    """

    def __init__(self, matrix: Sequence[Sequence[float]]) -> None:
        try:
            transition = torch.as_tensor(matrix, dtype=torch.float64)
        except (TypeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"Expected argument `matrix` to be rows of numbers, got {matrix!r:.80}."
            ) from error
        if transition.dim() != 2 or len(transition) != transition.shape[1] or not len(transition):
            raise ValueError(
                "Expected argument `matrix` to be a square matrix, got shape "
                f"{tuple(transition.shape)}."
            )
        sums = transition.sum(dim=1)
        if not bool((transition >= 0).all() & ((sums - 1).abs() < 1e-6).all()):
            raise ValueError(
                "Expected argument `matrix` to hold probabilities, each row summing to 1, got "
                f"entries from {float(transition.min()):g} and rows summing to "
                f"{float(sums.min()):g} to {float(sums.max()):g}."
            )
        self.matrix = transition.tolist()

    @classmethod
    def example(cls) -> Self:
        """For three classes."""
        return cls([[0.7, 0.2, 0.1], [0.0, 1.0, 0.0], [0.25, 0.25, 0.5]])

    def corrupt(self, split: Split, num_classes: int, seed: int) -> Tensor:
        """Deal the new labels out to each class's samples in an order that is drawn."""
        if len(self.matrix) != num_classes:
            raise ValueError(
                f"Expected argument `matrix` to be {num_classes} by {num_classes} for as many "
                f"classes, got {len(self.matrix)} by {len(self.matrix)}."
            )
        generator = torch.Generator().manual_seed(seed)
        labels = split.targets.cpu().long().clone()
        members = shuffled_by_class(labels, num_classes, generator)
        for row, positions in zip(self.matrix, members, strict=True):
            share = torch.tensor(row, dtype=torch.float64)
            counts = apportion(share / share.sum() * len(positions), len(positions), generator)
            labels[positions] = torch.arange(num_classes).repeat_interleave(counts)
        return labels
