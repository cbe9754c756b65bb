"""Episodes out of other data: what they hold, which pool they come of, and what is refused."""

from dataclasses import replace
from functools import partial

import pytest
import torch

from lightning_lossmeta.comparison import ComparisonConfig, compare_losses
from lightning_lossmeta.data import (
    Augmentation,
    ClassPools,
    DiabetesDataModule,
    DigitsDataModule,
    EpisodeDataModule,
    ImageDataModule,
    Split,
    Splits,
    TensorDataModule,
)
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.families import MetaLossNetworkFamily
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.search import Finalists, FixedSeeds, MetaLossTrainer
from lightning_lossmeta.search.preflight import check_task
from lightning_lossmeta.searchers import EvolutionStrategySearcher
from lightning_lossmeta.task import Session, Task

POOLS = ("train", "val", "test")


class Numbered(TensorDataModule):
    """Each input is the number of its sample, 30 of each of six classes in a pool."""

    num_classes = 6

    def load(self):
        labels = torch.arange(6).repeat(30)
        parts = []
        for start in (0, 180, 360):
            inputs = torch.arange(start, start + 180).float().unsqueeze(1)
            parts.append(Split(inputs, labels[torch.randperm(180)] if start else labels))
        return Splits(*parts)


def _labels(data, pool):
    split = getattr(data.source.splits, pool)
    return dict(zip(split.inputs.flatten().tolist(), split.targets.tolist(), strict=True))


@pytest.mark.parametrize("classes", [None, ClassPools([0, 1], [5, 2], [3, 4])])
def test_an_episode_has_so_many_of_each_class_and_pools_share_nothing(classes):
    data = EpisodeDataModule(Numbered(), ways=2, shots=4, queries=9, classes=classes)
    data.setup()
    seen = {}
    for pool in POOLS:
        part = data if pool == "train" else data.held_out(pool)
        labels, samples, drawn = _labels(data, pool), set(), set()
        for seed in range(12):
            train, val = part.episode(seed)
            (batch,) = train
            assert torch.equal(batch[1].bincount(), torch.tensor([4, 4]))
            assert torch.equal(val.targets.bincount(), torch.tensor([9, 9]))
            numbers = torch.cat([train.inputs, val.inputs]).flatten().tolist()
            assert len(set(numbers)) == 26
            own = torch.cat([train.targets, val.targets]).tolist()
            pairs = {(new, labels[n]) for new, n in zip(own, numbers, strict=True)}
            assert len(pairs) == 2  # each class of the episode is one of the source
            assert [old for _, old in sorted(pairs)] == sorted(old for _, old in pairs)
            samples |= set(numbers)
            drawn |= {old for _, old in pairs}
        seen[pool] = samples
        assert drawn == (set(range(6)) if classes is None else set(classes.of(pool)))
    assert not seen["train"] & seen["val"]
    assert not seen["val"] & seen["test"]
    assert not seen["train"] & seen["test"]


def test_a_seed_is_one_episode_and_global_random_state_is_left_alone():
    data = EpisodeDataModule(DigitsDataModule(), queries=20)
    before = torch.get_rng_state()
    one, same, other = (data.episode(seed)[0].inputs for seed in (7, 7, 8))
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert data.num_classes == 10


def _refused(message, make):
    with pytest.raises(ValueError, match=message):
        make()


def test_what_makes_no_episode_is_refused_at_once():
    episodes = partial(EpisodeDataModule, DigitsDataModule())
    _refused("`ways` to be an integer of at least 2, got 1", partial(episodes, ways=1))
    _refused("`shots`", partial(episodes, shots=0))
    _refused("`queries`", partial(episodes, queries=0))
    pools = ClassPools([0, 1, 2, 3], [4, 5], [6, 7, 8])
    _refused("`ways` to be at most 2", partial(episodes, ways=3, classes=pools))
    _refused("class 2 in `train` and `test`", partial(ClassPools, [1, 2], [3, 4], [0, 2]))
    _refused("at least two class indices", partial(ClassPools, [1, 2], [3], [0, 4]))
    _refused("in memory", partial(EpisodeDataModule, object()))


