"""A stack of networks that trains a whole population in one Lightning fit."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torchmetrics import Metric

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules.stacked_losses import StackedLosses
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, configure


class PopulationModule(pl.LightningModule):
    """C copies of one network, each trained with a loss of its own.

    Parameters and buffers have a leading candidate axis; the networks run under ``vmap`` and the
    losses are added up, so that one backward pass gives each copy its own gradient. Every
    element-wise optimiser and schedule then works as for one network.

    Args:
        template: The module whose network, optimiser, schedule and metric are used.
        losses: One a candidate.
        keys: For each loss what tells its code from others'; equal keys share one ``vmap``.
        compile_mode: A mode of ``torch.compile`` for networks and losses; ``None`` runs eagerly.
    """

    def __init__(
        self,
        template: SupervisedModule,
        losses: Sequence[LossFunction],
        keys: Sequence[Hashable],
        compile_mode: str | None = None,
    ) -> None:
        super().__init__()
        self.size = len(losses)
        # In tuples, so that their own parameters and metrics are no part of this module.
        self._template = (copy.deepcopy(template),)
        self._skeleton = (self._template[0].network,)
        network = self._skeleton[0]
        self._parameter_names = [name for name, _ in network.named_parameters()]
        self._buffer_names = [name for name, _ in network.named_buffers()]
        self.stacked = nn.ParameterList(
            nn.Parameter(self._stack(value.detach()), requires_grad=value.requires_grad)
            for value in network.parameters()
        )
        for index, value in enumerate(network.buffers()):
            self.register_buffer(f"stacked_buffer_{index}", self._stack(value))
        self.losses = StackedLosses(losses, keys)
        self.metrics = nn.ModuleList(template.val_metric.clone() for _ in losses)
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}
        self._run = self._candidate_losses
        if compile_mode is not None:
            self._run = torch.compile(self._candidate_losses, mode=compile_mode, fullgraph=True)

    def _stack(self, value: Tensor) -> Tensor:
        return value.unsqueeze(0).repeat(self.size, *[1] * value.dim())

    def fits(self, template: SupervisedModule, losses: StackedLosses) -> bool:
        """Whether :meth:`reset` can take these: the same code, other numbers."""
        same_code = str(template.network) == str(self._skeleton[0])
        shapes = [value.shape[1:] for value in self.stacked]
        same_shapes = shapes == [value.shape for value in template.network.parameters()]
        return same_code and same_shapes and self.losses.matches(losses)

    def reset(self, template: SupervisedModule, losses: StackedLosses) -> None:
        """Start again with other initial weights and losses; what was compiled stays."""
        network = template.network
        with torch.no_grad():
            for stacked, value in zip(self.stacked, network.parameters(), strict=True):
                stacked.grad = None
                stacked.copy_(self._stack(value))
            for stacked, value in zip(self._buffers_list(), network.buffers(), strict=True):
                stacked.copy_(self._stack(value))
        self.losses.load(losses)

    def _buffers_list(self) -> list[Tensor]:
        return [getattr(self, f"stacked_buffer_{i}") for i in range(len(self._buffer_names))]

    def _follow_mode(self) -> None:
        """Put the skeleton in this module's mode, which Lightning sets past ``train()``."""
        if self._skeleton[0].training != self.training:
            self._skeleton[0].train(self.training)

    def state_of(self, index: int) -> dict[str, Tensor]:
        """Parameters and buffers of one candidate's network, by their names there."""
        names = [*self._parameter_names, *self._buffer_names]
        values = [*self.stacked, *self._buffers_list()]
        return {name: value[index].detach() for name, value in zip(names, values, strict=True)}

    def finite(self) -> list[bool]:
        """For each candidate, whether its parameters and buffers are finite."""
        tensors = [*self.stacked, *self._buffers_list()]
        flags = torch.ones(self.size, dtype=torch.bool, device=self.device)
        for tensor in tensors:
            if tensor.is_floating_point():
                flags &= torch.isfinite(tensor).flatten(1).all(dim=1)
        return [bool(flag) for flag in flags]

    def forward(self, inputs: Tensor, per_candidate: bool = False) -> Tensor:
        """Outputs of all networks.

        Args:
            inputs: (B, ...), or (C, B, ...) if ``per_candidate``.
            per_candidate: Whether each network has inputs of its own.

        Returns:
            (C, B, n, ...).
        """
        network = self._skeleton[0]
        parameters = dict(zip(self._parameter_names, self.stacked, strict=True))
        buffers = dict(zip(self._buffer_names, self._buffers_list(), strict=True))

        def one(state: tuple[dict[str, Tensor], dict[str, Tensor]], x: Tensor) -> Tensor:
            return functional_call(network, state, (x,))  # type: ignore[no-any-return]

        call = torch.vmap(one, in_dims=(0, 0 if per_candidate else None), randomness="same")
        return call((parameters, buffers), inputs)  # type: ignore[no-any-return]

    def _candidate_losses(self, inputs: Tensor, target: Tensor) -> Tensor:
        losses: Tensor = self.losses(self(inputs), target)
        return losses

    def training_step(self, batch: Batch, batch_idx: int) -> dict[str, Tensor]:
        """The sum of the candidates' losses, and each of them."""
        self._follow_mode()
        losses = self._run(*batch)
        return {"loss": losses.sum(), "losses": losses.detach()}

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._sums, self._counts = {}, {}
        for metric in self._metrics():
            metric.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Each candidate's loss and metric on a batch."""
        self._follow_mode()
        inputs, target = batch
        outputs = self(inputs)
        for metric, output in zip(self._metrics(), outputs, strict=True):
            metric.update(output, target)
        self.add_scores("val_loss", self.losses(outputs, target), len(target))

    def add_scores(self, name: str, values: Tensor, count: int) -> None:
        """Add means over ``count`` samples, (C,), to the scores that a validation averages."""
        total = values.detach() * count
        self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._counts[name] = self._counts.get(name, 0) + count

    def candidate_metrics(self) -> dict[str, list[float]]:
        """The last validation's scores by name, one a candidate."""
        scores = {k: (v / self._counts[k]).tolist() for k, v in self._sums.items()}
        name = f"val_{self._template[0].metric_name}"
        scores[name] = torch.stack([m.compute() for m in self._metrics()]).tolist()
        return scores

    def configure_optimizers(self) -> Any:
        """The template's optimiser and schedule over the stacked parameters."""
        return configure(self.parameters(), self._template[0])

    def _metrics(self) -> list[Metric]:
        return list(self.metrics)  # type: ignore[arg-type]
