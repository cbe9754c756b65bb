"""Where in a LightningModule its loss is, and how another gets there."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from torch import nn
from torch.nn.modules.loss import _Loss

#: The attribute that this package itself looks for.
USUAL = "loss_fn"


def check_loss_place(module: pl.LightningModule, attribute: str = USUAL) -> None:
    """Refuse a module in which no loss can be put.

    Args:
        module: The module that is to be trained.
        attribute: The name of the attribute that its training step calls.

    Raises:
        TypeError: If it has no such attribute, or its class has it, which hides what is put there;
            names the losses that it has.
    """
    kind = type(module).__name__
    if not hasattr(module, attribute):
        raise TypeError(
            f"Expected {kind} to have an attribute `{attribute}`, which its training_step calls as "
            f"self.{attribute}(output, target): the learned loss is put there.{_advice(module)}"
        )
    if hasattr(type(module), attribute):
        raise TypeError(
            f"Expected {kind} to set its attribute `{attribute}` in __init__, got one of the class "
            "(a method, property or class variable), which would hide the learned loss."
        )


def found_losses(module: pl.LightningModule) -> list[str]:
    """The attributes of a module that look like losses.

    >>> class Mine(pl.LightningModule):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.criterion, self.norm = nn.CrossEntropyLoss(), nn.BatchNorm1d(3)
    >>> found_losses(Mine())
    ['criterion']
    """
    held: dict[str, Any] = {**vars(module), **module._modules}
    return [name for name, value in held.items() if not name.startswith("_") and _is_loss(value)]


def redirect(module: pl.LightningModule, attribute: str) -> None:
    """Let what a module calls by another name be its ``loss_fn``, whatever is put there.

    Args:
        module: Has its loss under ``attribute``, which becomes its ``loss_fn``.
        attribute: The name that its training step calls.

    Raises:
        TypeError: If it has no such attribute, or a ``loss_fn`` beside it.
    """
    if attribute == USUAL:
        return
    check_loss_place(module, attribute)
    if hasattr(module, USUAL):
        raise TypeError(
            f"Expected {type(module).__name__} to have one loss, `{attribute}`, got `{USUAL}` too: "
            "rename that, or leave `loss_attribute` out."
        )
    own = getattr(module, attribute)
    delattr(module, attribute)
    module.loss_fn = own
    setattr(module, attribute, _CallsLoss(module))


def put_loss(module: pl.LightningModule, attribute: str, loss: Any) -> None:
    """Put a loss into a module, whatever was there.

    Args:
        module: Has a loss.
        attribute: The name of the attribute.
        loss: Its new value.
    """
    if hasattr(module, attribute):
        delattr(module, attribute)  # nn.Module refuses to replace a module by a function
    setattr(module, attribute, loss)


class LossInPlace(pl.Callback):
    """Puts the loss of a module back where its ``setup`` made another, e.g. with class weights.

    Args:
        module: Has the loss that is to be trained with in place.
        attributes: The names that its training step may call it by.
    """

    def __init__(self, module: pl.LightningModule, *attributes: str) -> None:
        self._held = {name: getattr(module, name) for name in attributes if hasattr(module, name)}

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Lightning has called the module's ``setup`` by now."""
        for name, loss in self._held.items():
            if getattr(pl_module, name, None) is not loss:
                put_loss(pl_module, name, loss)


class _CallsLoss(nn.Module):
    """Calls the present ``loss_fn`` of the module that it is part of."""

    def __init__(self, owner: pl.LightningModule) -> None:
        super().__init__()
        self._owner = (owner,)  # in a tuple, since the owner is no part of it

    def forward(self, *arguments: Any, **options: Any) -> Any:
        loss: Any = self._owner[0].loss_fn
        return loss(*arguments, **options)


def _is_loss(value: Any) -> bool:
    name = type(value).__name__ if isinstance(value, nn.Module) else getattr(value, "__name__", "")
    known = isinstance(value, _Loss) or getattr(value, "__module__", "") == "torch.nn.functional"
    return callable(value) and (known or "loss" in name.lower() or "entropy" in name.lower())


def _advice(module: pl.LightningModule) -> str:
    found = found_losses(module)
    if not found:
        return ""
    names = ", ".join(f"`self.{name}`" for name in found)
    return f" It has {names}: give --loss_attribute {found[0]} (loss_attribute in Python)."
