"""The learning rule of a loss: what it does to a network through the softmax."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction, check_class_probabilities


def learning_rule(loss: LossFunction, probabilities: Tensor, target: Tensor) -> Tensor:
    """The coefficients gamma of a loss at given predictions, by automatic differentiation.

    A gradient step moves the logits z along sum_k gamma_k dh_k/dz, with ::

        gamma_k = -n dL/dh_k

    A number added to all gamma of a sample has no effect, since the h_k sum to one. Losses that
    are defined by their logits alone fix it by sum_k gamma_k h_k = 0; the others by their formula.

    Args:
        loss: Any loss.
        probabilities: Predictions h ``(B, n)``, positive, computed in float64.
        target: Class indices ``(B,)`` or probabilities ``(B, n)``.

    Returns:
        gamma ``(B, n)`` in float64.

    Raises:
        TypeError: If the loss takes no probabilities of classes.

    Source: Gonzalez & Miikkulainen (2021), section 3.

    >>> from lightning_lossmeta.losses import MeanSquaredError
    >>> learning_rule(MeanSquaredError(), torch.tensor([[0.75, 0.25]]), torch.tensor([0]))
    tensor([[ 0.5000, -0.5000]], dtype=torch.float64)
    """
    check_class_probabilities(loss)
    return 0.0 - probabilities.shape[1] * _gradient(loss.from_probabilities, probabilities, target)


def logit_step(loss: LossFunction, logits: Tensor, target: Tensor) -> Tensor:
    """The change of each sample's logits by one unit step, sum_k gamma_k dh_k/dz = -n dL/dz.

    Args:
        loss: Any loss.
        logits: z ``(B, n)``, computed in float64.
        target: Class indices ``(B,)`` or probabilities ``(B, n)``.

    Returns:
        ``(B, n)`` in float64.

    Raises:
        TypeError: If the loss takes no probabilities of classes.

    Source: Gonzalez & Miikkulainen (2021), equation 52.

    >>> from lightning_lossmeta.losses import CrossEntropy
    >>> logit_step(CrossEntropy(), torch.zeros(1, 2), torch.tensor([0]))
    tensor([[ 1., -1.]], dtype=torch.float64)
    """
    check_class_probabilities(loss)
    return 0.0 - logits.shape[1] * _gradient(loss.per_sample, logits, target)


def _gradient(losses: Callable[[Tensor, Tensor], Tensor], point: Tensor, target: Tensor) -> Tensor:
    """Gradient of each sample's loss, also where the caller has gradients turned off."""
    with torch.inference_mode(False), torch.enable_grad():
        x = point.detach().clone().to(torch.float64).requires_grad_()
        (gradient,) = torch.autograd.grad(losses(x, target.detach().clone()).sum(), x)
    return gradient
