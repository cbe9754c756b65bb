"""A batch on its way to a network, through the hooks that Lightning would call."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
import torch


def transferred(
    batch: Any,
    module: pl.LightningModule,
    data: pl.LightningDataModule,
    device: torch.device,
) -> Any:
    """A batch after the transfer hooks of data module or module, as a fit sees it.

    Each of ``on_before_batch_transfer``, ``transfer_batch_to_device`` and
    ``on_after_batch_transfer`` is that of the data module where its class has one, else that of the
    module, as in a Lightning fit.

    Args:
        batch: A batch as a loader gives it.
        module: The module that is trained or scored.
        data: Where the loader came from; hooks that ask for a trainer find the one it knows.
        device: Where the batch goes.
    """
    batch = _hook("on_before_batch_transfer", module, data)(batch, 0)
    batch = _hook("transfer_batch_to_device", module, data)(batch, device, 0)
    return _hook("on_after_batch_transfer", module, data)(batch, 0)


def _hook(name: str, module: pl.LightningModule, data: pl.LightningDataModule) -> Any:
    own = getattr(type(data), name, None)
    overridden = own is not getattr(pl.LightningDataModule, name) or name in vars(data)
    return getattr(data if overridden else module, name)
