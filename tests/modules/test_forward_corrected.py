import copy
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from method_toys import (
    blobs_module,
    blobs_task,
    digits_accuracy,
    digits_module,
    evaluate,
    seeded_network,
)
from strangers import BlobsData
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta.callbacks.learning_rate import LearningRateFactor
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.data.noise.class_conditional import PairFlipNoise
from lightning_lossmeta.losses import CrossEntropy, ForwardCorrection, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule, forward_corrected
from lightning_lossmeta.modules.forward_corrected import ForwardCorrected
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

QUIET = {
    "logger": False,
    "enable_checkpointing": False,
    "enable_progress_bar": False,
    "enable_model_summary": False,
    "accelerator": "cpu",
}


def _fit(task, loss=None):
    module = task.fresh_module()
    if loss is not None:
        module.loss_fn = loss
    run_session(module, task)
    return module


def _task(method=None, of_module=None, **changes):
    """240 digits of which 40% have the next label; batches that the seed alone decides."""
    session = Session(**({"steps": 24, "validations": 0, "accelerator": "cpu"} | changes))
    data = DigitsDataModule(batch_size=20, train_size=240, noise=PairFlipNoise(0.4))
    return Task(partial(digits_module, method, **(of_module or {})), data, session, seed=3)


def _by_hand(task, quantile=0.97, floor=1e-6):
    """T out of a plain training with cross-entropy, in NumPy."""
    module = _fit(task).eval()
    with torch.no_grad():
        p = module(task.data.splits.train.inputs).double().softmax(1).numpy()
    assert p.shape == (240, 10)
    rank = int(quantile * 239)
    matrix = p[[p[:, i].argsort()[rank] for i in range(10)]].clip(floor)
    return torch.tensor(matrix / matrix.sum(1, keepdims=True))


def _close(found, expected):
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-8)


def _same(module, other):
    for one, two in zip(module.network.parameters(), other.network.parameters(), strict=True):
        torch.testing.assert_close(one, two)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"learning_rate_factor": 0.2},
        {"gradient_clip_val": 0.05},
        {"precision": "bf16-mixed"},
        {"train_samples": 100},
        {
            "learning_rate_factor": 0.3,
            "of_module": {
                "optimizer": partial(torch.optim.Adam, lr=0.05),
                "lr_scheduler": partial(torch.optim.lr_scheduler.CosineAnnealingLR, T_max=24),
            },
        },
        {
            "of_module": {
                "lr_scheduler": partial(
                    torch.optim.lr_scheduler.OneCycleLR, max_lr=0.3, total_steps=30
                ),
            },
            "learning_rate_factor": 0.5,
        },
    ],
)
def test_equals_two_trainings_by_hand(changes):
    """Of the same seed: initial weights, batches and learning rates are the same in all."""
    plain = _task(**changes)
    found = _fit(_task(ForwardCorrected(), **changes))
    if "train_samples" not in changes and "precision" not in changes:
        _close(found.transition, _by_hand(plain))
    expected = _fit(plain, ForwardCorrection(found.transition))
    _same(found, expected)
    uncorrected = _fit(plain)
    with pytest.raises(AssertionError, match="not close"):
        _same(found, uncorrected)


def test_a_data_loader_gives_the_batches_that_it_gives_without():
    found = _fit(blobs_task(ForwardCorrected(steps_fraction=0.1)))
    _same(found, _fit(blobs_task(), ForwardCorrection(found.transition)))


def test_the_dropout_of_the_first_training_leaves_the_second_its_own():
    """Both draw from the global generator, on which the batches depend too."""
    task, plain = (
        Task(partial(_dropout_module, method), BlobsData(), Session(24, accelerator="cpu"), seed=3)
        for method in (ForwardCorrected(), None)
    )
    found = _fit(task)
    _same(found, _fit(plain, ForwardCorrection(found.transition)))


def _dropout_module(method):
    network = nn.Sequential(nn.Linear(6, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3))
    module = SupervisedModule(network)
    return module if method is None else method.wrap(module)


def test_fewer_steps_for_the_first_training():
    _close(_fit(_task(ForwardCorrected(steps_fraction=0.25))).transition, _by_hand(_task(steps=6)))


def test_largest_probability_by_a_quantile_of_one():
    found = _fit(_task(ForwardCorrected(quantile=1.0)))
    _close(found.transition, _by_hand(_task(), quantile=1.0))


def test_labels_that_no_anchor_has_are_given_a_floor(monkeypatch):
    matrix = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.5, 0.5, 0.0]]).double()
    monkeypatch.setattr(forward_corrected, "estimate_transition", lambda p, quantile: matrix)
    module = _fit(blobs_task(ForwardCorrected()))
    torch.testing.assert_close(module.transition, matrix, atol=2e-6, rtol=0)
    assert module.transition.min() > 9e-7
    torch.testing.assert_close(module.transition.sum(1), torch.ones(3).double())
    assert all(torch.isfinite(p).all() for p in module.parameters())


