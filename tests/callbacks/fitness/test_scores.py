from dataclasses import replace

import pytest
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.utils.data import TensorDataset
from torchmetrics import MeanSquaredError as MeanSquaredErrorMetric
from torchmetrics.classification import MulticlassCalibrationError

from lightning_lossmeta.callbacks.fitness.comparison_scores import ComparisonScores
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import prepared_data, run_session


def _task(**changes):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    data = changes.pop("data", None) or DigitsDataModule(noise=SymmetricNoise(0.3))
    session = {"steps": 80, "validations": 2, "accelerator": "cpu", "split": "test"}
    session["callbacks"] = (ComparisonScores(),)
    return Task(SupervisedModule(network), data, Session(**(session | changes)))


def _accuracy(network, inputs, targets):
    return (network(inputs).argmax(dim=1) == targets).float().mean().item()


def test_figures_are_those_of_the_trained_network():
    task = _task()
    module = task.fresh_module()
    recorder = run_session(module, task)
    scores = {name: values[0] for name, values in recorder.scores[-1][1].items()}
    module.eval()
    with torch.no_grad():
        splits = task.data.splits
        train, flipped = splits.train, splits.train.flipped
        assert int(flipped.sum()) == round(0.3 * len(flipped))
        expected = {
            "validation_accuracy": _accuracy(module, splits.val.inputs, splits.val.targets),
            "val_accuracy": _accuracy(module, splits.test.inputs, splits.test.targets),
            "train_clean_accuracy": _accuracy(
                module, train.inputs[~flipped], train.targets[~flipped]
            ),
            "train_flipped_accuracy": _accuracy(
                module, train.inputs[flipped], train.targets[flipped]
            ),
        }
        error = MulticlassCalibrationError(10)(
            module(splits.test.inputs).softmax(dim=1), splits.test.targets
        )
    for name, value in expected.items():
        assert scores[name] == pytest.approx(value, abs=1e-6), name
    assert scores["calibration_error"] == pytest.approx(error.item(), abs=1e-5)
    assert scores["train_flipped_accuracy"] < scores["train_clean_accuracy"]


def test_each_network_of_a_stack_has_its_own_figures():
    task = _task()
    stacked = PopulationModule(task.fresh_module(), [CrossEntropy(), MeanSquaredError()], [0, 1])
    together = run_session(stacked, task).scores[-1][1]
    for index, loss in enumerate((CrossEntropy(), MeanSquaredError())):
        module = task.fresh_module()
        module.loss_fn = loss
        alone = run_session(module, task).scores[-1][1]
        for name in ("validation_accuracy", "calibration_error", "train_flipped_accuracy"):
            assert together[name][index] == pytest.approx(alone[name][0], abs=1e-4), name


def test_without_noise_there_is_nothing_to_repeat():
    task = _task(data=DigitsDataModule())
    scores = run_session(task.fresh_module(), task).scores[-1][1]
    assert "validation_accuracy" in scores
    assert "train_clean_accuracy" not in scores


def test_modules_of_others_are_scored_where_they_are_classifiers():
    session = Session(steps=5, accelerator="cpu", callbacks=(ComparisonScores(),))
    task = Task(StrangersNet(), BlobsData(), session)
    assert "validation_accuracy" in run_session(task.fresh_module(), task).scores[-1][1]


class _Regression(StrangersNet):
    def forward(self, x):
        return super().forward(x)[:, 0]

    def training_step(self, batch, batch_idx):
        return self(batch[0]).square().mean()

    def validation_step(self, batch, batch_idx):
        self.log("val_acc", self(batch[0]).mean())


def test_other_forms_are_left_alone():
    session = Session(steps=2, accelerator="cpu", callbacks=(ComparisonScores(),))
    task = Task(_Regression(), BlobsData(), session)
    assert set(run_session(task.fresh_module(), task).scores[-1][1]) >= {"val_acc"}
    assert prepared_data(task).original is task.data


@pytest.mark.parametrize("stacked", [False, True])
@pytest.mark.parametrize("precision", ["64-true", "bf16-true", "bf16-mixed"])
def test_every_precision_has_figures(precision, stacked):
    plain = _task()
    task = _task(precision=precision)
    loss = CrossEntropy()
    module = task.fresh_module()
    module = PopulationModule(module, [loss], [0]) if stacked else module
    scores = run_session(module, task).scores[-1][1]
    expected = run_session(plain.fresh_module(), plain).scores[-1][1]
    names = ("validation_accuracy", "calibration_error", "train_clean_accuracy")
    for name in names:
        assert scores[name][0] == pytest.approx(expected[name][0], abs=0.05), name


class _Scaled(BlobsData):
    """Inputs that only the hook before the network makes what the network is trained on."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        return inputs.flip(1), target


def test_batches_pass_the_hooks_of_the_data():
    task = _task(data=_Scaled())
    network = nn.Linear(6, 3)
    task = replace(task, module=SupervisedModule(network))
    module = task.fresh_module()
    scores = run_session(module, task).scores[-1][1]
    inputs, target = task.data.parts[1].tensors
    expected = _accuracy(module.eval(), inputs.flip(1), target)
    assert scores["validation_accuracy"][0] == pytest.approx(expected, abs=1e-6)
    assert expected > _accuracy(module, inputs, target) + 0.1


class _Soft(BlobsData):
    """Targets that are probabilities of the classes."""

    noise = 0.3

    def setup(self, stage):
        super().setup(stage)
        self.parts = [
            TensorDataset(inputs, torch.eye(3)[target] * (1 - self.noise) + self.noise / 3)
            for inputs, target in (part.tensors for part in self.parts)
        ]


class _Negative(_Soft):
    """Nearly the same, but rows of it add up to something else."""

    noise = -0.2


@pytest.mark.parametrize("precision", ["32-true", "bf16-true"])
def test_soft_labels_are_classes(precision):
    metric = MeanSquaredErrorMetric()
    module = SupervisedModule(nn.Linear(6, 3), loss_fn=nn.CrossEntropyLoss(), metric=metric)
    task = replace(_task(data=_Soft(), precision=precision), module=module)
    fitted = task.fresh_module()
    scores = run_session(fitted, task).scores[-1][1]
    fitted = fitted.float().eval()
    inputs, target = task.data.parts[1].tensors
    accuracy = _accuracy(fitted, inputs, target.argmax(dim=1))
    assert accuracy > 0.8
    assert scores["validation_accuracy"][0] == pytest.approx(accuracy, abs=0.04)
    assert "validation_squared_error" not in scores
    assert 0 <= scores["calibration_error"][0] <= 1


@pytest.mark.parametrize("bad", ["negative", "sums"])
def test_numbers_that_are_no_probabilities_are_regression(bad):
    data = _Negative() if bad == "negative" else _Sums()
    module = SupervisedModule(
        nn.Linear(6, 3), loss_fn=nn.MSELoss(), metric=MeanSquaredErrorMetric()
    )
    task = replace(_task(data=data), module=module)
    scores = run_session(task.fresh_module(), task).scores[-1][1]
    assert "validation_accuracy" not in scores
    assert "validation_squared_error" in scores


class _Sums(_Soft):
    def setup(self, stage):
        super().setup(stage)
        self.parts = [TensorDataset(x, 1.1 * y) for x, y in (part.tensors for part in self.parts)]
