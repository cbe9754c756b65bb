"""Episodes out of a task: fresh weights and the next training batches."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any, cast

import torch
from torch import Tensor, nn

from lightning_lossmeta._seeds import Purpose, derived_seed, seed_all
from lightning_lossmeta.local_search.optimizers import UpdateRule, update_rules
from lightning_lossmeta.local_search.unrolled import Episode
from lightning_lossmeta.modules.plain_training import overridden_hook
from lightning_lossmeta.modules.supervised import Batch, SupervisedModule
from lightning_lossmeta.modules.transfer import transferred
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.data_view import training_view

#: What an episode does by itself, so that a module must not do it otherwise.
_HOOKS = (
    "forward",
    "training_step",
    "configure_optimizers",
    "on_before_batch_transfer",
    "transfer_batch_to_device",
    "on_after_batch_transfer",
)


class Episodes:
    """The episodes of a task, each with fresh weights and the training batches that come next.

    They depend on the task with its seed and on the settings alone: two objects made of the same
    arguments give the same episodes.

    Args:
        task: A :class:`~lightning_lossmeta.modules.SupervisedModule`, data, session and seed.
        base_steps: Training steps of an episode.
        step_length: Takes the place of the learning rate; ``None`` keeps it.
    """

    def __init__(self, task: Task, base_steps: int, step_length: float | None) -> None:
        self.task = task
        self.base_steps = base_steps
        self._module = cast(SupervisedModule, task.fresh_module())
        self.rules = task_rules(self._module, task, step_length)
        self._double = task.session.precision in ("64", "64-true")
        self._data: Any = training_view(task)
        self.device = self._data.trainer.strategy.root_device
        self._loader = self._data.train_dataloader()
        self._batches: Iterator[Any] = iter(())
        self._drawn = 0

    def next(self, number: int) -> Episode:
        """Draw the next episode, number ``number`` of this task; sets the global generators."""
        task = replace(self.task, seed=derived_seed(self.task.seed, Purpose.WEIGHTS, number))
        network = cast(nn.Module, task.fresh_module().network).to(self.device)
        network.train()
        batches = [self._batch() for _ in range(self.base_steps)]
        seed = derived_seed(self.task.seed, Purpose.FORWARD, number)
        network = network.double() if self._double else network
        return Episode(network, self.rules, batches, seed, self._progress(number))

    def _progress(self, number: int) -> float:
        """Draw the training's progress, uniform in [0, 1).

        Weights are always fresh; still, a loss that changes in the course of a training has to be
        refined for all of it.
        """
        seed = derived_seed(self.task.seed, Purpose.EPISODE_PROGRESS, number)
        return float(torch.rand((), generator=torch.Generator().manual_seed(seed)))

    def _batch(self) -> Batch:
        """Give the next batch, moved and augmented as in a fit; epochs follow each other."""
        # Seeded each time: loaders draw their order when they like.
        seed_all(derived_seed(self.task.seed, Purpose.BATCHES, self._drawn))
        self._drawn += 1
        batch = next(self._batches, None)
        if batch is None:
            self._batches = iter(self._loader)
            batch = next(self._batches, None)
        if batch is None:
            raise ValueError(f"Expected training batches of task '{self.task.name}', got none.")
        inputs, target = transferred(batch, self._module, self._data, self.device)
        return self._cast(inputs), self._cast(target)

    def _cast(self, values: Tensor) -> Tensor:
        return values.double() if self._double and values.is_floating_point() else values


def unrolling_obstacle(module: object, session: Session) -> str | None:
    """Say what keeps a module's training steps from being unrolled; ``None`` if nothing does.

    Args:
        module: A task's module.
        session: The task's session, whose settings may not be unrolled either.
    """
    if not isinstance(module, SupervisedModule):
        return (
            "expected a SupervisedModule, whose training step is known to be "
            f"loss_fn(network(inputs), target), got {type(module).__name__}; wrap its network in "
            "one."
        )
    if name := overridden_hook(type(module), _HOOKS):
        return f"{type(module).__name__} overrides {name}, which is not unrolled."
    if session.gradient_clip_val is not None:
        return "clipped gradients are not unrolled; leave `gradient_clip_val` out."
    try:
        rules = update_rules(*_optimizer(module))
    except TypeError as error:
        return str(error)
    return None if rules else f"the optimiser of {type(module).__name__} trains no parameter."


def task_rules(
    module: SupervisedModule, task: Task, step_length: float | None
) -> dict[str, UpdateRule]:
    """The update rules of a task's optimiser by parameter name; schedules are left out.

    Args:
        module: A module of the task.
        task: Its session multiplies the learning rates by a factor.
        step_length: Takes the place of the learning rate; ``None`` keeps it.
    """
    factor = task.session.rate_factor
    return {
        name: replace(rule, lr=rule.lr * factor if step_length is None else step_length)
        for name, rule in update_rules(*_optimizer(module)).items()
    }


def _optimizer(
    module: SupervisedModule,
) -> tuple[torch.optim.Optimizer, dict[str, nn.Parameter]]:
    """Make a module's optimiser anew; also give the parameters of its network by name."""
    return module.optimizer(module.parameters()), dict(module.network.named_parameters())
