"""Whose fault an error is: that of the loss in training, or that of the machine and the data.

All candidates of a generation see the same batches on the same machine. So what goes wrong while
data are read, on a disk, in a device or in another process says nothing about a candidate: it stops
the work, which goes on from there once the machine is well again.
"""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

import pytorch_lightning as pl
import torch

from lightning_lossmeta._machine import machine_trouble
from lightning_lossmeta.losses.base import ExactBuffers, LossFunction

#: Where batches are made, in this process or by way of it in those of a data loader.
_READING = ("torch.utils.data", "lightning_lossmeta.data.")

#: A device that is gone, or can't be used any more by this process.
_DEVICE: tuple[type[Exception], ...] = (
    (torch.AcceleratorError,) if hasattr(torch, "AcceleratorError") else ()
)


class MachineError(RuntimeError):
    """The machine or the data failed, no candidate: work stops, and goes on from there later.

    Args:
        reason: What went wrong.

    Attributes:
        advice: How to go on, where that is known.
    """

    advice = ""

    @property
    def reason(self) -> str:
        """What went wrong, without the advice."""
        return str(self.args[0])

    def __str__(self) -> str:
        return f"{self.reason} {self.advice}".strip()


def machine_error(error: BaseException) -> MachineError | None:
    """The error as one of the machine; ``None`` if it may be a loss's or a module's own.

    The machine's are those of the operating system (``OSError``) and of a device, and whatever is
    raised while batches are made. What comes out of a loss is its own, of whatever type.

    Args:
        error: What a training raised, with its traceback.

    >>> machine_error(OSError(5, "Input/output error", "images.zip")).reason
    "Input/output error: 'images.zip'; look at the disk. What was written before is kept."
    >>> machine_error(ValueError("Expected a better loss."))
    """
    if isinstance(error, MachineError):
        return error
    if isinstance(error, _DEVICE) and not isinstance(error, torch.OutOfMemoryError):
        return MachineError(_named(error))  # wherever it comes up: devices report it late
    frames = [frame for frame, _ in traceback.walk_tb(error.__traceback__)]
    reading = max((n for n, frame in enumerate(frames) if _is_reading(frame)), default=-1)
    if max(_of_losses(frames), default=-1) > reading:  # the innermost of them raised it
        return None
    if isinstance(error, OSError):
        return MachineError(machine_trouble(error) or _named(error))
    if reading >= 0:
        return MachineError(f"The data can't be read: {_named(error)}")
    return None


def refuse_machine_error(error: Exception, advice: str = "") -> None:
    """Do nothing about an error that may be a loss's or a module's own.

    Args:
        error: What a training raised.
        advice: How to go on.

    Raises:
        MachineError: If it is one of the machine.
    """
    if (machine := machine_error(error)) is None:
        return
    machine.advice = advice or machine.advice
    if machine is error:
        raise machine
    raise machine from error


@contextmanager
def with_advice(advice: Callable[[], str]) -> Iterator[None]:
    """Say how to go on after what the machine fails with in the block.

    Args:
        advice: Called when something failed.

    Raises:
        MachineError: If the machine failed.
    """
    try:
        yield
    except Exception as error:
        refuse_machine_error(error, advice())
        raise


def _named(error: BaseException) -> str:
    """Type, text and place on one line; of an error in a data loader's process its own."""
    text = str(error)
    if "\nOriginal Traceback" in text:
        return f"{text.strip().splitlines()[-1]}."
    place = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({frame.filename}, line {frame.lineno})" for frame in place)
    return f"{type(error).__name__}: {' '.join(text.split())}{where}."


def _of_losses(frames: list[FrameType]) -> Iterator[int]:
    """The places of frames of a loss, or of what a module in training has for one."""
    held: list[object] = []
    for number, frame in enumerate(frames):
        owner = frame.f_locals.get("self")
        own = owner is not None and any(owner is loss for loss in held)
        if own or isinstance(owner, (LossFunction, ExactBuffers)):
            yield number
        if isinstance(owner, pl.LightningModule) and "loss_fn" in owner._modules:
            held.append(owner.loss_fn)


def _is_reading(frame: FrameType) -> bool:
    owner = frame.f_locals.get("self")
    name = f"{frame.f_globals.get('__name__')}."
    return isinstance(owner, pl.LightningDataModule) or name.startswith(_READING)
