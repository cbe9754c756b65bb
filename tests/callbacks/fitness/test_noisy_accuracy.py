from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from lightning_lossmeta.callbacks import NoisyAccuracy
from lightning_lossmeta.callbacks.fitness.base import SCORED
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.families import PowerFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import LogisticRegression
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.networks import networks_of
from lightning_lossmeta.task import Session, Task

PAIRS = np.array([[0.6, 0.4, 0.0], [0.0, 0.6, 0.4], [0.4, 0.0, 0.6]])


def _score(fitness, logits, target):
    """The mean of the fitness's figure for a network that puts its inputs out."""
    module = SupervisedModule(nn.Identity()).eval()
    figures = fitness.measure(networks_of(module), SCORED, logits, target)
    return float(figures[fitness.name].mean())


def _logits(predicted, classes=3):
    return torch.nn.functional.one_hot(torch.as_tensor(predicted), classes).float()


def test_the_matrix_makes_it_an_unbiased_estimate_of_clean_accuracy():
    """In expectation over labels drawn by T, by NumPy, whatever the classifier does."""
    generator = np.random.default_rng(0)
    count = 200_000
    clean = generator.integers(3, size=count)
    noisy = (generator.random(count)[:, None] > PAIRS[clean].cumsum(axis=1)).sum(axis=1)
    wrong = generator.random(count) < 0.3
    predicted = np.where(wrong, (clean + 1) % 3, clean)
    score = _score(NoisyAccuracy(PAIRS.tolist()), _logits(predicted), torch.from_numpy(noisy))
    assert score == pytest.approx((predicted == clean).mean(), abs=0.01)
    plain = _score(NoisyAccuracy(), _logits(predicted), torch.from_numpy(noisy))
    assert plain == pytest.approx((predicted == noisy).mean())


def test_a_network_that_repeats_flipped_labels_is_preferred_only_without_the_matrix():
    generator = np.random.default_rng(1)
    clean = generator.integers(3, size=100_000)
    noisy = np.where(generator.random(len(clean)) < 0.4, (clean + 1) % 3, clean)
    labels = torch.from_numpy(noisy)
    good = np.where(generator.random(len(clean)) < 0.1, (clean + 2) % 3, clean)
    repeating = np.where(generator.random(len(clean)) < 0.15, (clean + 1) % 3, clean)
    plain, exact = NoisyAccuracy(), NoisyAccuracy(PAIRS.tolist())
    assert _score(plain, _logits(repeating), labels) > _score(plain, _logits(good), labels)
    assert _score(exact, _logits(repeating), labels) < _score(exact, _logits(good), labels) - 0.02


def test_the_error_is_that_of_a_mean_over_samples():
    torch.manual_seed(0)
    logits, target = torch.randn(1, 500, 3), torch.randint(3, (1, 500))
    metric = NoisyAccuracy(PAIRS.tolist()).metrics(SCORED, logits, target)
    (error,) = metric.values()
    for part in range(5):
        rows = slice(100 * part, 100 * part + 100)
        error.update(logits[0, rows], target[0, rows])
    values = np.linalg.inv(PAIRS)[target[0].numpy(), logits[0].argmax(dim=1).numpy()]
    assert float(error.compute()) == pytest.approx(values.std(ddof=1) / 500**0.5, rel=1e-5)


def test_scores_a_stack_as_it_scores_each_network():
    data = DigitsDataModule(noise=SymmetricNoise(0.4), noisy_validation=True)
    fitness = NoisyAccuracy()
    task = Task(lambda: SupervisedModule(LogisticRegression(64, 10)), data, Session(steps=30))
    with pytest.warns(UserWarning, match="can't be told apart"):
        task = fitness.configure_task(task)
    assert [item.monitor for item in task.session.objectives] == ["val_estimated_accuracy"]
    family = PowerFamily()
    candidates = [Candidate(None, (a, -4.0, 0.5)) for a in (-1.0, 0.0, 0.7)]
    stacked = PopulationEvaluator().evaluate(candidates, family, [task])
    single = TrainerEvaluator().evaluate(candidates, family, [task])
    assert [one.fitness for one in stacked] == pytest.approx([two.fitness for two in single])
    assert len({item.fitness for item in single}) > 1
    assert 0.01 < single[0].metrics["val_estimated_accuracy_error"] < 0.05


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[1.0, 0.0]], "square"),
        ([[0.9, 0.2], [0.1, 0.9]], r"add up to 1"),
        ([[1.2, -0.2], [0.1, 0.9]], r"probabilities"),
        ([[0.4, 0.6], [0.1, 0.9]], "row 0 with 0.4 there and 0.6 elsewhere"),
        ([[0.5 + 1e-8, 0.5 - 1e-8], [0.5 - 1e-8, 0.5 + 1e-8]], "inverted"),
    ],
)
def test_refuses_a_matrix_that_says_nothing_of_the_class(matrix, message):
    with pytest.raises(ValueError, match=message):
        NoisyAccuracy(matrix)


def test_refuses_a_matrix_for_another_number_of_classes():
    task = Task(lambda: SupervisedModule(LogisticRegression(64, 10)), DigitsDataModule())
    with pytest.raises(ValueError, match="10 rows, one a class, got 3"):
        NoisyAccuracy(PAIRS.tolist()).prepare(task)


def test_clean_test_labels_are_scored_without_the_matrix():
    data = DigitsDataModule(noise=SymmetricNoise(0.4), noisy_validation=True)
    matrix = (torch.eye(10) * 0.6 - torch.eye(10) * 0.4 / 9 + 0.4 / 9).tolist()
    session = Session(steps=30)
    task = Task(lambda: SupervisedModule(LogisticRegression(64, 10)), data, session)
    with pytest.warns(UserWarning, match="can't be told apart"):
        task = NoisyAccuracy(matrix).configure_task(task)
    settings = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,))
    (row,) = compare_losses({"CE": CrossEntropy()}, task, TrainerEvaluator(), settings)
    plain = replace(task, session=session)
    (other,) = compare_losses({"CE": CrossEntropy()}, plain, TrainerEvaluator(), settings)
    assert row.scores == pytest.approx(other.scores)
