"""The inner fit that all evaluators share."""

import gc
import random
import weakref
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from inner_fits import FAMILY, MSE, OTHERS, largest_difference, make_task, weights_one_by_one
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.optim import SGD, lr_scheduler
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.families import NormalisedFamily
from lightning_lossmeta.models import MLP
from lightning_lossmeta.task import Horizons, Objective
from lightning_lossmeta.training.recorder import all_finite
from lightning_lossmeta.training.session import run_session


def _evaluate(task, candidate=MSE):
    return TrainerEvaluator().evaluate([candidate], FAMILY, [task])[0]


class _Seen(pl.Callback):
    """Keeps the inputs that were trained on, and those that were scored."""

    trained: list
    scored: list

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        type(self).trained.append(batch)

    def on_validation_batch_end(self, trainer, pl_module, outputs, batch, *args):
        type(self).scored.append(batch)


@pytest.fixture
def seen():
    _Seen.trained, _Seen.scored = [], []
    return _Seen


def test_steps_and_validations():
    for steps, validations, expected in [
        (12, 4, (3, 6, 9, 12)),
        (12, 1, (12,)),
        (12, 0, (12,)),
        (7, 2, (4, 7)),
        (10, 3, (4, 8, 10)),
        (1, 4, (1,)),
    ]:
        found = _evaluate(make_task(steps=steps, validations=validations))
        assert tuple(step for step, _ in found.curves["val_accuracy"]) == expected
        assert [step for step, _ in found.curves["train_loss"]] == list(range(1, steps + 1))


def test_training_loss_has_no_more_than_about_fifty_points():
    found = _evaluate(make_task(steps=230, validations=1))
    steps = [step for step, _ in found.curves["train_loss"]]
    assert 50 <= len(steps) <= 60
    assert steps[-1] == 230


def _distinct(batches):
    return len({tuple(row.flatten().tolist()) for inputs, _ in batches for row in inputs})


@pytest.mark.parametrize("train_samples", [20, 50])
def test_images_limits_the_samples_of_this_packages_data(seen, train_samples):
    task = make_task(
        MLP(64, [4], 10),
        data=DigitsDataModule(batch_size=10),
        train_samples=train_samples,
        callbacks=(seen(),),
    )
    _evaluate(task)
    assert _distinct(seen.trained) == train_samples
    labels = torch.cat([target for _, target in seen.trained]).unique()
    assert len(labels) == 10
    assert sum(len(inputs) for inputs, _ in seen.scored) == 2 * len(task.data.splits.val.targets)


@pytest.mark.parametrize("train_samples", [18, 60])
def test_images_limits_a_data_loader(seen, train_samples):
    _evaluate(make_task(steps=20, train_samples=train_samples, callbacks=(seen(),)))
    assert _distinct(seen.trained) == train_samples
    batches = seen.trained[:]
    seen.trained.clear()
    _evaluate(make_task(steps=20, train_samples=train_samples, callbacks=(seen(),)), OTHERS[0])
    assert all(torch.equal(one[0], two[0]) for one, two in zip(batches, seen.trained, strict=True))


def test_another_seed_takes_other_images(seen):
    kept = []
    for seed in (1, 2):
        seen.trained.clear()
        _evaluate(make_task(seed=seed, train_samples=20, callbacks=(seen(),)))
        kept.append({tuple(row.tolist()) for inputs, _ in seen.trained for row in inputs})
    assert len(kept[0]) == len(kept[1]) == 20
    assert len(kept[0] & kept[1]) < 20


def test_the_test_split_scores_where_asked_for(seen):
    data = BlobsData()
    _evaluate(make_task(data=data, split="test", callbacks=(seen(),)))
    assert torch.equal(seen.scored[-1][0], data.parts[2].tensors[0])
    seen.scored.clear()
    _evaluate(make_task(data=data, callbacks=(seen(),)))
    assert torch.equal(seen.scored[-1][0], data.parts[1].tensors[0])


SCHEDULES = {
    "none": None,
    "lambda": lambda rate: partial(lr_scheduler.LambdaLR, lr_lambda=lambda step: 1 / (1 + step)),
    "step": lambda rate: partial(lr_scheduler.StepLR, step_size=4, gamma=0.3),
    "cosine": lambda rate: partial(lr_scheduler.CosineAnnealingLR, T_max=8),
    "warm restarts": lambda rate: partial(lr_scheduler.CosineAnnealingWarmRestarts, T_0=4),
    "one cycle": lambda rate: partial(lr_scheduler.OneCycleLR, max_lr=3 * rate, total_steps=15),
    "cyclic": lambda rate: partial(
        lr_scheduler.CyclicLR, base_lr=rate, max_lr=4 * rate, step_size_up=3
    ),
    "warm-up, then decay": lambda rate: _warm_up_then_decay,
}


