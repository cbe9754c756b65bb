"""Attraction of samples, recorded in a real training."""

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta import SampleAttraction
from lightning_lossmeta.callbacks import attraction as attraction_module
from lightning_lossmeta.losses import Baikal, CrossEntropy
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.theory import attraction


def fit(callback, loss, logger=False, epochs=3):
    generator = torch.Generator().manual_seed(0)
    inputs = torch.randn(100, 4, generator=generator)
    data = TensorDataset(inputs, inputs.argmax(1))
    torch.manual_seed(0)
    network = torch.nn.Sequential(torch.nn.Dropout(0.5), torch.nn.Linear(4, 4))
    module = SupervisedModule(network, loss)
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        callbacks=[callback],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    trainer.fit(module, DataLoader(data, batch_size=30))
    return trainer, module


def test_records_every_epoch(tmp_path):
    callback = SampleAttraction(samples=50)
    logger = TensorBoardLogger(tmp_path)
    trainer, module = fit(callback, CrossEntropy(), logger)
    epochs, strengths, confidences = callback.points()
    assert epochs.bincount().tolist() == [50, 50, 50]
    assert (strengths > 0).all()  # cross-entropy always pulls
    assert confidences.min() > 0
    assert confidences.max() < 1
    assert confidences[epochs == 2].mean() > confidences[epochs == 0].mean()
    assert module.network[0].training
    mean = trainer.callback_metrics["attraction/mean"].item()
    assert mean == pytest.approx(strengths[epochs == 2].mean().item(), rel=1e-5)

    events = EventAccumulator(logger.log_dir, {"histograms": 0, "images": 0})
    events.Reload()
    assert [event.step for event in events.Histograms("attraction")] == [0, 1, 2]
    assert "attraction/pushed" in events.Tags()["scalars"]
    (image,) = events.Images("attraction/history")
    assert image.step == 2
    assert (image.width, image.height) == (700, 430)


def test_values_are_those_of_theory():
    callback = SampleAttraction(samples=1000)
    _, module = fit(callback, Baikal(), epochs=1)
    _, strengths, confidences = callback.points()
    inputs = torch.randn(100, 4, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        logits = module.eval()(inputs)
    expected = attraction(Baikal(), logits, inputs.argmax(1))
    torch.testing.assert_close(strengths.sort().values, expected.sort().values)
    assert (strengths < 0).any()  # Baikal pushes what is known well
    assert ((strengths > 0) | (confidences > 0.2)).all()


@pytest.mark.parametrize("board", [True, False])
def test_the_end_of_a_fit_writes_the_picture(tmp_path, board):
    path = tmp_path / "new" / "history.png"
    logger = TensorBoardLogger(tmp_path) if board else False
    fit(SampleAttraction(samples=20, picture=str(path)), Baikal(), logger, epochs=2)
    assert path.read_bytes()[:4] == b"\x89PNG"


def test_a_fit_without_an_epoch_draws_nothing(tmp_path):
    path = tmp_path / "history.png"
    fit(SampleAttraction(samples=20, picture=str(path)), Baikal(), epochs=0)
    assert not path.exists()


def test_a_fit_without_board_and_picture_draws_nothing(monkeypatch):
    def refuse(*arguments):
        raise RuntimeError("drawn")

    monkeypatch.setattr(attraction_module, "attraction_history_figure", refuse)
    callback = SampleAttraction(samples=20)
    fit(callback, Baikal(), epochs=1)
    assert len(callback.points()[0]) == 20


def test_a_training_that_diverges_is_drawn(tmp_path):
    class Broken(CrossEntropy):
        def per_sample(self, output, target):
            return super().per_sample(output, target) * float("nan")

    path = tmp_path / "history.png"
    fit(SampleAttraction(samples=20, picture=str(path)), Broken(), epochs=2)
    assert path.stat().st_size > 1000


def test_two_runs_draw_the_same_and_the_second_forgets_the_first():
    callback = SampleAttraction(samples=20)
    fit(callback, CrossEntropy(), epochs=2)
    first = callback.points()
    fit(callback, CrossEntropy(), epochs=2)
    for one, two in zip(first, callback.points(), strict=True):
        torch.testing.assert_close(one, two)


def test_draw_is_uniform_over_the_epoch():
    callback = SampleAttraction(samples=40)
    module = SupervisedModule(torch.nn.Identity(), CrossEntropy())
    callback.on_train_epoch_start(None, module)
    counts = torch.zeros(100)
    for _ in range(200):
        callback.on_train_epoch_start(None, module)
        for batch in torch.arange(100).split(30):
            callback.on_train_batch_end(None, module, None, (batch, batch), 0)
        assert (callback._inputs == callback._target).all()
        counts[callback._target] += 1
    assert counts.sum() == 200 * 40  # no sample twice, none missing
    # Each count is binomial(200, 0.4), of standard deviation 6.9.
    assert (counts - 80).abs().max() < 5 * 6.9


def test_bad_input():
    with pytest.raises(ValueError, match="`samples` to be an integer of at least 1, got 0"):
        SampleAttraction(samples=0)
    with pytest.raises(ValueError, match=r"`picture` to end in \.png, \.svg, \.pdf, got 'x\.gif'"):
        SampleAttraction(picture="x.gif")
    with pytest.raises(RuntimeError, match="a training with this callback"):
        SampleAttraction().points()
    with pytest.raises(TypeError, match=r"`loss_fn` that is a LossFunction, got CrossEntropyLoss"):
        fit(SampleAttraction(), torch.nn.CrossEntropyLoss())
