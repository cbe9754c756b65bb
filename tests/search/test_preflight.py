"""Whether model, data and loss fit, on tasks of regression."""

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta import MLP, DigitsDataModule, SupervisedModule, Task
from lightning_lossmeta.data import DiabetesDataModule
from lightning_lossmeta.families import ExpressionLoss, TaylorLoss
from lightning_lossmeta.losses import (
    BinaryCrossEntropy,
    CrossEntropy,
    Identity,
    RegressionSquaredError,
    Sigmoid,
)
from lightning_lossmeta.search.preflight import check_loss, check_task

SQUARED = ("square(sub(f, y))", [1, 1, 1])


def _task(outputs=1, inputs=10, data=None):
    module = SupervisedModule(MLP(inputs, [4], outputs), RegressionSquaredError())
    return Task(module, DiabetesDataModule() if data is None else data)


def test_a_regression_has_no_class_count():
    assert check_task(_task()) is None


def test_inputs_that_the_network_does_not_take_are_told_before_training():
    with pytest.raises(ValueError, match=r"take inputs of shape \(100, 10\)"):
        check_task(_task(inputs=9))


@pytest.mark.parametrize(
    "loss", [RegressionSquaredError(), ExpressionLoss(*SQUARED, link=Identity())]
)
def test_losses_for_regression_pass_where_shapes_agree(loss):
    check_loss(loss, _task(), "x")
    with pytest.raises(ValueError, match=r"one shape .* got \(2, 3\) and \(2, 1\)"):
        check_loss(loss, _task(outputs=3), "x")


@pytest.mark.parametrize("loss", [CrossEntropy(), ExpressionLoss(*SQUARED)])
def test_losses_for_classification_are_refused_on_one_output(loss):
    with pytest.raises(ValueError, match=r"got 'x', which is .* one logit .*problem=\"binary\""):
        check_loss(loss, _task(), "x")


def test_losses_for_regression_are_refused_on_class_indices():
    task = _task(10, 64, DigitsDataModule())
    check_loss(CrossEntropy(), task, "x")
    with pytest.raises(ValueError, match="targets of DigitsDataModule are class indices, got 'x'"):
        check_loss(RegressionSquaredError(), task, "x")


def test_a_learned_loss_is_seen_through():
    wrapped = nn.Module()
    wrapped.loss = ExpressionLoss(*SQUARED)
    with pytest.raises(ValueError, match="got 'x'"):
        check_loss(wrapped, _task(), "x")


class _OwnStep(SupervisedModule):
    def training_step(self, batch, batch_idx):
        inputs, target = batch
        return self.loss_fn(self(inputs).squeeze(-1), target.squeeze(-1))


class _GaussianLikelihood(nn.Module):
    def forward(self, output, target):
        return nn.functional.gaussian_nll_loss(output[:, :1], target, output[:, 1:].exp())


def test_what_is_not_of_this_package_passes():
    check_loss(_GaussianLikelihood(), _task(outputs=2), "x")
    check_loss(RegressionSquaredError(), Task(_OwnStep(MLP(10, [4], 2)), DiabetesDataModule()), "x")
    check_loss(RegressionSquaredError(), Task(StrangersNet(), BlobsData()), "x")


class _Triples(pl.LightningDataModule):
    def train_dataloader(self):
        return [(torch.zeros(2, 10), torch.zeros(2, 1), torch.zeros(2))]


def test_batches_that_are_no_pairs_pass():
    task = _task(data=_Triples())
    assert check_task(task) is None
    check_loss(CrossEntropy(), task, "x")


class _Labelled(pl.LightningDataModule):
    """Ten inputs, and targets that are given."""

    def __init__(self, target):
        super().__init__()
        self.target = target

    def train_dataloader(self):
        return [(torch.zeros(len(self.target), 10), self.target)]


ONE = torch.tensor([0, 1, 1, 0])
SEVERAL = torch.tensor([[0, 1, 1], [0, 0, 0], [1, 1, 1], [1, 0, 0]])
BINARY = [(1, ONE[:, None]), (1, ONE), (3, SEVERAL)]


@pytest.mark.parametrize(("outputs", "target"), BINARY)
@pytest.mark.parametrize("kind", [torch.float32, torch.long, torch.bool])
def test_binary_tasks_take_binary_losses_alone(outputs, target, kind):
    task = _task(outputs, data=_Labelled(target.to(kind)))
    assert check_task(task) is None
    for loss in (BinaryCrossEntropy(), TaylorLoss([0.1] * 8, link=Sigmoid())):
        check_loss(loss, task, "x")
    for loss in (CrossEntropy(), TaylorLoss([0.1] * 8)):
        with pytest.raises(ValueError, match=r'got \'x\', which .* problem="binary"'):
            check_loss(loss, task, "x")


def test_binary_losses_are_refused_on_class_indices():
    task = _task(10, 64, DigitsDataModule())
    with pytest.raises(ValueError, match=r"got 'x', which is for problem='binary'\. .*one shape"):
        check_loss(BinaryCrossEntropy(), task, "x")


def test_the_index_that_is_ignored_is_no_class():
    task = _task(3, data=_Labelled(torch.tensor([0, -100, 2, 1])))
    assert check_task(task) == 3
    check_loss(CrossEntropy(), task, "x")
    assert check_task(_task(3, data=_Labelled(torch.full((4,), -100)))) == 3
    for label in (-1, 3, 255):
        with pytest.raises(ValueError, match="class indices from 0 to 2"):
            check_task(_task(3, data=_Labelled(torch.tensor([0, -100, label]))))
