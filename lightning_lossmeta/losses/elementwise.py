"""Losses that compare each prediction with its label, whatever the problem is."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction, Reduction, check_class_probabilities
from lightning_lossmeta.losses.links import Link, Softmax, soft_target


class ElementwiseLoss(LossFunction):
    """A function of a prediction and its label, averaged over a sample's entries.

    With p, y the predictions and labels that the link makes of outputs and targets ::

        L = mean_k values(p_k, y_k)

    Subclasses write :meth:`values`; the link makes a loss for classification, for binary and
    multi-label problems, or for regression of it.

    Args:
        link: :class:`~lightning_lossmeta.losses.links.Softmax` by default,
            :class:`~lightning_lossmeta.losses.links.Sigmoid` or
            :class:`~lightning_lossmeta.losses.links.Identity`.
        reduction: ``"mean"``, ``"sum"`` or ``"none"`` over the samples.

    >>> import torch
    >>> from lightning_lossmeta.losses import Sigmoid
    >>> class Squared(ElementwiseLoss):
    ...     def values(self, prediction, label):
    ...         return (prediction - label).square()
    >>> Squared()(torch.zeros(1, 4), torch.tensor([2]))
    tensor(0.1875)
    >>> Squared(link=Sigmoid())(torch.zeros(2), torch.tensor([0, 1]))
    tensor(0.2500)
    """

    def __init__(self, link: Link | None = None, reduction: Reduction = "mean") -> None:
        super().__init__(reduction)
        self.link = Softmax() if link is None else link

    @abstractmethod
    def values(self, prediction: Tensor, label: Tensor) -> Tensor:
        """The formula, entry by entry, of two tensors of one shape and dtype."""

    def per_sample(self, output: Tensor, target: Tensor) -> Tensor:
        """Loss of each sample: (B, n, ...) -> (B, ...) for classes, else (B, ...) -> (B,)."""
        label = self.link.label(output, target)
        return self.link.reduce(self.values(self.link.predict(output), label), target)

    def from_probabilities(self, h: Tensor, target: Tensor) -> Tensor:
        """The formula itself, of any h (B, n, ...); ``ignore_index`` is not looked for.

        Raises:
            TypeError: If the predictions are no probabilities of classes.
        """
        check_class_probabilities(self)
        return self.link.reduce(self.values(h, soft_target(h, target)), target)

    def extra_repr(self) -> str:
        """The link, for ``print``, unless it is the default, the softmax."""
        return "" if self.link == Softmax() else f"link={self.link!r}"
