import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from toys import LOSSES, Counting, make_task

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta.comparison import ComparisonConfig, RunStore, compare_losses
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.methods import TrainingMethod
from lightning_lossmeta.task import Session, Task

SMALL = ComparisonConfig(widenings=0, seeds=2, tuning_seeds=2, learning_rate_factors=(0.1, 1.0))


def test_each_loss_is_tuned_on_validation_and_scored_on_test_with_seeds_of_their_own():
    counting = Counting()
    rows = compare_losses(LOSSES, make_task(), counting, SMALL)
    tuning = [job for job in counting.jobs if job.task.session.split == "val"]
    scoring = [job for job in counting.jobs if job.task.session.split == "test"]
    assert len(tuning) == 3 * 2 * 2
    assert len(scoring) == 3 * 2
    assert not {job.task.seed for job in tuning} & {job.task.seed for job in scoring}
    for name in LOSSES:  # seeds are paired over the losses
        seeds = {job.task.seed for job in scoring if job.candidate.structure == name}
        assert seeds == {job.task.seed for job in scoring}
    for row in rows:
        assert row.factor == max(row.tuning, key=row.tuning.get)
        assert row.at_edge
        rates = {
            job.task.session.learning_rate_factor
            for job in scoring
            if job.candidate.structure == row.name
        }
        assert rates == {row.factor}


def test_seeds_of_one_stage_do_not_depend_on_those_of_the_other():
    def seeds(settings, task):
        counting = Counting()
        compare_losses({"CE": CrossEntropy()}, task, counting, settings)
        by_split = {"val": [], "test": []}
        for job in counting.jobs:
            by_split[job.task.session.split].append(job.task.seed)
        return {split: list(dict.fromkeys(found)) for split, found in by_split.items()}

    task = make_task()
    few, more_tuning = seeds(SMALL, task), seeds(replace(SMALL, tuning_seeds=3), task)
    more_scoring = seeds(replace(SMALL, seeds=4), task)
    assert few["test"] == more_tuning["test"] == more_scoring["test"][:2]
    assert few["val"] == more_scoring["val"] == more_tuning["val"][:2]
    searchers = derived_seed(task.seed, Purpose.SEARCHER)
    assert searchers not in [*more_tuning["val"], *more_scoring["test"]]


def test_scores_are_those_of_the_same_fits_alone():
    task = make_task()
    rows = compare_losses(LOSSES, task, TrainerEvaluator(), SMALL)
    stacked = compare_losses(LOSSES, task, PopulationEvaluator(), SMALL)
    for one, other in zip(rows, stacked, strict=True):
        assert (one.name, one.factor) == (other.name, other.factor)
        assert one.scores == pytest.approx(other.scores, abs=1e-6)
        assert one.tuning == pytest.approx(other.tuning, abs=1e-6)


def test_one_learning_rate_needs_no_tuning():
    counting = Counting()
    rows = compare_losses(
        LOSSES, make_task(), counting, ComparisonConfig(seeds=2, learning_rate_factors=(0.5,))
    )
    assert len(counting.jobs) == 6
    assert all(row.factor == 0.5 and not row.at_edge and not row.tuning for row in rows)


def test_what_is_stored_is_not_trained_again(tmp_path):
    task = make_task()
    two = {name: LOSSES[name] for name in ("CE", "MAE")}
    first = compare_losses(two, task, Counting(), SMALL, store=RunStore(tmp_path))
    again = Counting()
    assert compare_losses(two, task, again, SMALL, store=RunStore(tmp_path)) == first
    assert again.jobs == []
    later = Counting()
    rows = compare_losses(LOSSES, task, later, SMALL, store=RunStore(tmp_path))
    assert rows[:2] == first
    assert {job.candidate.structure for job in later.jobs} == {"MSE"}
    for change in (replace(task, seed=4), make_task(steps=11)):
        other = Counting()
        compare_losses(two, change, other, SMALL, store=RunStore(tmp_path))
        assert len(other.jobs) == 12


def test_a_killed_comparison_goes_on_where_it_was(tmp_path):
    whole = compare_losses(LOSSES, make_task(), TrainerEvaluator(), SMALL)
    with pytest.raises(KeyboardInterrupt):
        compare_losses(LOSSES, make_task(), Counting(7), SMALL, store=RunStore(tmp_path))
    rest = Counting()
    rows = compare_losses(LOSSES, make_task(), rest, SMALL, store=RunStore(tmp_path))
    assert len(rest.jobs) == 18 - 7
    assert [row.scores for row in rows] == [row.scores for row in whole]


