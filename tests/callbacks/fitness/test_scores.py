import pytest
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
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
