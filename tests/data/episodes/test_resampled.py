import pytest
import torch
from small_search import small_search

from lightning_lossmeta import (
    MLP,
    ComparisonConfig,
    DiabetesDataModule,
    DigitsDataModule,
    Evaluation,
    RacedSeeds,
    ResampledSplits,
    SupervisedModule,
)
from lightning_lossmeta.comparison import compare_losses
from lightning_lossmeta.data import EpisodeDataModule
from lightning_lossmeta.evaluators import Evaluator, PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.families import PowerFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.task import Session, Task


def _rows(loader):
    return {tuple(row.flatten().tolist()) for row in loader.inputs}


@pytest.mark.parametrize("source", [DiabetesDataModule, DigitsDataModule])
def test_a_seed_divides_training_and_validation_and_leaves_the_test_samples(source):
    data = ResampledSplits(source())
    splits = data.source.splits
    train, val = data.episode(3)
    assert (len(train.inputs), len(val.inputs)) == (
        len(splits.train.inputs),
        len(splits.val.inputs),
    )
    pool = _rows(splits.train) | _rows(splits.val)
    assert _rows(train) | _rows(val) == pool
    if source is DiabetesDataModule:  # digits hold a few images twice
        assert not _rows(train) & _rows(val)
        assert not (_rows(train) | _rows(val)) & _rows(splits.test)
    again, other = data.episode(3)[1], data.episode(4)[1]
    assert torch.equal(again.inputs, val.inputs)
    assert _rows(other) != _rows(val)


def test_classes_keep_their_shares():
    data = ResampledSplits(DigitsDataModule())
    counts = data.episode(2**40 + 1)[1].targets.bincount(minlength=10)
    expected = data.source.splits.val.targets.bincount(minlength=10)
    assert int((counts - expected).abs().max()) <= 1


def test_rates_are_tuned_on_other_divisions_and_scores_are_those_of_the_source():
    class Watching(Evaluator):
        def _run(self, jobs, family):
            for place, job in enumerate(jobs):
                kinds.setdefault(job.task.session.split, set()).add(type(job.task.data))
                yield place, Evaluation.scored(job.candidate, 0.5)

    kinds = {}
    data = ResampledSplits(DigitsDataModule())
    task = Task(SupervisedModule(MLP(64, [4], 10)), data, Session(steps=3))
    settings = ComparisonConfig(seeds=2, learning_rate_factors=(0.1, 1.0), widenings=0)
    compare_losses({"CE": CrossEntropy()}, task, Watching(), settings)
    assert kinds == {"val": {ResampledSplits}, "test": {DigitsDataModule}}


def test_a_stack_of_seeds_trains_as_each_alone(tmp_path):
    data = ResampledSplits(DigitsDataModule(batch_size=50))
    task = Task(lambda: SupervisedModule(MLP(64, [4], 10)), data, Session(steps=12, validations=1))
    family = PowerFamily()
    candidates = list(family.baselines().values())[:2]
    found = [
        [item.fitness for item in evaluator.evaluate(candidates, family, [task])]
        for evaluator in (PopulationEvaluator(), TrainerEvaluator())
    ]
    assert found[0] == pytest.approx(found[1], abs=0.01)
    small_search(tmp_path / "run", data=data, allocation=RacedSeeds(2), generations=1)
    assert (tmp_path / "run" / "best.json").exists()


@pytest.mark.parametrize(
    ("source", "message"),
    [
        (lambda: EpisodeDataModule(DigitsDataModule()), "TensorDataModule, got EpisodeDataModule"),
        (lambda: "digits", "TensorDataModule, got str"),
    ],
)
def test_refuses_other_sources(source, message):
    with pytest.raises(ValueError, match=message):
        ResampledSplits(source())
