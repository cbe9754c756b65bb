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
    """The episodes of a task: each begins with weights of its own and goes on in the training data.

    They depend on the task with its seed and on the settings alone.

    Args:
        task: A :class:`~lightning_lossmeta.modules.SupervisedModule`, data, session and seed.
        base_steps: Steps an episode.
        step_length: In place of the learning rate; ``None`` keeps it.
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
        """The next episode, ``number`` of this task; sets the global generators."""
        task = replace(self.task, seed=derived_seed(self.task.seed, Purpose.WEIGHTS, number))
        network = cast(nn.Module, task.fresh_module().network).to(self.device)
        network.train()
        batches = [self._batch() for _ in range(self.base_steps)]
        seed = derived_seed(self.task.seed, Purpose.FORWARD, number)
        network = network.double() if self._double else network
        return Episode(network, self.rules, batches, seed, self._time(number))

    def _time(self, number: int) -> float:
        """Uniform in [0, 1): weights are always fresh, but every time must leave its mark."""
        seed = derived_seed(self.task.seed, Purpose.EPISODE_PROGRESS, number)
        return float(torch.rand((), generator=torch.Generator().manual_seed(seed)))

    def _batch(self) -> Batch:
        """The next batch, moved and augmented as in a fit; epochs follow each other."""
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
    """What keeps a module's training steps from being unrolled, or ``None``.

    Args:
        module: A task's module.
        session: The inner fit.
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
    """How a task's optimiser updates each parameter; schedules are left out.

    Args:
        module: Of the task.
        task: Its session multiplies the learning rates.
        step_length: In place of the learning rate; ``None`` keeps it.
    """
    factor = task.session.learning_rate_factor
    return {
        name: replace(rule, lr=rule.lr * factor if step_length is None else step_length)
        for name, rule in update_rules(*_optimizer(module)).items()
    }


def _optimizer(
    module: SupervisedModule,
) -> tuple[torch.optim.Optimizer, dict[str, nn.Parameter]]:
    """A fresh optimiser of a module, and the parameters of its network by name."""
    return module.optimizer(module.parameters()), dict(module.network.named_parameters())