def test_class_weights_and_ignored_labels_go_on():
    loss = CrossEntropy(weight=[1.0, 2.0, 3.0], ignore_index=1)
    module = _fit(blobs_task(ForwardCorrected(), of_module={"loss_fn": loss}))
    assert module.correction.weight.tolist() == [1, 2, 3]
    assert module.correction.ignore_index == 1


def test_loss_of_torch_is_cross_entropy_too():
    found = _fit(_task(ForwardCorrected()), nn.CrossEntropyLoss())
    _close(found.transition, _by_hand(_task()))


@pytest.mark.parametrize(
    ("loss", "error", "message"),
    [
        (MeanSquaredError(), TypeError, "to be CrossEntropy, which it corrects, got MeanSquared"),
        (nn.CrossEntropyLoss(label_smoothing=0.1), ValueError, "`label_smoothing`, got 0.1"),
    ],
)
def test_refuses_other_losses(loss, error, message):
    with pytest.raises(error, match=message):
        _fit(blobs_task(ForwardCorrected()), loss)


def test_a_first_training_that_diverges_says_so():
    evaluation = evaluate(blobs_task(ForwardCorrected(), learning_rate_factor=1e30))
    assert "diverged. Lower the learning rate" in evaluation.message


@pytest.mark.parametrize(("name", "value"), [("quantile", 0), ("steps_fraction", 1.1)])
def test_refuses_numbers_out_of_range(name, value):
    with pytest.raises(ValueError, match=f"Expected argument `{name}` to be a number in"):
        ForwardCorrected(**{name: value})


def test_in_a_trainer_of_ones_own_by_epochs_and_loaders():
    """Epochs and a loader instead of a data module and steps; a callback scales the rate."""
    data = BlobsData()
    data.setup("fit")
    loader = DataLoader(data.parts[0], 30, shuffle=True)
    torch.manual_seed(4)
    plain = blobs_module()
    wrapped = ForwardCorrected().wrap(copy.deepcopy(plain))
    for module in (wrapped, plain):
        if module is plain:
            module.loss_fn = ForwardCorrection(wrapped.transition)
        torch.manual_seed(8)
        trainer = pl.Trainer(max_epochs=3, callbacks=[LearningRateFactor(0.1)], **QUIET)
        trainer.fit(module, loader)
        assert trainer.global_step == 18
    _same(wrapped, plain)


def test_resumes_with_the_transition_of_the_checkpoint(tmp_path, monkeypatch):
    loader = DataLoader(TensorDataset(torch.randn(40, 4), torch.arange(40) % 3), 10)
    module = ForwardCorrected().wrap(SupervisedModule(seeded_network()))
    trainer = pl.Trainer(max_steps=6, **QUIET)
    trainer.fit(module, loader)
    trainer.save_checkpoint(tmp_path / "fit.ckpt")
    monkeypatch.setattr(forward_corrected, "estimate_transition", None)
    resumed = ForwardCorrected().wrap(SupervisedModule(seeded_network(1)))
    pl.Trainer(max_steps=8, **QUIET).fit(resumed, loader, ckpt_path=tmp_path / "fit.ckpt")
    torch.testing.assert_close(resumed.transition, module.transition)


def test_before_a_fit_there_is_no_transition():
    module = ForwardCorrected().wrap(SupervisedModule(seeded_network()))
    assert module.transition is None
    with pytest.raises(RuntimeError, match="Expected T to be estimated"):
        module.training_step((torch.randn(2, 4), torch.tensor([0, 1])), 0)


def test_learns_digits_whose_labels_flip_to_the_next_class():
    """The first training ends before the network knows the 1,078 noisy labels by heart."""
    noise = PairFlipNoise(0.4)
    plain = digits_accuracy(None, noise, seed=0)
    assert digits_accuracy(ForwardCorrected(steps_fraction=0.5), noise, seed=0) > plain + 0.1


class _Brighter(DigitsDataModule):
    """Augments training batches on the device."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        return (inputs + 1, target) if self.trainer.training else batch


def test_hooks_of_the_data_take_part_in_both_trainings():
    """Its predictions are made of samples that are not augmented."""
    task, plain = (
        Task(module, _Brighter(20, train_size=240), Session(24, accelerator="cpu"), seed=3)
        for module in (partial(digits_module, ForwardCorrected()), digits_module)
    )
    found = _fit(task)
    _close(found.transition, _by_hand(plain))
    _same(found, _fit(plain, ForwardCorrection(found.transition)))