def test_what_the_source_can_not_fill_is_refused_before_any_training():
    def checked(outputs, **arguments):
        source = arguments.pop("source", DigitsDataModule())
        module = SupervisedModule(MLP(64, [4], outputs))
        check_task(Task(module, EpisodeDataModule(source, **arguments), Session(accelerator="cpu")))

    few = "at least 45 samples of each class in the val pool.* got 3[0-9] of class"
    _refused(few, partial(checked, 10, shots=5, queries=40))
    _refused("at least 600 samples .* train pool", partial(checked, 10, shots=500))
    _refused("`ways` to be at most 10", partial(checked, 11, ways=11, queries=9))
    beyond = ClassPools([0, 1], [2, 3], [4, 10])
    _refused("below 10.* got 10 in `test`", partial(checked, 2, classes=beyond, queries=9))
    _refused("to have classes", partial(checked, 2, source=DiabetesDataModule()))
    _refused("3 outputs .* 10 classes", partial(checked, 3, queries=9))


def test_augmented_images_are_refused():
    class Augmented(ImageDataModule):
        num_classes, mean, std = 2, (0.5,), (0.5,)

        def load(self):
            raise AssertionError

    _refused("augment", lambda: EpisodeDataModule(Augmented(augment=Augmentation())))


def _task(**arguments):
    data = EpisodeDataModule(DigitsDataModule(), queries=15, **arguments)
    return Task(SupervisedModule(MLP(64, [8], 10)), data, Session(10, accelerator="cpu"), seed=1)


def test_candidates_times_episodes_in_one_stack_are_single_fits_to_1e_5():
    task = _task(shots=3)
    family = MetaLossNetworkFamily()
    tasks = [replace(task, seed=seed) for seed in (1, 2, 3)]
    jobs = [Job(family.space.sample(s, 0.02), t) for t in tasks for s in (0, 1)]
    fits = [dict(kind().run(jobs, family)) for kind in (PopulationEvaluator, TrainerEvaluator)]
    for place in range(len(jobs)):
        stacked, single = fits[0][place], fits[1][place]
        assert stacked.metrics["val_loss"] == pytest.approx(single.metrics["val_loss"], abs=1e-5)
        assert stacked.fitness == pytest.approx(single.fitness, abs=1e-5)
    assert len({item.metrics["val_loss"] for item in fits[0].values()}) == len(jobs)


def test_a_comparison_tunes_and_scores_on_pools_of_their_own(monkeypatch):
    """All learning rates but one are useless, so that what tunes can be told by the choice."""
    drawn = []
    episode = EpisodeDataModule.episode
    monkeypatch.setattr(
        EpisodeDataModule, "episode", lambda self, s: drawn.append(self.pool) or episode(self, s)
    )
    settings = ComparisonConfig(
        seeds=3, tuning_seeds=2, learning_rate_factors=(1e-6, 1.0), steps=15, validations=3
    )
    losses = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
    rows = compare_losses(losses, _task(), PopulationEvaluator(), settings)
    assert set(drawn) == {"val", "test"}
    by_name = {row.name: row for row in rows}
    assert by_name["CE"].factor == 1.0
    assert by_name["CE"].mean > 0.4
    assert len(set(by_name["CE"].scores)) > 1
    # there is nothing to stop early by: an episode's validation samples score it
    assert "at_best_validation" not in by_name["CE"].metrics


def test_a_search_learns_on_one_pool_and_chooses_on_another(tmp_path, monkeypatch):
    drawn = []
    episode = EpisodeDataModule.episode
    monkeypatch.setattr(
        EpisodeDataModule, "episode", lambda self, s: drawn.append(self.pool) or episode(self, s)
    )
    task = _task()
    result = MetaLossTrainer(accelerator="cpu", logger=False).search(
        task.module,
        task.data,
        replace(task.session, accelerator="auto"),
        MetaLossNetworkFamily(),
        EvolutionStrategySearcher(2, 2, sigma=0.01),
        evaluator=PopulationEvaluator(),
        allocation=FixedSeeds(2),
        generations=2,
        finalists=Finalists(count=2, seeds=2),
        run_dir=str(tmp_path / "run"),
        seed=1,
    )
    assert set(drawn) == {"train", "val"}
    first = drawn.index("val")
    assert "train" not in drawn[first:]
    assert result.artifact.candidate is not None
