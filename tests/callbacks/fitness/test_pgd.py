"""Accuracy under projected gradient descent, and what it shares with the single step."""

from dataclasses import replace

import pytest
import pytorch_lightning as pl
import torch
from torch import nn

from lightning_lossmeta.callbacks import FGSMFitness, PGDFitness
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.networks import networks_of
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

DATA = DigitsDataModule()


@pytest.fixture(scope="module")
def trained():
    task = Task(SupervisedModule(MLP(64, [32], 10)), DATA, Session(200, accelerator="cpu"))
    module = task.fresh_module()
    module.loss_fn = CrossEntropy()
    run_session(module, task)
    return module.eval()


def _accuracy(module, attack):
    prepared = attack.prepare(Task(module, DATA))
    split = DATA.splits.test
    right = prepared.attacked_correct(networks_of(module), split.inputs, split.targets)
    return float(right.mean())


def test_many_steps_are_stronger_than_one_and_restarts_than_one_start(trained):
    split = DATA.splits.test
    clean = float((trained(split.inputs).argmax(1) == split.targets).float().mean())
    assert clean > 0.9
    one_step = _accuracy(trained, FGSMFitness(0.1))
    many = _accuracy(trained, PGDFitness(0.1, steps=20))
    assert many < one_step < clean
    assert _accuracy(trained, PGDFitness(0.1, 20, restarts=4)) <= many
    assert _accuracy(trained, PGDFitness(0.0)) == _accuracy(trained, FGSMFitness(0.0))
    assert _accuracy(trained, PGDFitness(0.0)) == pytest.approx(clean)
    assert _accuracy(trained, PGDFitness(0.1, 20, step_size=0.0)) > 0.85, "noise alone"


def test_the_worst_restart_counts(trained):
    attack = PGDFitness(0.06, 1, 3, step_size=0.0).prepare(Task(trained, DATA))
    split = DATA.splits.test
    networks = networks_of(trained)
    own, target = split.inputs[None], split.targets[None]
    each = [attack._from(attack._start(own, 0, n), networks, own, target) for n in range(3)]
    found = attack.attacked_correct(networks, split.inputs, split.targets)
    expected = torch.stack(each).bool().all(dim=0)
    assert torch.equal(found.bool(), expected)
    assert not torch.equal(each[0], each[1])


def test_random_starts_are_those_of_the_seed_and_lie_in_the_ball():
    own = torch.zeros(2, 500, 1, 8, 8)
    first = PGDFitness(0.2)._start(own, 0, 0)
    assert first.shape == (500, 1, 8, 8)
    assert first.abs().max() <= 0.2
    assert first.abs().mean() == pytest.approx(0.1, rel=0.02)
    torch.rand(3)
    assert torch.equal(first, PGDFitness(0.2)._start(own, 0, 0))
    for other in (
        PGDFitness(0.2, seed=1)._start(own, 0, 0),
        PGDFitness(0.2)._start(own, 500, 0),
        PGDFitness(0.2)._start(own, 0, 1),
    ):
        assert not torch.equal(first, other)


def test_large_batches_are_attacked_in_parts(trained, monkeypatch):
    whole = _accuracy(trained, PGDFitness(0.1, 3))
    monkeypatch.setattr("lightning_lossmeta.callbacks.fitness.attacked._AT_ONCE", {"cpu": 7})
    assert _accuracy(trained, PGDFitness(0.1, 3)) == pytest.approx(whole, abs=2 / 359)


def _trainer(*callbacks):
    return pl.Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def test_several_attacks_side_by_side_in_validation_and_test(trained):
    attacks = [
        FGSMFitness(),
        FGSMFitness(0.2, name="val_fgsm_0.2"),
        PGDFitness(steps=5),
        PGDFitness(steps=5, name="first", samples=50),
    ]
    trainer = _trainer(*attacks)
    (validated,) = trainer.validate(trained, datamodule=DATA, verbose=False)
    assert {"val_fgsm_accuracy", "val_fgsm_0.2", "val_pgd_accuracy", "first"} <= set(validated)
    (tested,) = trainer.test(trained, datamodule=DATA, verbose=False)
    assert tested["test_fgsm_accuracy"] == pytest.approx(_accuracy(trained, FGSMFitness()))
    assert tested["test_fgsm_0.2"] == pytest.approx(_accuracy(trained, FGSMFitness(0.2)))
    assert tested["test_pgd_accuracy"] == pytest.approx(_accuracy(trained, PGDFitness(steps=5)))
    assert tested["test_pgd_accuracy"] < tested["test_fgsm_accuracy"] < tested["test_accuracy"]
    split = DATA.splits.test
    few = PGDFitness(steps=5).prepare(Task(trained, DATA))
    right = few.attacked_correct(networks_of(trained), split.inputs[:50], split.targets[:50])
    assert tested["first"] == pytest.approx(float(right.mean()), abs=0.041)  # other starts
    (again,) = trainer.test(trained, datamodule=DATA, verbose=False)
    assert again == tested


def test_one_name_for_two_attacks_is_refused(trained):
    task = FGSMFitness(0.1).configure_task(Task(trained, DATA))
    with pytest.raises(ValueError, match=r"'val_fgsm_accuracy' twice.*val_fgsm_accuracy_0.2"):
        FGSMFitness(0.2).configure_task(task)
    both = FGSMFitness(0.2, name="val_fgsm_0.2").configure_task(task).session
    assert [item.monitor for item in both.objectives] == ["val_fgsm_accuracy", "val_fgsm_0.2"]
    with pytest.raises(ValueError, match="twice"):
        _trainer(PGDFitness(0.1), PGDFitness(0.2)).validate(trained, datamodule=DATA, verbose=False)


def test_integer_inputs_and_unknown_normalisation_are_refused_in_a_fit():
    class Words(pl.LightningDataModule):
        mean, std = (0.0,), (1.0,)

        def val_dataloader(self):
            pairs = torch.utils.data.TensorDataset(
                torch.zeros(6, 3, dtype=torch.int64), torch.zeros(6, dtype=torch.int64)
            )
            return torch.utils.data.DataLoader(pairs, batch_size=3)

    network = nn.Sequential(nn.Embedding(5, 4), nn.Flatten(), nn.Linear(12, 2))
    module = SupervisedModule(network)
    with pytest.raises(ValueError, match="floating-point inputs for an attack"):
        _trainer(PGDFitness()).validate(module, datamodule=Words(), verbose=False)
    with pytest.raises(ValueError, match=r"DataLoader|`mean` and `std`.*\[0\] and \[1\]"):
        _trainer(PGDFitness()).validate(module, Words().val_dataloader(), verbose=False)


def test_refuses():
    for wrong in ({"steps": 0}, {"restarts": 0}, {"samples": 0}):
        with pytest.raises(ValueError, match="integer of at least 1, got 0"):
            PGDFitness(**wrong)
    for wrong in ({"epsilon": -0.1}, {"step_size": -1.0}):
        with pytest.raises(ValueError, match=r"to be a number in \[0, inf\]"):
            PGDFitness(**wrong)
    with pytest.raises(ValueError, match="integer from 0"):
        PGDFitness(seed=-1)
    with pytest.raises(ValueError, match="a name for the log"):
        FGSMFitness(name="")


def test_is_what_a_search_is_scored_by():
    session = Session(5, accelerator="cpu")
    task = Task(SupervisedModule(MLP(64, [8], 10)), DATA, session)
    configured = PGDFitness(0.1).configure_task(replace(task)).session
    assert configured.monitor == "val_pgd_accuracy"
    assert configured.callbacks[-1].std == pytest.approx([0.3760])
