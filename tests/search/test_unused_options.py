"""What no training of a search would see is refused, not ignored."""

import pytest
from pytorch_lightning.callbacks import EarlyStopping, LearningRateMonitor, ModelCheckpoint

from lightning_lossmeta import InvariantCheck, MetaLossTrainer
from lightning_lossmeta.search.unused_options import refuse_unused_options


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"max_epochs": 3}, r"no `max_epochs`.*got 3,.*session\.steps"),
        ({"max_steps": 100}, r"no `max_.*session\.steps"),
        ({"min_steps": 5}, r"no `min_steps`"),
        ({"accumulate_grad_batches": 4}, r"no `accumulate_grad_batches`.*larger batches"),
        ({"limit_train_batches": 2}, r"no `limit_train_batches`.*train_samples"),
        ({"limit_val_batches": 0.5}, r"no `limit_val_batches`"),
        ({"overfit_batches": 1}, r"no `overfit_batches`"),
        ({"fast_dev_run": True}, r"no `fast_dev_run`.*--dry_run"),
        ({"callbacks": [EarlyStopping("val_acc")]}, r"MetaCallback, got EarlyStopping"),
        ({"callbacks": [LearningRateMonitor()], "logger": True}, r"got LearningRateMonitor"),
        ({"max_time": "00:01:00:00"}, r"got Timer"),
    ],
)
def test_refused_with_what_to_give_instead(given, message, tmp_path):
    options = {"accelerator": "cpu", "logger": False, "default_root_dir": tmp_path} | given
    with pytest.raises(ValueError, match=message):
        refuse_unused_options(MetaLossTrainer(**options))


def test_what_lightning_adds_and_what_takes_part_passes(tmp_path):
    refuse_unused_options(MetaLossTrainer(default_root_dir=tmp_path))
    callbacks = [InvariantCheck(), ModelCheckpoint()]
    refuse_unused_options(MetaLossTrainer(accelerator="cpu", callbacks=callbacks, precision=64))