def test_a_spoilt_file_is_trained_again(tmp_path):
    compare_losses(LOSSES, make_task(), Counting(), SMALL, store=RunStore(tmp_path))
    spoilt = sorted(tmp_path.glob("*.json"))[:2]
    spoilt[0].write_text(spoilt[0].read_text()[:50])
    spoilt[1].write_text('{"result": {"status": "excellent"}}')
    again = Counting()
    compare_losses(LOSSES, make_task(), again, SMALL, store=RunStore(tmp_path))
    assert len(again.jobs) == 2


def test_several_tasks_have_rows_of_their_own():
    tasks = [make_task("a"), make_task("b", seed=8)]
    rows = compare_losses(LOSSES, tasks, TrainerEvaluator(), SMALL)
    assert [(row.task, row.name) for row in rows] == [
        (task, name) for task in "ab" for name in LOSSES
    ]
    (alone,) = compare_losses({"CE": CrossEntropy()}, tasks[1], TrainerEvaluator(), SMALL)
    assert alone.scores == rows[3].scores


class _Broken(CrossEntropy):
    def forward(self, output, target):
        raise RuntimeError("broken on purpose")


class _Exploding(CrossEntropy):
    def forward(self, output, target):
        return super().forward(output, target) * 1e38 * 1e38


def test_what_fails_or_diverges_has_no_score_and_costs_only_itself(tmp_path):
    losses = {"CE": CrossEntropy(), "broken": _Broken(), "exploding": _Exploding()}
    rows = compare_losses(losses, make_task(), TrainerEvaluator(), SMALL, store=RunStore(tmp_path))
    assert all(map(math.isfinite, rows[0].scores))
    assert all(map(math.isnan, rows[1].scores + rows[2].scores))
    again = Counting()
    compare_losses(losses, make_task(), again, SMALL, store=RunStore(tmp_path))
    assert {job.candidate.structure for job in again.jobs} == {"broken"}, "failures are retried"


class _Frozen(TrainingMethod):
    """Trains nothing but the last layer."""

    def __init__(self, layers=1):
        self.layers = layers

    def wrap(self, module):
        for layer in list(module.network)[: -self.layers]:
            layer.requires_grad_(False)
        return module


def test_methods_are_contenders_with_the_same_initial_weights():
    rows = compare_losses(
        {"CE": CrossEntropy(), "frozen": _Frozen(), "all": _Frozen(layers=3)},
        make_task(steps=30),
        TrainerEvaluator(),
        SMALL,
    )
    assert rows[2].scores == rows[0].scores
    assert rows[2].tuning == rows[0].tuning
    assert rows[1].metrics["calibration_error"] != rows[0].metrics["calibration_error"]


def test_curves_of_a_noisy_task():
    module = SupervisedModule(nn.Sequential(nn.Flatten(), nn.Linear(64, 10)))
    data = DigitsDataModule(noise=SymmetricNoise(0.4), noise_seed=1)
    task = Task(module, data, Session(steps=60, accelerator="cpu"))
    settings = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,), validations=3)
    (row,) = compare_losses({"CE": CrossEntropy()}, task, TrainerEvaluator(), settings)
    names = {"at_best_validation", "train_clean_accuracy", "train_flipped_accuracy", "seconds"}
    assert names | {"calibration_error", "validation_accuracy"} <= set(row.metrics)
    assert min(row.metrics["train_clean_accuracy"]) > 0.7
    assert max(row.metrics["train_flipped_accuracy"]) < 0.5
    assert len(row.metrics["at_best_validation"]) == 2


@pytest.mark.parametrize(
    ("losses", "tasks", "message"),
    [
        ({}, [make_task()], "at least one, got none"),
        ({"a": CrossEntropy(), "b": CrossEntropy()}, [make_task()], "as 'a' and as 'b'"),
        (LOSSES, [], "at least one, got"),
        (LOSSES, [make_task(), make_task()], "different names"),
    ],
)
def test_bad_input_is_refused_before_any_training(losses, tasks, message):
    counting = Counting()
    with pytest.raises(ValueError, match=message):
        compare_losses(losses, tasks, counting, SMALL)
    assert counting.jobs == []


def test_losses_that_differ_in_a_number_are_two():
    weights = (torch.tensor([1.0, 1.0, 2.0]), torch.tensor([1.0, 2.0, 2.0]))
    losses = {str(index): CrossEntropy(weight=weight) for index, weight in enumerate(weights)}
    rows = compare_losses(losses, make_task(), TrainerEvaluator(), SMALL)
    assert len(rows) == 2


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"learning_rate_factors": ()}, "at least one"),
        ({"learning_rate_factors": (1.0, 0.0)}, "positive"),
        ({"learning_rate_factors": (1.0, math.inf)}, "positive"),
        ({"learning_rate_factors": (1.0, 1.0)}, "once"),
        ({"seeds": 1}, "seeds"),
        ({"validations": 0}, "validations"),
    ],
)
def test_bad_settings(change, message):
    with pytest.raises(ValueError, match=message):
        ComparisonConfig(**change)
