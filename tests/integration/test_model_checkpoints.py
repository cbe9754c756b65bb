"""A model trained with a learned loss can be loaded with it, or with another one."""

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta.artifacts import Artifact, LearnedLoss
from lightning_lossmeta.callbacks import InjectLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import SupervisedModule


@pytest.fixture
def path(tmp_path):
    family = NormalisedFamily(TaylorFamily(start="mse"), 3, eta=3.0)
    Artifact.of(family, Candidate(None, family.space.start)).save(tmp_path / "learned.json")
    return tmp_path / "learned.json"


def _network():
    return nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 3))


def _trained(module, tmp_path, callbacks=()):
    trainer = pl.Trainer(
        max_steps=4,
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=list(callbacks),
    )
    trainer.fit(module, datamodule=BlobsData())
    trainer.save_checkpoint(tmp_path / "model.ckpt")
    return trainer, module


def _same_weights(one, other):
    return all(map(torch.equal, one.parameters(), other.parameters()))


def test_loaded_by_hand_with_the_same_or_another_loss(path, tmp_path):
    _, module = _trained(SupervisedModule(_network(), LearnedLoss(path)), tmp_path)
    for loss in (LearnedLoss(path), CrossEntropy(), nn.CrossEntropyLoss()):
        loaded = SupervisedModule.load_from_checkpoint(
            tmp_path / "model.ckpt", network=_network(), loss_fn=loss
        )
        assert _same_weights(loaded, module)
        assert loaded.loss_fn is loss


def test_the_checkpoint_does_not_know_the_loss(path, tmp_path):
    _trained(SupervisedModule(_network(), LearnedLoss(path)), tmp_path)
    state = torch.load(tmp_path / "model.ckpt", weights_only=True)["state_dict"]
    assert not [name for name in state if name.startswith("loss_fn")]


def test_a_fit_goes_on_from_it(path, tmp_path):
    _trained(SupervisedModule(_network(), LearnedLoss(path)), tmp_path)
    module = SupervisedModule(_network(), LearnedLoss(path))
    trainer = pl.Trainer(
        max_steps=6,
        accelerator="cpu",
        logger=False,
        default_root_dir=tmp_path,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    trainer.fit(module, datamodule=BlobsData(), ckpt_path=tmp_path / "model.ckpt")
    assert trainer.global_step == 6


def test_of_a_stranger_whose_loss_was_injected(path, tmp_path):
    _, module = _trained(StrangersNet(), tmp_path, [InjectLoss(path)])
    loaded = StrangersNet.load_from_checkpoint(tmp_path / "model.ckpt")
    assert _same_weights(loaded, module)
    assert isinstance(loaded.loss_fn, nn.CrossEntropyLoss)
