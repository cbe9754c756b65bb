import copy
import pickle
from typing import Optional

import pytest
import pytorch_lightning as pl
import torch
from jsonargparse import ArgumentParser
from method_toys import FAMILY, METHODS, blobs_module, blobs_task, evaluate, seeded_network
from strangers import StrangersNet
from torch.utils.data import DataLoader, IterableDataset

from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.co_teaching import CoTeaching
from lightning_lossmeta.modules.early_learning import EarlyLearning
from lightning_lossmeta.modules.jocor import JoCoR
from lightning_lossmeta.modules.methods import TrainingMethod, check_supervised, training_steps
from lightning_lossmeta.training.session import run_session

each_method = pytest.mark.parametrize("method", METHODS, ids=lambda m: type(m).__name__)


@each_method
def test_is_a_small_value(method):
    assert pickle.loads(pickle.dumps(method)) == copy.deepcopy(method) == method
    assert type(method).__name__ in repr(method)
    with pytest.raises(AttributeError):
        method.quantile = 2


@each_method
def test_is_given_in_yaml_by_its_class(method):
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--method", type=Optional[TrainingMethod])  # noqa: UP045
    arguments = dict(vars(method))
    path = f"{type(method).__module__}.{type(method).__name__}"
    parsed = parser.parse_object({"method": {"class_path": path, "init_args": arguments}})
    assert parser.instantiate_classes(parsed).method == method


@each_method
@pytest.mark.parametrize("precision", ["32-true", "64-true", "bf16-mixed", "bf16-true"])
def test_logs_what_the_module_logs_in_each_precision(method, precision):
    found = evaluate(blobs_task(method, precision=precision))
    plain = evaluate(blobs_task(precision=precision))
    assert found.status is Status.OK, found.message
    assert found.metrics.keys() == plain.metrics.keys() == {"val_loss", "val_accuracy"}
    assert found.curves.keys() == plain.curves.keys()
    assert found.fitness > 0.6


@each_method
def test_depends_on_the_seed_alone(method):
    torch.manual_seed(1)
    first = evaluate(blobs_task(method))
    torch.manual_seed(2)
    assert evaluate(blobs_task(method)).curves == first.curves
    assert evaluate(blobs_task(method, seed=4)).curves != first.curves


@each_method
def test_starts_where_the_module_starts(method):
    wrapped, plain = (blobs_task(m).fresh_module() for m in (method, None))
    inputs = torch.randn(5, 6)
    assert torch.equal(wrapped(inputs), plain(inputs))
    state = torch.get_rng_state()
    method.wrap(blobs_task().fresh_module())
    assert torch.equal(torch.get_rng_state(), state)


@each_method
def test_a_copy_is_trained_as_the_original(method):
    task = blobs_task(method)
    module = task.fresh_module()
    twin = copy.deepcopy(module)
    for one in (module, twin):
        run_session(one, task)
    for mine, other in zip(module.parameters(), twin.parameters(), strict=True):
        assert torch.equal(mine, other)
        assert mine is not other


@each_method
def test_test_step_and_metric_name(method, tmp_path):
    module = blobs_module(method, metric_name="share")
    task = blobs_task()
    run_session(module, task)
    trainer = pl.Trainer(logger=False, enable_progress_bar=False, accelerator="cpu")
    (found,) = trainer.test(module, task.data, verbose=False)
    assert found.keys() == {"test_loss", "test_share"}


@pytest.mark.parametrize("method", [CoTeaching(0.0), JoCoR(0.0, co_lambda=0.0)])
def test_with_nothing_to_do_the_first_network_trains_as_without(method):
    """One optimiser for both: the second changes nothing. JoCoR's mean is the plain loss then."""
    found, plain = blobs_task(method), blobs_task()
    modules = []
    for task in (found, plain):
        modules.append(task.fresh_module())
        run_session(modules[-1], task)
    wrapped, module = modules
    for mine, other in zip(wrapped.network.parameters(), module.network.parameters(), strict=True):
        torch.testing.assert_close(mine, other)
    peer = torch.cat([p.flatten() for p in wrapped.peer.parameters()])
    assert (peer - torch.cat([p.flatten() for p in module.parameters()])).abs().max() > 0.1
    score = (wrapped.peer(torch.randn(9, 6)).argmax(1)).unique()
    assert len(score) > 1


@pytest.mark.parametrize("steps", [20, 40])
def test_forget_rate_follows_the_budget(steps, monkeypatch):
    seen = []
    drop_rate = CoTeaching.drop_rate

    def recorded(self, progress):
        seen.append(drop_rate(self, progress))
        return seen[-1]

    monkeypatch.setattr(CoTeaching, "drop_rate", recorded)
    evaluate(blobs_task(CoTeaching(0.6, gradual_fraction=0.5), steps=steps))
    assert len(seen) == steps
    half = steps // 2
    expected = [0.6 * step / half for step in range(half)] + [0.6] * half
    assert seen == pytest.approx(expected)


def test_a_replaced_loss_is_the_one_that_trains():
    task = blobs_task(CoTeaching(0.2))
    module = task.fresh_module()

    class Refusing(CrossEntropy):
        def values(self, log_h, target, weight):
            raise ArithmeticError("asked")

    module.loss_fn = Refusing()
    with pytest.raises(ArithmeticError, match="asked"):
        run_session(module, task)


@each_method
def test_no_stack_trains_it_as_a_plain_module(method):
    reason = PopulationEvaluator().unsupported(FAMILY, [blobs_task(method)])
    assert f"{type(method).__name__}Module overrides" in reason


class _Own(SupervisedModule):
    def on_train_epoch_start(self):
        pass


@each_method
def test_refuses_modules_that_it_does_not_know_to_train(method):
    name = type(method).__name__
    with pytest.raises(TypeError, match=f"{name} to be given a SupervisedModule, got StrangersNet"):
        method.wrap(StrangersNet())
    with pytest.raises(TypeError, match="got _Own, whose own `on_train_epoch_start` would be lost"):
        method.wrap(_Own(seeded_network()))
    wrapped = method.wrap(SupervisedModule(seeded_network()))
    with pytest.raises(TypeError, match="Module, whose own `"):
        METHODS[0].wrap(wrapped)


def test_a_subclass_with_another_constructor_is_known():
    class Small(SupervisedModule):
        def __init__(self):
            super().__init__(seeded_network())

    module = Small()
    assert check_supervised(module, METHODS[0]) is module


class _Endless(IterableDataset):
    def __iter__(self):
        while True:
            yield torch.randn(4), 0


def test_refuses_a_training_without_an_end():
    module = CoTeaching(0.2).wrap(SupervisedModule(seeded_network()))
    trainer = pl.Trainer(
        max_epochs=-1,
        accelerator="cpu",
        logger=False,
        enable_progress_bar=False,
        enable_checkpointing=False,
    )
    with pytest.raises(ValueError, match="got neither `max_steps` nor `max_epochs`"):
        trainer.fit(module, DataLoader(_Endless(), 5))


def test_steps_of_an_endless_loader_are_those_of_the_trainer():
    for method in METHODS:
        if isinstance(method, EarlyLearning):
            continue  # refuses data whose samples have no number
        module = method.wrap(SupervisedModule(seeded_network()))
        trainer = pl.Trainer(
            max_steps=3,
            accelerator="cpu",
            logger=False,
            enable_progress_bar=False,
            enable_checkpointing=False,
        )
        trainer.fit(module, DataLoader(_Endless(), 5))
        assert trainer.global_step == 3
        assert training_steps(trainer) == 3
