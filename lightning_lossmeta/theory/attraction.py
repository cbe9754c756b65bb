"""How strongly a loss pulls a sample towards zero training error, or pushes it away."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.theory.learning_rule import learning_rule, logit_step


def attraction_strength(
    gamma_target: Tensor,
    gamma_nontarget: Tensor,
    epsilon: Tensor,
    num_classes: int,
    form: Literal["exact", "published"] = "exact",
) -> Tensor:
    """The attraction of a sample whose other classes have one probability.

    With target probability 1 - e and all others e/(n-1), after one unit step of the logits the
    target probability has changed by ::

        strength = e(e-1)(exp A - exp B) / ((e-1) exp A - e exp B)
        A = e(1-e)(gT - gN)
        exact:      B = -e(1-e)(gT - gN) / (n-1)
        published:  B = [e(e-1) gT (n-1) + e gN (e(n-3) + n-1)] / (n-1)^2

    The published form, equation 17 of the paper, has a sign error in its derivation (equation 54).
    It is kept for redrawing the paper's figures; both agree for n = 2.

    Args:
        gamma_target: gT, any shape.
        gamma_nontarget: gN, that shape.
        epsilon: e, that shape, between 0 and 1.
        num_classes: n, at least 2.
        form: Whether B is the exact or the published one.

    Returns:
        Positive where the sample is pulled, negative where it is pushed; that shape.

    Raises:
        ValueError: If ``form`` is neither, or there are fewer than two classes.

    Source: Gonzalez & Miikkulainen (2021), theorem 2.

    >>> half, one = torch.tensor(0.5), torch.tensor(1.0)
    >>> attraction_strength(one, -one, half, num_classes=2)
    tensor(0.2311)
    """
    if form not in ("exact", "published"):
        raise ValueError(f"Expected argument `form` to be 'exact' or 'published', got {form!r}.")
    if num_classes < 2:
        raise ValueError(f"Expected argument `num_classes` to be at least 2, got {num_classes}.")
    e, others = epsilon, num_classes - 1
    a = e * (1 - e) * (gamma_target - gamma_nontarget)
    if form == "exact":
        b = -a / others
    else:
        pull = e * (e - 1) * gamma_target * others
        b = (pull + e * gamma_nontarget * (e * (num_classes - 3) + others)) / others**2
    return _gain(((1 - e) / e).log(), a - b)


def _gain(log_odds: Tensor, change: Tensor) -> Tensor:
    """What a probability gains if its log-odds change, without cancellation or overflow."""
    after = log_odds + change
    gain = after.sigmoid() * (-log_odds).sigmoid() * -(-change.clamp_min(0)).expm1()
    loss = log_odds.sigmoid() * (-after).sigmoid() * -change.clamp_max(0).expm1()
    return gain - loss


def attraction(loss: LossFunction, logits: Tensor, target: Tensor) -> Tensor:
    """The attraction of each sample: the change of its target probability by one unit step.

    The step moves the logits by -n dL/dz, as :func:`attraction_strength` has it; here the other
    classes may have any probabilities, and the loss may be defined by its logits alone.

    Args:
        loss: Any classification loss.
        logits: ``(B, n)``; computed in float64.
        target: Class indices ``(B,)``.

    Returns:
        ``(B,)`` in float64, from -1 to 1; NaN where the gradient is.

    Source: Gonzalez & Miikkulainen (2021), theorem 2 and figure 1.

    >>> from lightning_lossmeta.losses import MeanSquaredError
    >>> attraction(MeanSquaredError(), torch.zeros(1, 2), torch.tensor([0]))
    tensor([0.2311], dtype=torch.float64)
    """
    z = logits.detach().to(torch.float64)
    step = logit_step(loss, z, target)
    index = target.long().unsqueeze(1)
    others = z.scatter(1, index, -torch.inf)
    log_odds = z.gather(1, index).squeeze(1) - others.logsumexp(dim=1)
    # The target's log-odds fall by log sum_k q_k exp(s_k - s_t), q the others' shares.
    relative = step - step.gather(1, index)
    fall = (others.log_softmax(dim=1) + relative).logsumexp(dim=1)
    small = (others.softmax(dim=1) * relative.clamp_max(1).expm1()).sum(dim=1).log1p()
    return _gain(log_odds, -torch.where(relative.abs().amax(dim=1) < 1, small, fall))


def attraction_curve(
    loss: LossFunction,
    num_classes: int,
    epsilon: Tensor,
    form: Literal["exact", "published"] = "exact",
) -> Tensor:
    """The attraction of samples with target probability 1 - e, all other classes alike.

    Args:
        loss: Any classification loss.
        num_classes: n, at least 2.
        epsilon: e ``(E,)``, between 0 and 1.
        form: As in :func:`attraction_strength`. The published form changes if a number is added to
            all gammas; here they are those of the function ``learning_rule``.

    Returns:
        ``(E,)`` in float64.

    Raises:
        ValueError: If there are fewer than two classes, or an e is not between 0 and 1.

    Source: Gonzalez & Miikkulainen (2021), figure 3.

    >>> from lightning_lossmeta.losses import Baikal
    >>> attraction_curve(Baikal(), 10, torch.tensor([0.01, 0.9])).sign()  # pushed, pulled
    tensor([-1.,  1.], dtype=torch.float64)
    """
    epsilon = epsilon.to(torch.float64)
    logits = symmetric_logits(num_classes, 1 - epsilon)
    target = torch.zeros(len(logits), dtype=torch.long)
    if form == "exact":
        return attraction(loss, logits, target)
    gamma = learning_rule(loss, logits.exp(), target)
    return attraction_strength(gamma[:, 0], gamma[:, 1:].mean(dim=1), epsilon, num_classes, form)


def symmetric_logits(num_classes: int, confidence: Tensor) -> Tensor:
    """Log-probabilities with p at class 0 and all others alike.

    Args:
        num_classes: n, at least 2.
        confidence: p ``(E,)``, between 0 and 1.

    Returns:
        ``(E, n)``.

    Raises:
        ValueError: If there are fewer than two classes, or a p is not between 0 and 1.
    """
    if num_classes < 2:
        raise ValueError(f"Expected argument `num_classes` to be at least 2, got {num_classes}.")
    if confidence.ndim != 1 or not bool(((confidence > 0) & (confidence < 1)).all()):
        raise ValueError(
            "Expected a list of numbers between 0 and 1, ends excluded, got shape "
            f"{tuple(confidence.shape)} from {float(confidence.min()):g} to "
            f"{float(confidence.max()):g}."
        )
    others = (1 - confidence).log() - torch.tensor(num_classes - 1.0).to(confidence).log()
    logits = others.unsqueeze(1).repeat(1, num_classes)
    logits[:, 0] = confidence.log()
    return logits