def _warm_up_then_decay(optimizer):
    return lr_scheduler.SequentialLR(
        optimizer,
        [
            lr_scheduler.LinearLR(optimizer, start_factor=0.1, total_iters=4),
            lr_scheduler.ExponentialLR(optimizer, gamma=0.8),
        ],
        milestones=[4],
    )


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_learning_rate_factor_is_a_learning_rate(schedule):
    def task(rate, factor):
        make = SCHEDULES[schedule]
        return make_task(
            optimizer=partial(SGD, lr=rate, momentum=0.9),
            lr_scheduler=make and make(rate),
            learning_rate_factor=factor,
        )

    scaled = weights_one_by_one(task(0.02, 4.0))
    direct = weights_one_by_one(task(0.08, 1.0))
    other = weights_one_by_one(task(0.02, 1.0))
    assert largest_difference(scaled, direct) < 1e-6
    assert largest_difference(scaled, other) > 1e-3


def test_a_metric_that_is_not_logged_is_named():
    found = _evaluate(make_task(objectives=(Objective("val_f1"),)))
    assert found.status is Status.FAILED
    assert found.message == (
        "ValueError: Expected the module to log `val_f1` in its validation_step, the fitness that "
        "`monitor` names; it logs ['val_accuracy', 'val_loss']."
    )


