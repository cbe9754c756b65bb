"""Losses under attack, against networks that are trained and attacked by hand."""

import csv
import io
import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy import stats
from torch.nn.functional import cross_entropy

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import (
    AttackConfig,
    AttackedLoss,
    AttackReport,
    ComparisonConfig,
    RunStore,
    attack_losses,
)
from lightning_lossmeta.comparison.attack import figure_name
from lightning_lossmeta.comparison.compare import variants
from lightning_lossmeta.comparison.tuning import Tuning
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import PopulationEvaluator, TrainerEvaluator
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

LOSSES = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
SETTINGS = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,), steps=40)
ATTACK = AttackConfig(epsilons=(0.0, 0.1), steps=3)


def _task():
    data = DigitsDataModule(batch_size=100)
    return Task(SupervisedModule(MLP(64, [16], 10)), data, Session(accelerator="cpu"), seed=1)


def test_accuracies_are_those_of_networks_attacked_by_hand():
    task = _task()
    found = attack_losses(LOSSES, task, PopulationEvaluator(), SETTINGS, ATTACK, {"MSE": 3.0})
    assert [(item.name, item.tuning.best) for item in found] == [("CE", 1.0), ("MSE", 3.0)]
    split, scale = task.data.splits.test, 1 / task.data.std[0]
    lowest, highest = -task.data.mean[0] * scale, (1 - task.data.mean[0]) * scale
    own = replace(SETTINGS, learning_rate_factors=(3.0,))
    for place, (variant, _) in enumerate(variants(task, own, [3.0], tuning=False)):
        module = variant.fresh_module()
        module.loss_fn = MeanSquaredError()
        run_session(module, replace(variant, session=replace(variant.session, callbacks=())))
        inputs = split.inputs.clone().requires_grad_()
        loss = cross_entropy(module.eval()(inputs), split.targets)
        (gradient,) = torch.autograd.grad(loss, inputs)
        attacked = (inputs + 0.1 * scale * gradient.sign()).clamp(lowest, highest)
        for epsilon, images in ((0.0, inputs), (0.1, attacked)):
            right = (module(images).argmax(1) == split.targets).float().mean()
            score = found[1].row("fgsm", epsilon).scores[place]
            assert score == pytest.approx(float(right), abs=2 / 360)
    for item in found:
        clean, fgsm, pgd = (
            item.row(*which).mean for which in (("pgd", 0.0), ("fgsm", 0.1), ("pgd", 0.1))
        )
        assert clean == item.row("fgsm", 0.0).mean
        assert pgd <= fgsm < clean
        assert all(0 < value < 60 for value in item.seconds)


def test_learning_rates_are_tuned_without_attacks_and_trainings_kept(tmp_path):
    settings = replace(SETTINGS, learning_rate_factors=(0.1, 1.0), widenings=0, tuning_seeds=1)
    stages = []

    def attack(losses, epsilons=(0.0, 0.1)):
        stages.clear()
        return attack_losses(
            losses,
            _task(),
            TrainerEvaluator(),
            settings,
            replace(ATTACK, epsilons=epsilons),
            {},
            lambda stage, done, count: stages.append((stage, done, count)),
            RunStore(tmp_path),
        )

    first = attack(LOSSES)
    assert stages[-1] == ("training and attack", 4, 4)
    assert {stage for stage, *_ in stages} == {"tuning", "training and attack"}
    assert len(list(tmp_path.glob("*.json"))) == 4 + 4
    assert set(first[0].tuning.scores) == {0.1, 1.0}
    again = attack(LOSSES)
    assert [item.results for item in again] == [item.results for item in first]
    assert len(list(tmp_path.glob("*.json"))) == 8
    attack({"CE": CrossEntropy()}, (0.0, 0.2))
    assert len(list(tmp_path.glob("*.json"))) == 8 + 2, "tuned before, attacked anew"


