import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.utils.data import DataLoader, IterableDataset

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks import InjectLoss
from lightning_lossmeta.callbacks.training_progress import TrainingProgress
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.losses import ProgressDependentLoss

FADING = Candidate("mul(sub(+1, t), square(sub(f, y)))", (1.0,) * 7)


class Noting(ProgressDependentLoss):
    """Cross-entropy that notes when it was called in training."""

    def __init__(self):
        super().__init__()
        self.seen = []

    def per_sample(self, output, target):
        if output.requires_grad:
            self.seen.append(self.progress.item())
        return nn.functional.cross_entropy(output, target, reduction="none")


class Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.ones(6), 0


def _net(loss):
    torch.manual_seed(1)
    module = StrangersNet()
    module.loss_fn = loss
    return module


def _fit(module, callbacks, data=None, **settings):
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        enable_progress_bar=False,
        enable_model_summary=False,
        **{"enable_checkpointing": False, **settings},
    )
    torch.manual_seed(0)
    trainer.fit(module, **(data or {"datamodule": BlobsData()}))
    return trainer


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"max_steps": 4}, [0, 1 / 4, 2 / 4, 3 / 4]),
        ({"max_steps": 1}, [0]),
        ({"max_epochs": 2}, [step / 18 for step in range(18)]),
        ({"max_epochs": 1, "limit_train_batches": 3}, [0, 1 / 3, 2 / 3]),
        ({"max_epochs": 1, "max_steps": 2}, [0, 1 / 2]),
        ({"max_epochs": 3, "max_steps": 99, "limit_train_batches": 1}, [0, 1 / 3, 2 / 3]),
        (
            {"max_epochs": 1, "limit_train_batches": 4, "accumulate_grad_batches": 2},
            [0, 0, 1 / 2, 1 / 2],
        ),
    ],
    ids=lambda value: str(value) if isinstance(value, dict) else "",
)
def test_time_is_steps_done_by_steps_planned(settings, expected):
    loss = Noting()
    _fit(_net(loss), [TrainingProgress()], **settings)
    assert loss.seen == expected


def test_a_resumed_fit_goes_on_where_it_was(tmp_path):
    settings = {"default_root_dir": tmp_path, "enable_checkpointing": True}
    trainer = _fit(_net(Noting()), [TrainingProgress()], max_steps=3, **settings)
    trainer.save_checkpoint(tmp_path / "half.ckpt")
    loss = Noting()
    again = pl.Trainer(
        max_steps=6,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        enable_checkpointing=False,
        callbacks=[TrainingProgress()],
    )
    again.fit(_net(loss), datamodule=BlobsData(), ckpt_path=tmp_path / "half.ckpt")
    assert loss.seen == [3 / 6, 4 / 6, 5 / 6]


@pytest.mark.parametrize("settings", [{"max_epochs": 1}, {"max_steps": -1, "max_epochs": -1}])
def test_a_fit_without_an_end_is_refused_for_timed_losses_alone(settings):
    data = {"train_dataloaders": DataLoader(Endless(), 4)}
    with pytest.raises(ValueError, match="`max_steps`, or with `max_epochs`"):
        _fit(_net(Noting()), [TrainingProgress()], data, **settings)
    stop = {"max_time": {"seconds": 0}}
    _fit(_net(nn.CrossEntropyLoss()), [TrainingProgress()], data, **settings, **stop)


def test_other_losses_train_as_without_it():
    weights = []
    for callbacks in ([], [TrainingProgress()]):
        module = _net(nn.CrossEntropyLoss())
        _fit(module, callbacks, max_steps=3)
        weights.append(torch.cat([value.detach().flatten() for value in module.parameters()]))
    assert torch.equal(*weights)


def test_one_callback_serves_fit_after_fit():
    callback = TrainingProgress()
    for steps in (2, 4):
        loss = Noting()
        _fit(_net(loss), [callback], max_steps=steps)
        assert loss.seen == [step / steps for step in range(steps)]
    _fit(_net(nn.CrossEntropyLoss()), [callback], max_steps=1)


class Watch(pl.Callback):
    def __init__(self):
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.seen.append(pl_module.loss_fn.loss.progress.item())


def test_an_injected_loss_is_told_and_the_learning_rate_still_scaled(tmp_path):
    Artifact(ExpressionFamily(progress=True), FADING).save(tmp_path / "found.json")
    inject = InjectLoss(tmp_path / "found.json", learning_rate_factor=3.0)
    for steps in (4, 2):
        watch = Watch()
        trainer = _fit(_net(nn.CrossEntropyLoss()), [inject, watch], max_steps=steps)
        assert watch.seen == [step / steps for step in range(steps)]
        assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(3 * 0.05)
