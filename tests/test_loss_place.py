"""Losses under another name than ``loss_fn``."""

import copy
import pickle
from functools import partial

import pytest
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.nn import functional

from lightning_lossmeta._loss_place import found_losses
from lightning_lossmeta.callbacks import InjectLoss
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.task import Objective, Session, Task

FAMILY = TaylorFamily(start="mse")
SESSION = Session(steps=5, objectives=(Objective("val_acc"),), accelerator="cpu")


class WithCriterion(StrangersNet):
    def __init__(self, criterion=None):
        super().__init__()
        del self.loss_fn
        self.criterion = criterion or nn.CrossEntropyLoss()

    def training_step(self, batch, batch_idx):
        return self.criterion(self(batch[0]), batch[1])


def test_a_loss_under_another_name_is_learned_alike():
    candidate = FAMILY.space.sample(1)
    with_function = partial(WithCriterion, functional.cross_entropy)
    tasks = [Task(StrangersNet, BlobsData(), SESSION)] + [
        Task(make, BlobsData(), SESSION, loss_attribute="criterion")
        for make in (WithCriterion, with_function)
    ]
    usual, *others = [TrainerEvaluator().evaluate([candidate], FAMILY, [t])[0] for t in tasks]
    for other in others:
        assert other.curves["train_loss"] == usual.curves["train_loss"]
        assert other.fitness == usual.fitness


def test_copies_and_pickles_call_their_own_loss():
    module = Task(WithCriterion(), BlobsData(), loss_attribute="criterion").fresh_module()
    assert isinstance(module.loss_fn, nn.CrossEntropyLoss)
    for other in (copy.deepcopy(module), pickle.loads(pickle.dumps(module))):
        other.loss_fn = nn.MSELoss()
        assert other.criterion(torch.zeros(2), torch.ones(2)) == 1
    assert isinstance(module.loss_fn, nn.CrossEntropyLoss)


def test_the_message_names_the_losses_of_the_module():
    assert found_losses(WithCriterion()) == ["criterion"]
    assert found_losses(WithCriterion(functional.nll_loss)) == ["criterion"]
    with pytest.raises(TypeError, match=r"`self.criterion`: give --loss_attribute criterion"):
        Task(WithCriterion(), BlobsData()).fresh_module()
    with pytest.raises(TypeError, match=r"attribute `critrion`.*--loss_attribute criterion"):
        Task(WithCriterion(), BlobsData(), loss_attribute="critrion").fresh_module()


def test_two_losses_are_refused():
    module = StrangersNet()
    module.criterion = nn.CrossEntropyLoss()
    with pytest.raises(TypeError, match=r"one loss, `criterion`, got `loss_fn` too"):
        Task(module, BlobsData(), loss_attribute="criterion").fresh_module()


def test_injected_under_its_name_and_given_back(tmp_path):
    from lightning_lossmeta.artifacts import Artifact

    path = tmp_path / "loss.json"
    Artifact.of(FAMILY, FAMILY.space.sample(0)).save(path)
    module, inject = WithCriterion(), InjectLoss(path, loss_attribute="criterion")
    own = module.criterion
    inject.setup(None, module, "fit")
    assert module.criterion is inject.loss
    inject.teardown(None, module, "fit")
    assert module.criterion is own