def _loss(name, fgsm, pgd, status=Status.OK):
    results = []
    for one, many in zip(fgsm, pgd, strict=True):
        figures = {"fgsm": (0.9, one), "pgd": (0.9, many)}
        metrics = {
            figure_name(attack, epsilon): value
            for attack, values in figures.items()
            for epsilon, value in zip((0.0, 0.1), values, strict=True)
        }
        diverged = math.isnan(one)
        results.append(
            Evaluation(
                Candidate(name),
                () if diverged else (0.9,),
                Status.DIVERGED if diverged else status,
                metrics={} if diverged else {**metrics, "training_seconds": 2.0},
            )
        )
    return AttackedLoss(name, Tuning({1.0: math.nan}), results)


BASE = _loss("CE", (0.50, 0.52, 0.51, 0.53), (0.30, 0.31, 0.33, 0.32))


def test_masked_gradients_are_named_and_honest_gains_are_not():
    masking = _loss("hides", (0.60, 0.63, 0.61, 0.62), (0.29, 0.30, 0.30, 0.31))
    honest = _loss("gains", (0.60, 0.63, 0.61, 0.62), (0.40, 0.42, 0.41, 0.44))
    report = AttackReport([BASE, masking, honest], ATTACK, "CE")
    said = report.sentences()
    assert [text for text in said if "gradient masking" in text] == [said[0]]
    assert said[0].startswith("hides: gradient masking, better than CE under FGSM but not under")
    assert "at epsilon 0.1 (p = " in said[0]
    rows = report.rows("pgd")[0.1]
    first, second = (
        stats.ttest_rel(item.row("pgd", 0.1).scores, BASE.row("pgd", 0.1).scores)
        for item in (masking, honest)
    )
    one_tailed = sorted([first.pvalue / 2 if first.statistic > 0 else 1 - first.pvalue / 2])
    assert rows[2].p_value == pytest.approx(second.pvalue / 2 * 2), "one tail, Holm of two"
    assert rows[1].p_value == pytest.approx(one_tailed[0])
    alone = AttackReport([BASE, masking], replace(ATTACK, attacks=("fgsm",)), "CE")
    assert "attack with pgd too" in alone.sentences()[0]


def test_diverged_trainings_are_counted_and_shown():
    some = _loss("wild", (0.60, math.nan, 0.62, 0.61), (0.40, math.nan, 0.41, 0.42))
    report = AttackReport([BASE, some], ATTACK, "CE")
    assert math.isnan(report.rows("fgsm")[0.1][1].p_value)
    assert np.isnan(report.scores("fgsm")["wild"][1]).tolist() == [False, True, False, False]
    text = report.markdown()
    assert "| diverged | 0 of 4 | 1 of 4 |" in text
    assert "wild: 1 of 4 trainings diverged" in text
    assert "| 0.1 | 0.5150" in text
    lines = list(csv.DictReader(io.StringIO(report.csv())))
    assert len(lines) == 2 * 4 * 2 * 2
    bad = [line for line in lines if line["status"] == "diverged"]
    assert len(bad) == 4
    assert all(line["accuracy"] == "" for line in bad)
    all_gone = _loss("gone", [math.nan] * 4, [math.nan] * 4)
    assert "| none |" in AttackReport([BASE, all_gone], ATTACK, "CE").markdown()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"attacks": ("cw",)}, "some of fgsm, pgd, each once, as 'fgsm,pgd', got cw"),
        ({"attacks": ()}, "got none"),
        ({"attacks": ("pgd", "pgd")}, "each once"),
        ({"epsilons": (-0.1, 0.1)}, r"`epsilons` to be a number in \[0, inf\]"),
        ({"epsilons": (0.2, 0.1)}, "rising numbers"),
        ({"epsilons": ()}, "rising numbers"),
        ({"steps": 0}, "`steps` to be an integer of at least 1"),
        ({"restarts": 0}, "`restarts`"),
        ({"samples": 0}, "`samples`"),
    ],
)
def test_refuses(wrong, message):
    with pytest.raises(ValueError, match=message):
        AttackConfig(**wrong)
