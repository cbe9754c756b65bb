"""Wrong labels are found from how samples are learned, about as well as cleanlab finds them."""

import csv
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import cross_val_predict

from lightning_lossmeta import MLP, DigitsDataModule, SupervisedModule, SuspiciousLabels
from lightning_lossmeta.data import SymmetricNoise
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.theory import attraction

QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
    "limit_val_batches": 0,
}


def _fit(callback, data, epochs, loss=None, more=()):
    torch.manual_seed(0)
    module = SupervisedModule(MLP(64, [32], 10), loss, partial(torch.optim.Adam, lr=3e-3))
    trainer = pl.Trainer(max_epochs=epochs, callbacks=[callback, *more], **QUIET)
    trainer.fit(module, datamodule=data)
    return module


def test_known_flips_come_first_as_in_cleanlab(tmp_path):
    data = DigitsDataModule(batch_size=32, noise=SymmetricNoise(0.2))
    clean = DigitsDataModule(batch_size=32)
    path = tmp_path / "new" / "suspicious.csv"
    _fit(SuspiciousLabels(str(path)), data, 8)
    noisy, true = data.splits.train.targets, clean.splits.train.targets
    wrong = (noisy != true).numpy()
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    index = [int(row["index"]) for row in rows]
    # Every sample that a batch held: the last, incomplete one of an epoch is left out.
    assert len(set(index)) == len(index) > 0.99 * len(noisy)
    assert [int(row["label"]) for row in rows] == noisy[index].tolist()
    margins = [float(row["margin"]) for row in rows]
    assert margins == sorted(margins)
    found = roc_auc_score(wrong[index], -np.array(margins))
    suspects = [row for row in rows[: int(wrong.sum())] if wrong[int(row["index"])]]
    right = [int(row["suggested"]) == true[int(row["index"])] for row in suspects]
    assert found > 0.95
    assert np.mean(right) > 0.9

    rank = pytest.importorskip("cleanlab.rank")
    model = LogisticRegression(max_iter=200)
    h = cross_val_predict(
        model,
        data.splits.train.inputs.flatten(1).numpy(),
        noisy.numpy(),
        cv=3,
        method="predict_proba",
    )
    scores = rank.get_label_quality_scores(noisy.numpy(), h)
    assert found > roc_auc_score(wrong[index], -scores[index]) - 0.02


def test_figures_are_those_of_the_predictions_before_each_step(tmp_path):
    """With a rate of 0 these are the same in each epoch."""
    data = DigitsDataModule(batch_size=10, train_size=40)
    callback = SuspiciousLabels(str(tmp_path / "a.csv"), skip_epochs=1)
    torch.manual_seed(0)
    module = SupervisedModule(
        torch.nn.Sequential(torch.nn.Dropout(0.5), MLP(64, [8], 10)),
        optimizer=partial(torch.optim.SGD, lr=0.0),
    )
    pl.Trainer(max_epochs=3, callbacks=[callback], **QUIET).fit(module, datamodule=data)
    module.eval()
    logits, target = module(data.splits.train.inputs).double(), data.splits.train.targets
    own = logits[range(40), target]
    margins = own - (logits - 1e9 * torch.nn.functional.one_hot(target, 10)).amax(1)
    pull = attraction(CrossEntropy(), logits, target)
    assert len(callback.rows()) == 40
    for _, index, label, suggested, margin, confidence, strength, visits in callback.rows():
        assert (label, visits, suggested) == (target[index], 2, logits[index].argmax())
        assert margin == pytest.approx(margins[index].item(), abs=1e-5)
        assert confidence == pytest.approx(logits[index].softmax(0)[label].item(), abs=1e-6)
        assert strength == pytest.approx(pull[index].item(), abs=1e-6)
    assert "train_dataloader" not in vars(data)


def test_an_interrupted_fit_leaves_its_file_and_a_loss_of_others_no_attraction(tmp_path):
    class Stop(pl.Callback):
        def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
            if batch_idx == 2:
                raise RuntimeError("stop")

    data = DigitsDataModule(batch_size=10, train_size=40)
    callback = SuspiciousLabels(str(tmp_path / "a.csv"))
    with pytest.raises(RuntimeError, match="stop"):
        _fit(callback, data, 1, torch.nn.CrossEntropyLoss(), [Stop()])
    with (tmp_path / "a.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 30
    assert {row["attraction"] for row in rows} == {""}
    assert "train_dataloader" not in vars(data)


def test_what_it_can_not_judge_is_refused(tmp_path):
    for arguments in ({"path": "a.txt"}, {"path": "a.csv", "skip_epochs": -1}):
        with pytest.raises(ValueError, match=r"Expected argument"):
            SuspiciousLabels(**arguments)
    with pytest.raises(RuntimeError, match="Expected a training"):
        SuspiciousLabels("a.csv").rows()
