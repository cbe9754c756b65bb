import math

import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.optim import lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta.callbacks import LearningRateFactor

STEPS = 12


def _warm_up_then_cosine(optimizer):
    parts = [
        lr_scheduler.LinearLR(optimizer, 0.2, total_iters=4),
        lr_scheduler.CosineAnnealingLR(optimizer, 8, eta_min=0.01),
    ]
    return lr_scheduler.SequentialLR(optimizer, parts, milestones=[4])


def _chained(optimizer):
    parts = [
        lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step)),
        lr_scheduler.StepLR(optimizer, 3),
    ]
    return lr_scheduler.ChainedScheduler(parts)


SCHEDULES = {
    "none": None,
    "lambda": lambda o: lr_scheduler.LambdaLR(o, lambda step: math.exp(-step)),
    "step": lambda o: lr_scheduler.StepLR(o, 4),
    "cosine": lambda o: lr_scheduler.CosineAnnealingLR(o, STEPS, eta_min=0.02),
    "restarts": lambda o: lr_scheduler.CosineAnnealingWarmRestarts(o, 5, eta_min=0.02),
    "one cycle": lambda o: lr_scheduler.OneCycleLR(o, 0.7, total_steps=STEPS + 1),
    "cyclic": lambda o: lr_scheduler.CyclicLR(o, 0.1, 0.7, step_size_up=3),
    "polynomial": lambda o: lr_scheduler.PolynomialLR(o, STEPS),
    "sequential": _warm_up_then_cosine,
    "chained": _chained,
}


class Scheduled(pl.LightningModule):
    def __init__(self, schedule):
        super().__init__()
        self.schedule = schedule
        self.net = nn.Linear(2, 2)
        self.rates = []

    def training_step(self, batch, batch_idx):
        self.rates.append([group["lr"] for group in self.trainer.optimizers[0].param_groups])
        return self.net(batch[0]).square().mean()

    def configure_optimizers(self):
        groups = [{"params": [self.net.weight]}, {"params": [self.net.bias], "lr": 0.05}]
        optimizer = torch.optim.SGD(groups, lr=0.5, momentum=0.9)
        if self.schedule is None:
            return optimizer
        scheduler = {"scheduler": self.schedule(optimizer), "interval": "step"}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


def _trainer(callbacks, steps=STEPS, **changes):
    settings = {"logger": False, "enable_checkpointing": False} | changes
    return pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


def _data():
    return DataLoader(TensorDataset(torch.ones(8, 2)), batch_size=2)


@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_the_whole_schedule_is_multiplied(schedule):
    plain, scaled = Scheduled(schedule), Scheduled(schedule)
    _trainer([]).fit(plain, _data())
    _trainer([LearningRateFactor(0.1)]).fit(scaled, _data())
    rates, expected = torch.tensor(scaled.rates), 0.1 * torch.tensor(plain.rates)
    assert len(rates) == STEPS
    torch.testing.assert_close(rates, expected)


@pytest.mark.parametrize("before", [None, 0.1, 0.3], ids=["plain", "same", "other"])
@pytest.mark.parametrize("schedule", SCHEDULES.values(), ids=SCHEDULES)
def test_a_fit_that_goes_on_has_its_own_factor(tmp_path, schedule, before):
    whole = Scheduled(schedule)
    _trainer([]).fit(whole, _data())
    first = _trainer(
        [LearningRateFactor(before)] if before else [],
        4,
        enable_checkpointing=True,
        default_root_dir=tmp_path,
    )
    first.fit(Scheduled(schedule), _data())
    path = tmp_path / "cut.ckpt"
    first.save_checkpoint(path)
    callback = LearningRateFactor(0.1)
    for _ in range(2):  # one callback may serve several fits
        resumed = Scheduled(schedule)
        _trainer([callback]).fit(resumed, _data(), ckpt_path=path)
        expected = 0.1 * torch.tensor(whole.rates[4:])
        torch.testing.assert_close(torch.tensor(resumed.rates), expected)
    fresh = Scheduled(schedule)
    _trainer([callback]).fit(fresh, _data())
    torch.testing.assert_close(torch.tensor(fresh.rates), 0.1 * torch.tensor(whole.rates))


@pytest.mark.parametrize("factor", [0.0, -1.0, math.nan])
def test_refuses(factor):
    with pytest.raises(ValueError, match="`factor` to be"):
        LearningRateFactor(factor)
