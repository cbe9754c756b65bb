"""A loss for Hugging Face's ``Trainer``."""

from __future__ import annotations

import copy
import os
from collections.abc import Callable
from typing import Any

from torch import Tensor

from lightning_lossmeta.artifacts.zoo import find_loss
from lightning_lossmeta.losses.base import LossFunction

#: What ``transformers.Trainer`` calls with a model's outputs, the labels, and how many count.
ComputeLoss = Callable[..., Tensor]


def hf_loss(loss: str | os.PathLike[str] | LossFunction, causal: bool | None = None) -> ComputeLoss:
    """Make the ``compute_loss_func`` of a ``transformers.Trainer`` out of a loss.

    Works for models that put out ``logits``: of sequences, tokens, images, language. Labels of -100
    count nothing. Under gradient accumulation the sum of the losses is divided by
    ``num_items_in_batch``, as the models' own losses do it. The Trainer's
    ``label_smoothing_factor`` has no effect on a loss that is given to it.

    Args:
        loss: The file of a learned loss, the name of a ready one (``lossmeta zoo``), or a loss of
            this package.
        causal: Whether logits are predictions of the next label, which shifts the labels by one;
            by default where the model's outputs are those of a causal language model.

    Raises:
        UnknownLossError: If there is no such file or name.
        ArtifactError: If the file is no learned loss.
        TypeError: If ``loss`` is none of the three.

    >>> import torch
    >>> compute = hf_loss("cross_entropy")
    >>> compute({"logits": torch.zeros(2, 4)}, torch.tensor([1, -100]), num_items_in_batch=1)
    tensor(1.3863)
    """
    if isinstance(loss, (str, os.PathLike)):
        loss = find_loss(os.fspath(loss)).loss
    if not isinstance(loss, LossFunction):
        raise TypeError(
            "Expected argument `loss` to be a file, a name or a loss of this package, got "
            f"{type(loss).__name__}."
        )
    mean, each = loss, copy.deepcopy(loss)
    each.reduction = "none"

    def compute_loss(outputs: Any, labels: Tensor | None, num_items_in_batch: Any = None) -> Tensor:
        logits, target = _logits_and_labels(outputs, labels, causal)
        if mean.link.simplex:
            logits = logits.movedim(-1, 1)
        elif logits.shape == (*target.shape, 1):
            logits = logits.squeeze(-1)  # regression: one output a sample
        if num_items_in_batch is None:
            average: Tensor = mean(logits, target)
            return average
        losses: Tensor = each(logits, target)
        count = num_items_in_batch
        if isinstance(count, Tensor):
            count = count.flatten()[0].to(losses.device)
        # The Trainer counts labels, of which a sample may have several.
        total: Tensor = losses.sum() * (target.numel() / losses.numel()) / count
        return total

    return compute_loss


def _logits_and_labels(
    outputs: Any, labels: Tensor | None, causal: bool | None
) -> tuple[Tensor, Tensor]:
    logits = outputs.get("logits") if hasattr(outputs, "get") else None
    if logits is None or labels is None:
        raise ValueError(
            "Expected the model to put out `logits` and the batch to have `labels`, got "
            f"{type(outputs).__name__} {'without logits' if logits is None else 'without labels'}."
        )
    if causal is None:
        causal = "CausalLM" in type(outputs).__name__
    return (logits[:, :-1], labels[:, 1:]) if causal else (logits, labels)
