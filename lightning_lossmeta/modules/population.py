"""A stack of networks that trains a whole population in one Lightning fit."""

from __future__ import annotations

import copy
from collections.abc import Hashable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torchmetrics import Metric

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules.compiled import CompiledGradients
from lightning_lossmeta.modules.fast_hooks import FastHooksModule
from lightning_lossmeta.modules.stacked_losses import StackedLosses
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule, configure
from lightning_lossmeta.modules.transposed import transpose_linear_layers

State = dict[str, Tensor]


class PopulationModule(FastHooksModule):
    """C copies of one network, each trained with a loss of its own.

    Parameters and buffers have a leading candidate axis; the networks run under ``vmap`` and the
    losses are added up, so that one backward pass gives each copy its own gradient. Every
    element-wise optimiser and schedule then works as for one network.

    Args:
        template: Module whose network, optimiser, schedule and metric are used.
        losses: The losses, one for each candidate.
        keys: For each loss what tells its code from others'; equal keys share one ``vmap``.
        compile_mode: A mode of ``torch.compile`` for the training step; ``None`` runs eagerly.
        lr_scales: Of each candidate, its share in (0, 1] of the learning rate that the template
            configures; all of it by default. For optimisers whose steps are proportional to it.
        initial_modules: Modules with the initial weights of several seeds, instead of the
            template's; then training batches have a leading axis of as many.
        seed_index: Of each candidate, which of the ``initial_modules`` and of the batches is its
            own.

    Attributes:
        validates_by_seed: Whether validation batches have the leading axis of ``initial_modules``
            too; otherwise all networks are scored on the same batches.
    """

    def __init__(
        self,
        template: SupervisedModule,
        losses: Sequence[LossFunction],
        keys: Sequence[Hashable],
        compile_mode: str | None = None,
        lr_scales: Sequence[float] | None = None,
        initial_modules: Sequence[SupervisedModule] = (),
        seed_index: Sequence[int] = (),
    ) -> None:
        super().__init__()
        self.size = len(losses)
        self.lr_scales = lr_scales
        self.seed_index = list(seed_index)
        self.validates_by_seed = False
        # In tuples, so that their own parameters and metrics are no part of this module.
        self._template = (template,)
        self._skeleton = (copy.deepcopy(template.network),)
        network = self._skeleton[0]
        transpose_linear_layers(network)
        self._parameter_names = [name for name, _ in network.named_parameters()]
        self._buffer_names = [name for name, _ in network.named_buffers()]
        initial = self._initial(initial_modules or (template,))
        self.stacked = nn.ParameterList(
            nn.Parameter(initial[name], requires_grad=value.requires_grad)
            for name, value in network.named_parameters()
        )
        for index, name in enumerate(self._buffer_names):
            self.register_buffer(f"stacked_buffer_{index}", initial[name])
        self.losses = StackedLosses(losses, keys)
        self.metrics = self._fresh_metrics()
        self._sums: State = {}
        self._counts: dict[str, int] = {}
        self._compiled = (
            None if compile_mode is None else CompiledGradients(self._losses, compile_mode)
        )
        self._gradients: State | None = None

    @property
    def compiled(self) -> bool:
        """Whether training steps run as a compiled graph."""
        return self._compiled is not None and not self._compiled.broken

    @property
    def skeleton(self) -> nn.Module:
        """The network that all candidates are run by, each with weights of its own."""
        return self._skeleton[0]

    def _initial(self, initial_modules: Sequence[SupervisedModule]) -> State:
        """Each candidate's initial parameters and buffers, stacked, by name."""
        seed_index = torch.tensor(self.seed_index or [0] * self.size)
        states = [
            {**dict(start.network.named_parameters()), **dict(start.network.named_buffers())}
            for start in initial_modules
        ]
        return {
            name: torch.stack([state[name].detach() for state in states])[seed_index]
            for name in states[0]
        }

    def _fresh_metrics(self) -> nn.ModuleList:
        return nn.ModuleList(self._template[0].val_metric.clone() for _ in range(self.size))

    def reset(
        self,
        template: SupervisedModule,
        losses: StackedLosses,
        lr_scales: Sequence[float] | None = None,
        initial_modules: Sequence[SupervisedModule] = (),
    ) -> None:
        """Start again with other initial weights and losses; what was compiled stays.

        Args:
            template: Has the same network but for the weights.
            losses: As many losses as at construction, with the same keys.
            lr_scales: Shares of the learning rate, as at construction.
            initial_modules: As many modules as at construction.
        """
        self.lr_scales = lr_scales
        self._template = (template,)
        initial = self._initial(initial_modules or (template,))
        with torch.no_grad():
            for name, value in self._state().items():
                value.grad = None
                value.copy_(initial[name])
        self.losses.load(losses)
        self.metrics = self._fresh_metrics()

    def _buffers_list(self) -> list[Tensor]:
        return [getattr(self, f"stacked_buffer_{i}") for i in range(len(self._buffer_names))]

    def _state(self) -> State:
        names = [*self._parameter_names, *self._buffer_names]
        return dict(zip(names, [*self.stacked, *self._buffers_list()], strict=True))

    def _follow_mode(self) -> None:
        """Put the skeleton in this module's mode, which Lightning sets past ``train()``."""
        if self._skeleton[0].training != self.training:
            self._skeleton[0].train(self.training)

    def state_of(self, index: int) -> State:
        """Parameters and buffers of one candidate's network, by their names there."""
        return {name: value[index].detach() for name, value in self._state().items()}

    def finite(self) -> list[bool]:
        """For each candidate, whether its parameters and buffers are finite."""
        flags = torch.ones(self.size, dtype=torch.bool, device=self.device)
        for tensor in self._state().values():
            if tensor.is_floating_point():
                flags &= torch.isfinite(tensor).reshape(self.size, -1).all(dim=1)
        return [bool(flag) for flag in flags]

    def forward(self, inputs: Tensor, per_candidate: bool = False) -> Tensor:
        """Outputs of all networks.

        Args:
            inputs: (B, ...), or (C, B, ...) if ``per_candidate``.
            per_candidate: Whether each network has inputs of its own.

        Returns:
            (C, B, n, ...).
        """
        return self._outputs(self._state(), inputs, per_candidate)

    def _outputs(self, state: State, inputs: Tensor, per_candidate: bool = False) -> Tensor:
        network = self._skeleton[0]

        def one(own: State, x: Tensor) -> Tensor:
            return functional_call(network, own, (x,))  # type: ignore[no-any-return]

        call = torch.vmap(one, in_dims=(0, 0 if per_candidate else None), randomness="same")
        return call(state, inputs)

    def _losses(self, state: State, inputs: Tensor, target: Tensor) -> Tensor:
        own = bool(self.seed_index)
        if own:
            inputs, target = inputs[self.seed_index], target[self.seed_index]
        return self.losses(self._outputs(state, inputs, own), target, own)  # type: ignore[no-any-return]

    def training_step(self, batch: Batch, batch_idx: int) -> State:
        """The sum of the candidates' losses, and each of them."""
        self._follow_mode()
        compiled_step = None if self._compiled is None else self._compiled(self._state(), *batch)
        if compiled_step is None:
            losses, self._gradients = self._losses(self._state(), *batch), None
        else:
            losses, self._gradients = compiled_step
        return {"loss": losses.sum(), "losses": losses.detach()}

    def backward(self, loss: Tensor, *args: Any, **kwargs: Any) -> None:
        """Compute the gradients, or put those in place that a compiled step came with."""
        if self._gradients is None:
            super().backward(loss, *args, **kwargs)
            return
        for name, parameter in zip(self._parameter_names, self.stacked, strict=True):
            parameter.grad = self._gradients.get(name)

    def optimizer_step(
        self, epoch: int, batch_idx: int, optimizer: Any, optimizer_closure: Any = None
    ) -> None:
        """Go each candidate's share of the way that the optimiser goes."""
        if self.lr_scales is None or all(rate == 1 for rate in self.lr_scales):
            super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
            return
        before = [parameter.detach().clone() for parameter in self.stacked]
        super().optimizer_step(epoch, batch_idx, optimizer, optimizer_closure)
        with torch.no_grad():
            for parameter, start in zip(self.stacked, before, strict=True):
                shares = torch.tensor(self.lr_scales, dtype=start.dtype, device=start.device)
                shape = [-1] + [1] * (start.dim() - 1)
                parameter.copy_(torch.lerp(start, parameter, shares.view(shape)))

    def on_validation_epoch_start(self) -> None:
        """Forget the last validation."""
        self._sums, self._counts = {}, {}
        for metric in self._metrics():
            metric.reset()

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Each candidate's loss and metric on a batch."""
        self._follow_mode()
        inputs, target = batch
        own = self.validates_by_seed
        if own:
            inputs, target = inputs[self.seed_index], target[self.seed_index]
        outputs = self(inputs, own)
        targets = target if own else [target] * self.size
        for metric, output, one in zip(self._metrics(), outputs, targets, strict=True):
            metric.update(output.contiguous(), one)  # torchmetrics takes views of them
        self.add_scores("val_loss", self.losses(outputs, target, own), outputs.shape[1])

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
