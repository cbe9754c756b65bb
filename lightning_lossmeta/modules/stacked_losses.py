"""Many losses at once, each on its own network's outputs."""

from __future__ import annotations

from collections.abc import Hashable, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state

from lightning_lossmeta.losses.base import ExactBuffers, LossFunction


class StackedLosses(ExactBuffers):
    """Calls C losses on C stacked outputs.

    Losses that share a key run as one ``vmap`` over their buffers, the others one by one.

    Args:
        losses: C losses.
        keys: For each what makes it differ from others but for the values of its buffers.
    """

    def __init__(self, losses: Sequence[LossFunction], keys: Sequence[Hashable]) -> None:
        super().__init__()
        self.size = len(losses)
        self.keys = tuple(keys)
        groups: dict[Hashable, list[int]] = {}
        for index, key in enumerate(keys):
            groups.setdefault(key, []).append(index)
        self.groups = [torch.tensor(indices) for indices in groups.values()]
        # Kept out of the modules: their buffers are the stacked ones registered below.
        self._skeletons = tuple(losses[indices[0]] for indices in groups.values())
        self._names: list[list[str]] = []
        for number, indices in enumerate(groups.values()):
            _, buffers = stack_module_state([losses[i] for i in indices])
            self._names.append(list(buffers))
            for position, buffer in enumerate(buffers.values()):
                self.register_buffer(f"group{number}_{position}", buffer, persistent=False)

    def load(self, other: StackedLosses) -> None:
        """Take the values of other losses with the same groups, in place."""
        for mine, theirs in zip(self.buffers(), other.buffers(), strict=True):
            mine.copy_(theirs)

    def matches(self, other: StackedLosses) -> bool:
        """Whether the losses differ from others in the values of their buffers alone."""
        return self.keys == other.keys

    def forward(self, outputs: Tensor, target: Tensor, per_candidate: bool = False) -> Tensor:
        """Loss of each network.

        Args:
            outputs: (C, B, n, ...).
            target: What one loss takes, shared by all; (C, ...) if ``per_candidate``.
            per_candidate: Whether each network has a target of its own.

        Returns:
            (C,).
        """
        if len(self.groups) == 1:
            return self._group(0, outputs, target, per_candidate)
        rows = outputs.unbind()  # its gradient is one stack; that of indices, one sum a group
        parts = []
        for number, group in enumerate(self.groups):
            if len(group) == 1:
                index = int(group)
                own = target[index] if per_candidate else target
                parts.append(self._single(number, rows[index], own).reshape(1))
            else:
                chosen = torch.stack([rows[int(index)] for index in group])
                own = target[group] if per_candidate else target
                parts.append(self._group(number, chosen, own, per_candidate))
        order = torch.cat(self.groups).argsort().to(outputs.device)
        return torch.cat(parts)[order]

    def _single(self, number: int, output: Tensor, target: Tensor) -> Tensor:
        """The loss of a group of one, without ``vmap``, which would take longer than the loss."""
        names = self._names[number]
        own = {name: getattr(self, f"group{number}_{i}")[0] for i, name in enumerate(names)}
        return _mean_loss(self._skeletons[number], own, output, target)

    def _group(self, number: int, outputs: Tensor, target: Tensor, per_candidate: bool) -> Tensor:
        names = self._names[number]
        stacked = {name: getattr(self, f"group{number}_{i}") for i, name in enumerate(names)}
        skeleton: nn.Module = self._skeletons[number]

        def one(buffers: dict[str, Tensor], output: Tensor, own: Tensor) -> Tensor:
            return _mean_loss(skeleton, buffers, output, own)

        in_dims = (0, 0, 0 if per_candidate else None)
        return torch.vmap(one, in_dims=in_dims)(stacked, outputs, target)


def _mean_loss(
    loss: nn.Module, buffers: dict[str, Tensor], output: Tensor, target: Tensor
) -> Tensor:
    """A batch's loss, which is one number: the sum over several would be trained in silence."""
    value: Tensor = functional_call(loss, buffers, (output, target))
    if value.numel() != 1:
        raise ValueError(
            f"Expected {type(loss).__name__} to give one number for a batch, got shape "
            f"{tuple(value.shape)}: take the mean over the samples (`reduction='mean'`)."
        )
    return value.reshape(())