class _Talkative(StrangersNet):
    """Logs by step and by epoch, in training and in validation."""

    def training_step(self, batch, batch_idx):
        inputs, target = batch
        loss = self.loss_fn(self(inputs), target)
        self.log("loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch, batch_idx):
        inputs, target = batch
        correct = (self(inputs).argmax(dim=1) == target).float()
        self.log_dict({"val_acc": correct.mean(), "val_error": 1 - correct.mean()})


def test_a_strangers_module_is_trained_by_its_own_steps():
    task = make_task(
        module=_Talkative(), steps=30, validations=3, objectives=(Objective("val_error", "min"),)
    )
    found = _evaluate(task)
    assert found.status is Status.OK
    assert found.fitness == -found.metrics["val_error"]
    assert found.metrics["val_acc"] == pytest.approx(1 - found.metrics["val_error"])
    assert found.metrics["val_acc"] > 0.5
    assert [step for step, _ in found.curves["val_acc"]] == [10, 20, 30]
    assert len(found.curves["train_loss"]) == 30
    assert isinstance(task.module.loss_fn, nn.CrossEntropyLoss)


class _NoisyData(BlobsData):
    """Adds noise by whatever library is at hand."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        noise = np.random.normal(size=tuple(inputs.shape)).astype(np.float32)
        noise = noise + random.gauss(0, 1) + torch.randn(inputs.shape).numpy()
        return inputs + torch.from_numpy(noise), target


def test_noise_is_the_same_for_every_candidate_and_left_alone_outside(seen):
    batches = []
    for global_seed, candidate in ((1, MSE), (2, OTHERS[0])):
        task = make_task(data=_NoisyData(), callbacks=(seen(),))
        random.seed(global_seed)
        np.random.seed(global_seed)
        torch.manual_seed(global_seed)
        before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
        seen.trained.clear()
        _evaluate(task, candidate)
        batches.append(seen.trained[:])
        assert random.getstate() == before[0]
        assert np.array_equal(np.random.get_state()[1], before[1])
        assert torch.equal(torch.get_rng_state(), before[2])
    for one, two in zip(*batches, strict=True):
        assert torch.equal(one[0], two[0])


class _Preparing(BlobsData):
    def __init__(self):
        super().__init__()
        self.calls = []

    def prepare_data(self):
        self.calls.append("prepare")

    def setup(self, stage):
        self.calls.append(stage)
        super().setup(stage)

    def teardown(self, stage):
        self.calls.append("teardown")


def test_data_are_prepared_and_set_up_once():
    data = _Preparing()
    for seed in (1, 2):
        _evaluate(make_task(data=data, seed=seed))
    assert data.calls == ["prepare", "fit"]
    _evaluate(make_task(data=data, split="test"))
    assert data.calls == ["prepare", "fit", "test"]


def test_loader_batches_of_one_sample_and_short_ones():
    class Short(BlobsData):
        def train_dataloader(self):
            return DataLoader(TensorDataset(*self.parts[0][:7]), batch_size=3)

    assert _evaluate(make_task(data=Short(), steps=9)).status is Status.OK


def test_nothing_of_a_fit_stays_in_memory():
    alive = []

    class Watch(pl.Callback):
        def on_train_end(self, trainer, pl_module):
            alive.extend(map(weakref.ref, (pl_module, trainer.optimizers[0])))

    task = make_task()
    module = task.fresh_module()
    session = make_task(callbacks=(Watch(),)).session
    gc.disable()
    try:
        run_session(module, make_task(module=task.module, callbacks=session.callbacks))
        assert module._trainer is None
        del module
        assert len(alive) == 2
        assert [reference() for reference in alive] == [None, None]
    finally:
        gc.enable()


def test_lightning_is_quiet(capfd, recwarn, caplog):
    _evaluate(make_task())
    captured = capfd.readouterr()
    assert captured.out == captured.err == caplog.text == ""
    assert not recwarn.list


def test_what_training_raises_is_the_candidates(monkeypatch):
    def fail(module, task):
        raise MemoryError("no more")

    monkeypatch.setattr("lightning_lossmeta.evaluators.trainer.run_session", fail)
    found = _evaluate(make_task())
    assert found.status is Status.FAILED
    assert found.message == "MemoryError: no more"
    assert found.fitness == -torch.inf


def test_the_users_interrupt_is_nobodys(monkeypatch):
    def interrupt(module, task):
        raise KeyboardInterrupt

    monkeypatch.setattr("lightning_lossmeta.evaluators.trainer.run_session", interrupt)
    with pytest.raises(KeyboardInterrupt):
        _evaluate(make_task())


def test_all_finite():
    module = nn.BatchNorm1d(2)
    assert all_finite(module)
    module.running_var[0] = torch.inf
    assert not all_finite(module)


def test_what_is_no_loss_at_all_is_rejected_not_failed():
    family = NormalisedFamily(FAMILY, num_classes=3)
    constant = Candidate(None, (0.0,) * 8)
    for evaluator in (TrainerEvaluator(), PopulationEvaluator()):
        found = evaluator.evaluate([constant, MSE], family, [make_task()])
        assert [item.status for item in found] == [Status.REJECTED, Status.OK]
        assert "varies over the simplex" in found[0].message


@pytest.mark.parametrize("evaluator", [TrainerEvaluator(), PopulationEvaluator()])
def test_horizons_are_scored_within_one_fit(evaluator):
    horizons = Horizons((10, 20, 40), (1.0, 1.0, 2.0))
    task = make_task(steps=40, horizons=horizons)
    (scored,) = evaluator.evaluate([MSE], FAMILY, [task])
    curve = dict(scored.curves["val_accuracy"])
    assert list(curve) == [10, 20, 30, 40]
    assert scored.fitness == pytest.approx((curve[10] + curve[20] + 2 * curve[40]) / 4)
    assert scored.metrics["val_accuracy"] == curve[40]


class _AsksItsTrainer(BlobsData):
    """Gives a loader whose length depends on the fit, as Lightning allows."""

    def train_dataloader(self):
        assert self.trainer.max_steps == 12
        return super().train_dataloader()


@pytest.mark.parametrize("evaluator", [TrainerEvaluator(), PopulationEvaluator()])
def test_data_may_ask_the_trainer_of_a_fit(evaluator):
    task = make_task(data=_AsksItsTrainer(), steps=12)
    jobs = [Job(MSE, replace(task, seed=seed)) for seed in (1, 2)]
    outcomes = dict(evaluator.run(jobs, FAMILY))
    assert [outcomes[place].status for place in (0, 1)] == [Status.OK] * 2
    alone = [
        dict(evaluator.run([Job(MSE, replace(make_task(steps=12), seed=seed))], FAMILY))[0]
        for seed in (1, 2)
    ]
    assert [outcomes[p].fitness for p in (0, 1)] == [item.fitness for item in alone]


def test_loaders_that_were_set_on_a_data_module_are_its_loaders():
    data = BlobsData()
    data.setup("fit")
    given = pl.LightningDataModule.from_datasets(
        data.train_dataloader().dataset, data.val_dataloader().dataset, batch_size=30
    )
    (scored,) = TrainerEvaluator().evaluate([MSE], FAMILY, [make_task(data=given)])
    assert scored.status is Status.OK
