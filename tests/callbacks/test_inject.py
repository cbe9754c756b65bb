import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta.artifacts import Artifact, ArtifactError, LearnedLoss
from lightning_lossmeta.callbacks import InjectLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.task import Objective, Session, Task


@pytest.fixture
def path(tmp_path):
    family = TaylorFamily(start="mse")
    Artifact(family, Candidate(None, family.space.start)).save(tmp_path / "best.json")
    return tmp_path / "best.json"


class FunctionNet(StrangersNet):
    """Keeps a plain function for its loss, and notes what it is called with."""

    def __init__(self):
        super().__init__()
        del self.loss_fn
        self.loss_fn = nn.functional.cross_entropy


class NoLossYet(StrangersNet):
    def __init__(self):
        super().__init__()
        self.loss_fn = None


class MethodNet(StrangersNet):
    def __init__(self):
        super().__init__()
        del self.loss_fn

    def loss_fn(self, output, target):
        return nn.functional.cross_entropy(output, target)


class LostNet(StrangersNet):
    def __init__(self):
        super().__init__()
        del self.loss_fn


class Watch(pl.Callback):
    """Notes the losses that a module has while it trains, and may break the fit off."""

    def __init__(self, error=None):
        self.error = error
        self.seen = []

    def on_train_batch_end(self, trainer, pl_module, *args):
        self.seen.append(pl_module.loss_fn)
        if self.error is not None:
            raise self.error


def _fit(module, callbacks, steps=3, **changes):
    trainer = pl.Trainer(
        max_steps=steps,
        accelerator="cpu",
        logger=False,
        callbacks=callbacks,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **changes,
    )
    torch.manual_seed(0)
    trainer.fit(module, datamodule=BlobsData())
    return trainer


def _seeded(kind):
    torch.manual_seed(1)
    return kind()


def _weights(module):
    return torch.cat([value.detach().flatten() for value in module.parameters()])


@pytest.mark.parametrize("kind", [StrangersNet, FunctionNet, NoLossYet])
def test_swaps_for_the_fit_and_restores(path, kind):
    module = _seeded(kind)
    original = module.loss_fn
    watch = Watch()
    _fit(module, [InjectLoss(path), watch])
    assert all(isinstance(seen, LearnedLoss) for seen in watch.seen)
    assert len(watch.seen) == 3
    assert module.loss_fn is original


@pytest.mark.parametrize("kind", [StrangersNet, FunctionNet])
def test_trains_as_a_module_that_was_given_the_loss(path, kind):
    injected, given = _seeded(kind), _seeded(kind)
    _fit(injected, [InjectLoss(path)])
    del given.loss_fn
    given.loss_fn = LearnedLoss(path)
    _fit(given, [])
    assert torch.equal(_weights(injected), _weights(given))
    plain = _seeded(kind)
    _fit(plain, [])
    assert not torch.equal(_weights(injected), _weights(plain))


@pytest.mark.parametrize("error", [ArithmeticError, KeyboardInterrupt])
@pytest.mark.parametrize("kind", [StrangersNet, FunctionNet])
def test_restores_after_a_fit_that_breaks_off(path, kind, error):
    module = _seeded(kind)
    original = module.loss_fn
    with pytest.raises((error, SystemExit)):
        _fit(module, [InjectLoss(path), Watch(error)])
    assert module.loss_fn is original


def test_one_callback_serves_fit_after_fit(path):
    inject = InjectLoss(path)
    for kind in (StrangersNet, FunctionNet):
        module = _seeded(kind)
        original, watch = module.loss_fn, Watch()
        _fit(module, [inject, watch])
        assert isinstance(watch.seen[0], LearnedLoss)
        assert module.loss_fn is original


def test_validation_alone_is_left_as_it_is(path):
    module = _seeded(StrangersNet)
    original = module.loss_fn
    trainer = pl.Trainer(
        accelerator="cpu",
        logger=False,
        callbacks=[InjectLoss(path)],
        enable_checkpointing=False,
        enable_progress_bar=False,
    )
    trainer.validate(module, datamodule=BlobsData(), verbose=False)
    assert module.loss_fn is original


def test_learning_rate_factor(path):
    module = _seeded(StrangersNet)
    trainer = _fit(module, [InjectLoss(path, learning_rate_factor=0.25)])
    assert trainer.optimizers[0].param_groups[0]["lr"] == pytest.approx(0.25 * 0.05)


def test_a_checkpoint_of_before_gets_the_factor_once(path, tmp_path):
    plain, scaled = tmp_path / "plain.ckpt", tmp_path / "scaled.ckpt"
    _fit(_seeded(StrangersNet), []).save_checkpoint(plain)

    def rate(checkpoint):
        trainer = pl.Trainer(
            max_steps=5,
            accelerator="cpu",
            logger=False,
            callbacks=[InjectLoss(path, learning_rate_factor=0.25)],
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
        )
        trainer.fit(StrangersNet(), datamodule=BlobsData(), ckpt_path=checkpoint)
        trainer.save_checkpoint(scaled)
        return trainer.optimizers[0].param_groups[0]["lr"]

    assert rate(plain) == rate(scaled) == pytest.approx(0.25 * 0.05)


def test_modules_that_can_not_take_a_loss(path):
    with pytest.raises(TypeError, match="LostNet to have an attribute `loss_fn`"):
        _fit(LostNet(), [InjectLoss(path)])
    with pytest.raises(TypeError, match="MethodNet to set its attribute `loss_fn` in __init__"):
        _fit(MethodNet(), [InjectLoss(path)])


def test_a_bad_file_fails_before_any_training(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ArtifactError):
        InjectLoss(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        InjectLoss(tmp_path / "b.json")


class _MakesItsLossInSetup(StrangersNet):
    """As one does whose class weights are known once the data are."""

    def setup(self, stage):
        self.loss_fn = nn.CrossEntropyLoss()


def test_a_loss_that_the_module_makes_in_its_setup_does_not_take_the_place(path):
    module = _MakesItsLossInSetup()
    seen = []

    class Watch(pl.Callback):
        def on_train_batch_start(self, trainer, pl_module, batch, batch_idx):
            seen.append(pl_module.loss_fn)

    inject = InjectLoss(path)
    _fit(module, [inject, Watch()])
    assert seen
    assert all(loss is inject.loss for loss in seen)
    assert isinstance(module.loss_fn, nn.CrossEntropyLoss)


def test_candidates_are_trained_with_their_own_loss_there_too():
    task = Task(_MakesItsLossInSetup, BlobsData(), Session(20, (Objective("val_acc"),)))
    family = TaylorFamily()
    thetas = [(0.0,) * 8, *(item.theta for item in family.baselines().values())]
    candidates = [Candidate(None, theta) for theta in thetas]
    found = TrainerEvaluator().evaluate(candidates, family, [task])
    assert len({item.fitness for item in found}) > 1
