"""A metric that depends on the loss can't say which loss is better."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.utilities.seed import isolate_rng
from torch import Tensor, nn

from lightning_lossmeta._seeds import seed_all
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.data_view import prepared_data
from lightning_lossmeta.training.session import quiet_lightning

#: Batches that are validated to find out.
BATCHES = 2


def check_loss_dependence(task: Task, loss: nn.Module) -> None:
    """Refuse objectives that change when the loss alone changes.

    The task's module, with one set of weights, is validated with a loss and with that loss doubled
    and shifted. A metric that differs, as ``val_loss`` does, would rank candidates by the scale of
    their own values: the search would find the loss that is lowest, whatever it trains.

    Args:
        task: Its data module can be set up, its module made.
        loss: Any that the task can be validated with.

    Raises:
        ValueError: If an objective depends on the loss; names the logged metrics that do not.
    """
    plain, changed = (_validated(task, item) for item in (loss, _Changed(loss)))
    if not changed:
        return
    depending = {name for name in plain if not _same(plain[name], changed.get(name))}
    wrong = [item.monitor for item in task.session.objectives if item.monitor in depending]
    if wrong:
        others = sorted(set(plain) - depending)
        advice = (
            f"take one of {others}, which do not"
            if others
            else "log a metric of the predictions alone, such as the accuracy"
        )
        raise ValueError(
            f"Expected metrics that do not depend on the loss as objectives, got {wrong}: the same "
            "weights have other values of it under another loss, so that it would choose the loss "
            f"with the lowest values; {advice} (`monitor` or `session.objectives`)."
        )


class _Changed(nn.Module):
    """Twice a loss, and a number more."""

    def __init__(self, loss: nn.Module) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, *arguments: Any, **options: Any) -> Tensor:
        value: Tensor = self.loss(*arguments, **options)
        return 2 * value + 1


def _validated(task: Task, loss: nn.Module) -> Mapping[str, float]:
    """What a fresh module of the task logs for a few validation batches; nothing if it fails.

    What fails here fails in the first generation too, which says why.
    """
    session = task.session
    with isolate_rng(), quiet_lightning():
        module = task.fresh_module()
        module.loss_fn = copy.deepcopy(loss)
        seed_all(task.seed)
        trainer = pl.Trainer(
            accelerator=session.accelerator,
            devices=session.devices,
            precision=session.precision,  # type: ignore[arg-type]
            callbacks=copy.deepcopy(list(session.callbacks)),
            limit_val_batches=BATCHES,
            inference_mode=False,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        try:
            trainer.validate(module, datamodule=prepared_data(task), verbose=False)
        except Exception:  # the user's code may raise anything; it is met again and reported
            return {}
        return {name: float(value) for name, value in trainer.callback_metrics.items()}


def _same(one: float, other: float | None) -> bool:
    if other is None:
        return False
    tolerance = float(torch.finfo(torch.float32).eps) * 100
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=tolerance, abs_tol=tolerance)
