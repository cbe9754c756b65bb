import pytest
import torch
from torch import nn

from lightning_lossmeta import CalibrationFitness, DigitsDataModule, Objective
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session


def _scores(bins):
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 24), nn.ReLU(), nn.Linear(24, 10))
    session = Session(steps=60, validations=1, accelerator="cpu")
    task = Task(SupervisedModule(network), DigitsDataModule(), session, seed=1)
    task = CalibrationFitness(bins).configure_task(task)
    module = task.fresh_module()
    recorder = run_session(module, task)
    return task, module, {name: values[0] for name, values in recorder.scores[-1][1].items()}


@pytest.mark.parametrize("bins", [1, 15, 40])
def test_it_is_the_gap_of_confidence_and_accuracy_over_bins(bins):
    """Guo et al.'s equation 3, sample by sample."""
    task, module, scores = _scores(bins)
    split = task.data.splits.val
    module.eval()
    with torch.no_grad():
        confidence, predicted = module(split.inputs).softmax(dim=1).max(dim=1)
    right = (predicted == split.targets).double()
    place = torch.ceil(confidence.double() * bins).clamp(1, bins)
    expected = 0.0
    for number in range(1, bins + 1):
        inside = place == number
        if inside.any():
            gap = (right[inside].mean() - confidence[inside].double().mean()).abs()
            expected += float(gap * inside.double().mean())
    assert scores["val_calibration_error"] == pytest.approx(expected, abs=1e-5)
    assert 0 < expected < 1


def test_a_search_makes_it_small_unless_the_session_names_more():
    session = Session(steps=5)
    task = CalibrationFitness().configure_task(Task(None, None, session))
    assert task.session.objectives == (Objective("val_calibration_error", "min"),)
    both = (Objective("val_accuracy"), Objective("val_calibration_error", "min"))
    task = CalibrationFitness().configure_task(Task(None, None, Session(objectives=both)))
    assert task.session.objectives == both


@pytest.mark.parametrize(
    ("outputs", "target", "words"),
    [
        (
            torch.zeros(2, 5, 1),
            torch.zeros(2, 5, 1),
            r"\(5, 1\) and targets \(5, 1\) of torch.float32",
        ),
        (torch.zeros(2, 5, 3), torch.zeros(2, 5, 3), r"\(5, 3\) and targets \(5, 3\)"),
        (torch.zeros(2, 5, 3, 8), torch.zeros(2, 5, 8).long(), r"\(5, 3, 8\) and targets \(5, 8\)"),
    ],
    ids=["regression", "no probabilities", "pixels"],
)
def test_what_has_no_classes_is_refused(outputs, target, words):
    with pytest.raises(ValueError, match=r"logits \(B, n\) of at least two classes.*" + words):
        CalibrationFitness().metrics("scored", outputs, target)


def test_bins_below_one_are_refused():
    with pytest.raises(ValueError, match="bins"):
        CalibrationFitness(0)
