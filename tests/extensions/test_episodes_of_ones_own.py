"""A data module that a seed draws is one class: stacked fits see their own episodes."""

from dataclasses import replace

import pytest
import torch

from lightning_lossmeta import (
    MLP,
    Candidate,
    MetaLossTrainer,
    PopulationEvaluator,
    Session,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.data import BatchLoader, EpisodeData
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.local_search import GradientRefiner, RefinerJob


class BlobEpisodes(EpisodeData):
    """Three clouds of points whose centres the seed draws."""

    num_classes = 3

    def __init__(self, shots=10):
        super().__init__()
        self.shots = shots
        self.drawn = []

    def episode(self, seed):
        self.drawn.append(seed)
        generator = torch.Generator().manual_seed(seed)
        centres = 2 * torch.randn(3, 6, generator=generator)
        sets = []
        for count in (self.shots, 40):
            targets = torch.arange(3).repeat_interleave(count)
            inputs = centres[targets] + torch.randn(3 * count, 6, generator=generator)
            sets.append((inputs, targets))
        (x, y), (vx, vy) = sets
        return BatchLoader(x, y, batch_size=15, shuffle=True), BatchLoader(vx, vy, batch_size=60)


FAMILY = TaylorFamily()
CANDIDATES = [Candidate(None, (0, 0, 0, -s, 0, 2 * s, 0, 0)) for s in (0.5, 2.0)]


def _tasks(*seeds):
    module = SupervisedModule(MLP(6, [8], 3))
    session = Session(steps=20, validations=2, accelerator="cpu")
    task = Task(module, BlobEpisodes(), session)
    return [replace(task, seed=seed) for seed in seeds]


def test_candidates_times_episodes_are_one_stack_and_equal_single_fits():
    tasks = _tasks(3, 4, 5)
    jobs = [Job(candidate, task) for candidate in CANDIDATES for task in tasks]
    alone = dict(TrainerEvaluator().run(jobs, FAMILY))
    stacked = dict(PopulationEvaluator().run(jobs, FAMILY))
    for place in range(len(jobs)):
        one, other = alone[place], stacked[place]
        assert one.metrics["val_loss"] == pytest.approx(other.metrics["val_loss"], abs=1e-5)
        assert one.metrics["val_accuracy"] == pytest.approx(other.metrics["val_accuracy"])
        losses = [dict(item.curves["train_loss"]) for item in (one, other)]
        assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    assert len({alone[place].metrics["val_loss"] for place in range(3)}) == 3


def test_a_search_sees_fresh_episodes_each_generation(tmp_path):
    data = BlobEpisodes()
    trainer = MetaLossTrainer(accelerator="cpu", logger=False)
    result = trainer.search(
        SupervisedModule(MLP(6, [8], 3)),
        data,
        session=Session(steps=20, validations=1),
        family=TaylorFamily(start="mse"),
        evaluator=PopulationEvaluator(),
        generations=3,
        run_dir=str(tmp_path / "run"),
        seed=1,
    )
    assert result.evaluation.fitness > 0.5
    assert len(set(data.drawn)) > 3


def test_a_local_search_trains_on_the_episode_of_its_task():
    (task,) = _tasks(7)
    refiner = GradientRefiner(meta_steps=3, meta_lr=0.01)
    ((_, refined),) = refiner.refine([RefinerJob(CANDIDATES[0], (task,))], FAMILY)
    assert refined.candidate != CANDIDATES[0]
    assert set(task.data.drawn) == {7}
