"""The same by the library ``higher`` (Grefenstette et al. 2019)."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import asdict

import torch
from torch import Tensor
from torch.func import functional_call

from lightning_lossmeta.local_search.optimizers import UnrolledSGD, UpdateRule
from lightning_lossmeta.local_search.unrolled import Episode
from lightning_lossmeta.losses.base import LossFunction

with warnings.catch_warnings():
    # Of its own source; seen by whoever imports it first.
    warnings.simplefilter("ignore", SyntaxWarning)
    import higher


def higher_obstacle(rules: Mapping[str, UpdateRule]) -> str | None:
    """Why ``higher`` would get the gradients of these updates wrong, or ``None``."""
    if all(type(rule) is UnrolledSGD for rule in rules.values()):
        return None
    return (
        "higher 0.2.1 differentiates SGD alone rightly; its meta-gradients of Adam are wrong in "
        "size and sign. Use the back end 'func'."
    )


def meta_loss_by_higher(
    episode: Episode, loss: LossFunction, theta: Tensor, task_loss: LossFunction
) -> Tensor:
    """As :func:`~lightning_lossmeta.local_search.unrolled.meta_loss`.

    Raises:
        TypeError: If the optimiser is not SGD.
    """
    if reason := higher_obstacle(episode.rules):
        raise TypeError(reason)
    parameters = dict(episode.network.named_parameters())
    groups = [{"params": [parameters[n]], **asdict(r)} for n, r in episode.rules.items()]
    patched = higher.monkeypatch(episode.network)
    optimizer = higher.optim.DifferentiableSGD(
        torch.optim.SGD(groups), episode.network.parameters(), patched
    )
    for inputs, target in episode.batches:
        optimizer.step(functional_call(loss, {"theta": theta}, (patched(inputs), target)))
    inputs, target = episode.batches[-1]
    return task_loss(patched(inputs), target)  # type: ignore[no-any-return]
