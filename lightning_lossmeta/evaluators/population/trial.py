"""A stack is tried before it is trusted: does it compute what one network computes?"""

from __future__ import annotations

import copy
from typing import cast

import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.modules.transfer import transferred
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import training_view
from lightning_lossmeta.training.session import quiet_lightning

#: Samples that the networks see.
SAMPLES = 8

#: Sums over other widths are rounded differently; what differs by more is another computation.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-4


def trial_obstacle(task: Task) -> str | None:
    """What a stack of a task's networks would compute otherwise than one network, or ``None``.

    One network and a stack of two copies pass over the same samples in training mode, with the same
    random numbers. Outputs and buffers must agree. They do not where ``forward`` assigns a buffer
    anew instead of changing it in place, which a stack never sees, or draws random numbers in the
    shape of a hidden layer.

    Args:
        task: With a :class:`~lightning_lossmeta.modules.SupervisedModule`. If one network by itself
            fails, there is no obstacle: fits meet the error again and report it.
    """
    module = cast(SupervisedModule, task.fresh_module())
    with isolate_rng(), quiet_lightning():
        alone = copy.deepcopy(module.network).train()
        try:
            inputs = _inputs(module, task)
            seed_all(task.seed)
            with torch.no_grad():
                expected = alone(inputs)
        except Exception:  # the user's code may raise anything
            return None
        stack = PopulationModule(module, [CrossEntropy(), CrossEntropy()], ["trial"] * 2)
        stack.train()
        stack._follow_mode()
        seed_all(task.seed)
        try:
            with torch.no_grad():
                outputs = stack(inputs)
        except Exception as error:  # vmap's rules are many
            reason = str(error).strip().splitlines()[0]
            return f"its network can't be run by torch.vmap ({reason}); use TrainerEvaluator."
    if not isinstance(expected, Tensor) or not _agree(expected, outputs[0]):
        return (
            "its network computes something else in a stack, as one does that draws random numbers "
            "in the shape of a hidden layer; use TrainerEvaluator."
        )
    return _buffers_obstacle(alone, stack.state_of(0))


def _buffers_obstacle(alone: nn.Module, stacked: dict[str, Tensor]) -> str | None:
    for name, buffer in alone.named_buffers():
        if not _agree(buffer, stacked[name]):
            return (
                f"its buffer `{name}` changes in training, but not in a stack: have forward change "
                "it in place (`.copy_`, `.mul_`) instead of assigning another tensor, or use "
                "TrainerEvaluator."
            )
    return None


def _inputs(module: SupervisedModule, task: Task) -> Tensor:
    view = training_view(task)
    batch = next(iter(view.train_dataloader()))
    inputs, _ = transferred(batch, module, view, torch.device("cpu"))
    first: Tensor = inputs[:SAMPLES]
    return first


def _agree(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape:
        return False
    return torch.allclose(
        one.double(), other.double(), rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True
    )
