"""Metrics that are made of the loss are no fitness."""

from functools import partial

import pytest
import torch
from small_search import small_search
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta import (
    MLP,
    DigitsDataModule,
    FGSMFitness,
    Objective,
    Session,
    SupervisedModule,
    Task,
    TrainerEvaluator,
)
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.search.loss_dependence import check_loss_dependence


class LogsMuch(StrangersNet):
    """Logs the loss, functions of it, and metrics of the predictions."""

    def validation_step(self, batch, batch_idx):
        x, y = batch
        output = self(x)
        loss = self.loss_fn(output, y)
        self.log("val_acc", (output.argmax(dim=1) == y).float().mean())
        self.log("val_ce", nn.functional.cross_entropy(output, y))
        self.log("val_loss", loss)
        self.log("val_perplexity", loss.exp())
        self.log("val_score", 0.5 * (output.argmax(dim=1) == y).float().mean() - 0.01 * loss)


class OnlyLoss(StrangersNet):
    def validation_step(self, batch, batch_idx):
        self.log("val_loss", self.loss_fn(self(batch[0]), batch[1]))


class Random(StrangersNet):
    """Dropout in validation: what it logs is random, but not made of the loss."""

    def validation_step(self, batch, batch_idx):
        output = nn.functional.dropout(self(batch[0]), 0.5, training=True)
        self.log("val_acc", (output.argmax(dim=1) == batch[1]).float().mean())


def _task(module, *monitors, mode="max"):
    objectives = tuple(Objective(name, mode) for name in monitors)
    return Task(module, BlobsData(), Session(steps=5, objectives=objectives, accelerator="cpu"))


@pytest.mark.parametrize("monitor", ["val_loss", "val_perplexity", "val_score"])
def test_a_function_of_the_loss_is_refused_with_what_else_is_logged(monitor):
    with pytest.raises(ValueError, match=r"\['val_acc', 'val_ce'\], which do not") as caught:
        check_loss_dependence(_task(LogsMuch(), monitor, mode="min"), CrossEntropy())
    assert f"got ['{monitor}']" in str(caught.value)


def test_one_of_several_objectives_is_enough():
    with pytest.raises(ValueError, match=r"got \['val_loss'\]"):
        check_loss_dependence(_task(LogsMuch(), "val_acc", "val_loss"), CrossEntropy())
    with pytest.raises(ValueError, match="log a metric of the predictions alone"):
        check_loss_dependence(_task(OnlyLoss(), "val_loss"), CrossEntropy())


def test_metrics_of_the_predictions_pass_and_random_state_is_left_alone():
    torch.manual_seed(3)
    before = torch.get_rng_state()
    for module, monitor in ((LogsMuch(), "val_acc"), (LogsMuch(), "val_ce"), (Random(), "val_acc")):
        torch.set_rng_state(before)
        check_loss_dependence(_task(module, monitor), CrossEntropy())
        assert torch.equal(torch.get_rng_state(), before)


class AsksItsLoss(StrangersNet):
    """Uses more of its loss than a call, so that no other loss can take its place."""

    def validation_step(self, batch, batch_idx):
        losses = self.loss_fn.per_sample(self(batch[0]), batch[1])
        self.log("val_acc", (losses < 1).float().mean())


def test_what_can_not_be_found_out_is_not_refused():
    check_loss_dependence(_task(AsksItsLoss(), "val_acc"), CrossEntropy())


def test_a_fitness_of_a_callback_passes():
    module = SupervisedModule(MLP(64, [8], 10), optimizer=partial(torch.optim.SGD, lr=0.1))
    session = Session(steps=5, accelerator="cpu")
    task = FGSMFitness(0.1).configure_task(Task(module, DigitsDataModule(), session))
    check_loss_dependence(task, CrossEntropy())


def test_a_search_refuses_it_before_any_training(tmp_path):
    with pytest.raises(ValueError, match=r"'val_accuracy'\], which do not"):
        small_search(
            tmp_path / "run",
            objectives=(Objective("val_loss", "min"),),
            evaluator=TrainerEvaluator(),
        )
    assert not (tmp_path / "run" / "history.jsonl").exists()
