"""One fit a candidate, stacked, and compiled: the same weights for the same candidate and seed."""

import shutil
from functools import partial

import pytest
import torch
from inner_fits import (
    CANDIDATES,
    EXPLOSIVE,
    FAMILY,
    MSE,
    OTHERS,
    distance_moved,
    largest_difference,
    make_task,
    weights_one_by_one,
    weights_stacked,
)
from torch import nn
from torch.optim import SGD, Adam, AdamW, lr_scheduler

from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.models import LeNet5

NESTEROV = partial(SGD, lr=0.1, momentum=0.9, nesterov=True, weight_decay=1e-3)


def _regularised():
    # No bias before the normalisation: its gradient is nothing but rounding, which Adam enlarges.
    return nn.Sequential(
        nn.Linear(6, 8, bias=False),
        nn.BatchNorm1d(8),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(8, 3),
    )


CASES = {
    "sgd with momentum, Nesterov and weight decay": {"optimizer": NESTEROV},
    "adam": {"optimizer": partial(Adam, lr=0.01)},
    "adamw, one cycle": {
        "optimizer": partial(AdamW, lr=0.01),
        "lr_scheduler": partial(lr_scheduler.OneCycleLR, max_lr=0.05, total_steps=20),
    },
    "cosine a step": {
        "optimizer": NESTEROV,
        "lr_scheduler": partial(lr_scheduler.CosineAnnealingLR, T_max=12),
    },
    "decay an epoch": {
        "optimizer": NESTEROV,
        "lr_scheduler": partial(lr_scheduler.ExponentialLR, gamma=0.5),
        "lr_interval": "epoch",
    },
    "batch norm and dropout": {"network": _regularised(), "optimizer": NESTEROV},
    "batch norm and dropout, adam": {
        "network": _regularised(),
        "optimizer": partial(Adam, lr=0.01),
    },
    "gradients clipped by value": {
        "optimizer": NESTEROV,
        "gradient_clip_val": 0.003,
        "gradient_clip_algorithm": "value",
    },
    "few samples": {"optimizer": NESTEROV, "train_samples": 30},
}


@pytest.mark.parametrize("case", CASES)
def test_stacked_weights_are_those_of_single_fits(case):
    task = make_task(**CASES[case])
    expected = weights_one_by_one(task)
    stacked, _ = weights_stacked(task)
    assert distance_moved(task, expected) > 1e-2
    assert largest_difference(expected[:1], expected[1:2]) > 1e-3
    assert largest_difference(expected, stacked) < 1e-5


def test_clipping_takes_effect():
    clipped = weights_one_by_one(make_task(**CASES["gradients clipped by value"]))
    free = weights_one_by_one(make_task(optimizer=NESTEROV))
    assert largest_difference(clipped, free) > 1e-3


def test_convolutions():
    task = make_task(LeNet5(image_size=12), data=_Cropped(), steps=3, validations=1)
    expected = weights_one_by_one(task, CANDIDATES[:2])
    stacked, _ = weights_stacked(task, CANDIDATES[:2])
    assert largest_difference(expected, stacked) < 1e-5


class _Cropped(DigitsDataModule):
    """Digits in a frame of zeros, 12 pixels wide."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        return nn.functional.pad(inputs, (2, 2, 2, 2)), target


@pytest.mark.skipif(not shutil.which("c++"), reason="torch.compile needs a C++ compiler, c++")
@pytest.mark.parametrize("optimizer", [NESTEROV, partial(Adam, lr=0.01)], ids=["sgd", "adam"])
def test_compiled_weights_are_those_of_single_fits(optimizer):
    task = make_task(
        _regularised(),
        optimizer=optimizer,
        lr_scheduler=partial(lr_scheduler.CosineAnnealingLR, T_max=12),
    )
    expected = weights_one_by_one(task)
    compiled, module = weights_stacked(task, compile_mode="default")
    assert module.compiled
    assert distance_moved(task, expected) > 1e-2
    assert largest_difference(expected, compiled) < 1e-5


def test_bf16_autocast_is_equal_to_its_precision():
    exact = weights_one_by_one(make_task(optimizer=NESTEROV))
    task = make_task(optimizer=NESTEROV, precision="bf16-mixed")
    expected = weights_one_by_one(task)
    stacked, _ = weights_stacked(task)
    assert stacked[0]["0.weight"].dtype == torch.float32
    assert largest_difference(exact, expected) > 1e-5
    assert largest_difference(expected, stacked) < 5e-3


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_evaluations_are_the_same(precision):
    task = make_task(optimizer=NESTEROV, steps=20, precision=precision)
    single = TrainerEvaluator().evaluate([*CANDIDATES, EXPLOSIVE], FAMILY, [task])
    stacked = PopulationEvaluator().evaluate([*CANDIDATES, EXPLOSIVE], FAMILY, [task])
    close = 1e-5 if precision == "32-true" else 0.02
    for one, other in zip(single, stacked, strict=True):
        assert one.status is other.status
        assert one.fitness == pytest.approx(other.fitness, abs=0.05 if close > 1e-5 else 1e-6)
        assert set(one.metrics) == set(other.metrics)
        assert set(one.curves) == set(other.curves)
        if one.trained:
            for name, curve in one.curves.items():
                steps, values = zip(*curve, strict=True)
                assert steps == tuple(step for step, _ in other.curves[name])
                if name != "val_accuracy":
                    found = [value for _, value in other.curves[name]]
                    assert values == pytest.approx(found, abs=close)
    assert len(single[0].curves["train_loss"]) == 20


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
def test_place_and_company_do_not_matter(evaluator):
    task = make_task(_regularised(), optimizer=NESTEROV)
    all_three = evaluator().evaluate([EXPLOSIVE, MSE, *OTHERS], FAMILY, [task])
    turned = evaluator().evaluate([*OTHERS, MSE], FAMILY, [task])
    alone = evaluator().evaluate([MSE], FAMILY, [task])
    pairs = ((all_three[1], turned[2]), (all_three[1], alone[0]), (all_three[2], turned[0]))
    for here, there in pairs:
        assert here.candidate == there.candidate
        assert here.fitness == pytest.approx(there.fitness, abs=1e-6)
        assert here.metrics == pytest.approx(there.metrics, abs=1e-5)


def test_turns_of_a_long_population_do_not_matter():
    task = make_task(optimizer=NESTEROV)
    whole = PopulationEvaluator().evaluate([*CANDIDATES, *CANDIDATES], FAMILY, [task])
    parts = PopulationEvaluator(max_candidates=4).evaluate(
        [*CANDIDATES, *CANDIDATES], FAMILY, [task]
    )
    for one, other in zip(whole, parts, strict=True):
        assert one.metrics == pytest.approx(other.metrics, abs=1e-5)
    assert whole[0].metrics == pytest.approx(whole[3].metrics, abs=1e-6)
