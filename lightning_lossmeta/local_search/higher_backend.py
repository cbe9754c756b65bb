"""The meta-loss of an episode by the library ``higher`` (Grefenstette et al. 2019)."""

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
    # About the library's own source; whoever imports it first would see it.
    warnings.simplefilter("ignore", SyntaxWarning)
    import higher


def higher_obstacle(rules: Mapping[str, UpdateRule]) -> str | None:
    """Say why ``higher`` would get gradients through these updates wrong; ``None`` if it won't."""
    if all(type(rule) is UnrolledSGD for rule in rules.values()):
        return None
    return (
        "higher 0.2.1 differentiates SGD alone rightly; its meta-gradients of Adam are wrong in "
        "size and sign. Use the back end 'func'."
    )


def meta_loss_by_higher(
    episode: Episode, loss: LossFunction, theta: Tensor, task_loss: LossFunction
) -> Tensor:
    """Compute what :func:`~lightning_lossmeta.local_search.unrolled.meta_loss` does, by ``higher``.

    It serves as an independent check of that function, and takes the same arguments.

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
