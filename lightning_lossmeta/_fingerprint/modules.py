"""What a fingerprint says of modules and optimisers."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from lightning_lossmeta._fingerprint.walk import Walk, class_name, describe_value, own_state

#: What PyTorch and Lightning keep in every module and optimiser beside what is its own.
_MODULE_INTERNALS = {*vars(pl.LightningModule()), "_hparams_initial", "_hparams_name"} - {
    "training",
    "_automatic_optimization",
}
_OPTIMIZER_INTERNALS = {
    *vars(torch.optim.SGD([torch.zeros(1)])),
    "step",  # a schedule wraps it
    "_opt_called",
} - {"defaults"}

#: Hooks that take part in a forward or backward pass.
_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


@describe_value.register
def _module(value: nn.Module, walk: Walk) -> Any:
    state = own_state(value)
    described = {"class": class_name(type(value), walk)}
    plain = {name: item for name, item in state.items() if name not in _MODULE_INTERNALS}
    if plain.pop("training", True) is False:
        plain["training"] = False
    plain |= {name: list(hooks.values()) for name in _HOOKS if (hooks := state.get(name))}
    for name, tensor in value._parameters.items():
        described[name] = walk.parameter(name, tensor)
    described |= walk.attributes({**value._buffers, **value._modules, **plain})
    if len(value._modules) > 1:
        described["order"] = ", ".join(value._modules)
    return described


@describe_value.register
def _optimizer(value: Optimizer, walk: Walk) -> Any:
    own = {name: item for name, item in vars(value).items() if name not in _OPTIMIZER_INTERNALS}
    return {
        "class": class_name(type(value), walk),
        **walk.attributes({**own, "param_groups": value.param_groups}),
    }


@describe_value.register
def _handle(value: RemovableHandle, walk: Walk) -> Any:
    """Describe a hook's handle by its class: its number counts the hooks of the process."""
    return {"class": class_name(type(value), walk)}
