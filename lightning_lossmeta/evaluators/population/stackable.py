"""Which modules a population can be stacked of."""

from __future__ import annotations

import torch

from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.plain_training import overridden_hook
from lightning_lossmeta.task import Session

#: Optimisers whose update of a number depends on that number's own history alone.
ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.ASGD,
)

#: Those whose step is not proportional to the learning rate.
_OTHERWISE_SCALED = (torch.optim.Rprop, torch.optim.ASGD)

#: Hooks that no inner fit calls.
_UNUSED = {"test_step", "predict_step"}


def stacking_obstacle(module: object, session: Session) -> str | None:
    """Say what keeps a module from being stacked in a session; ``None`` if nothing does.

    Args:
        module: A task's module.
        session: The task's session, some of whose settings can't be had in a stack.
    """
    if not isinstance(module, SupervisedModule):
        return (
            f"expected a SupervisedModule, whose training step is known to be "
            f"loss_fn(self(inputs), target), got {type(module).__name__}; use TrainerEvaluator or "
            "ProcessEvaluator."
        )
    if name := overridden_hook(type(module), but=_UNUSED):
        return f"{type(module).__name__} overrides {name}, which a stack would not call."
    if session.precision.startswith("16"):
        return "16-bit floats share one loss scale over all candidates; use bf16-mixed."
    if session.gradient_clip_val is not None and session.gradient_clip_algorithm != "value":
        return "clipping by global norm would couple the candidates; clip by value."
    optimizer = _optimizer(module)
    if type(optimizer) not in ELEMENTWISE:
        known = ", ".join(kind.__name__ for kind in ELEMENTWISE)
        return f"{type(optimizer).__name__} is not known to be element-wise; known are {known}."
    return None


def steps_follow_rate(module: SupervisedModule) -> bool:
    """Whether the optimiser's steps are proportional to its learning rate."""
    return not isinstance(_optimizer(module), _OTHERWISE_SCALED)


def _optimizer(module: SupervisedModule) -> torch.optim.Optimizer:
    return module.optimizer([torch.nn.Parameter(torch.zeros(1))])
