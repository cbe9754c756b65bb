"""The landscape at the end of a fit."""

import copy
import csv

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta import LossLandscape
from lightning_lossmeta.analysis import flatness
from lightning_lossmeta.losses import MeanSquaredError, RegressionSquaredError
from lightning_lossmeta.modules import SupervisedModule


def samples(regression=False):
    inputs = torch.randn(90, 4, generator=torch.Generator().manual_seed(0))
    return TensorDataset(inputs, inputs[:, :1] if regression else inputs.argmax(1))


def fit(callback, module=None, logger=False, validation=True, epochs=3, folder=None, data=None):
    torch.manual_seed(0)
    layers = nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 4)
    module = module or SupervisedModule(nn.Sequential(*layers), MeanSquaredError())
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=logger,
        default_root_dir=folder,
        callbacks=[callback] if callback else [],
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        log_every_n_steps=1,
    )
    loader = DataLoader(data or samples(), batch_size=30, shuffle=True)
    torch.manual_seed(1)
    trainer.fit(module, loader, DataLoader(data or samples(), 30) if validation else None)
    return trainer, module


def test_it_goes_to_the_loggers_folder_and_tensorboard(tmp_path):
    logger = TensorBoardLogger(tmp_path)
    callback = LossLandscape(points=5, directions=2, samples=70)
    trainer, module = fit(callback, logger=logger)
    first = callback.landscapes[0].figures
    module.eval()
    inputs, target = samples()[:70]
    with torch.no_grad():
        outputs = module(inputs)
    accuracy = (outputs.argmax(1) == target).float().mean().item()
    for item in callback.landscapes:
        assert item.figures["accuracy"][2] == pytest.approx(accuracy)
    loss = MeanSquaredError()(outputs, target).item()
    assert first["own_loss"][2] == pytest.approx(loss, rel=1e-5)
    widths = [flatness(callback.alphas, i.figures["accuracy"]).width for i in callback.landscapes]
    assert callback.width == np.mean(widths)
    lines = list(csv.DictReader((tmp_path / logger.log_dir / "landscape.csv").open()))
    assert [line["alpha"] for line in lines] == 2 * ["-1", "-0.5", "0", "0.5", "1"]
    assert float(lines[2]["own_loss"]) == pytest.approx(loss, rel=1e-4)
    events = EventAccumulator(logger.log_dir, {"images": 0})
    events.Reload()
    assert [image.step for image in events.Images("landscape")] == [trainer.global_step]
    (width,) = events.Scalars("landscape/width")
    assert width.value == pytest.approx(callback.width)


@pytest.mark.parametrize("batches", [0, 2])
def test_the_training_is_as_it_was_without(tmp_path, batches):
    _, alone = fit(None)
    state = torch.get_rng_state()
    _, watched = fit(LossLandscape(points=3, statistics_batches=batches))
    assert torch.equal(torch.get_rng_state(), state)
    first, second = alone.state_dict(), watched.state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_statistics_that_are_made_anew_are_said_and_differ(tmp_path, monkeypatch):
    notes = []

    def figure(*arguments):
        notes.append(arguments[-1])
        return original(*arguments)

    from lightning_lossmeta.callbacks import landscape

    original = landscape.landscape_figure
    monkeypatch.setattr(landscape, "landscape_figure", figure)
    found = []
    for batches in (0, 2):
        callback = LossLandscape(
            points=3, statistics_batches=batches, picture=str(tmp_path / f"{batches}.svg")
        )
        fit(callback)
        found.append(callback.landscapes[0].figures["cross_entropy"])
        assert (tmp_path / f"{batches}.svg").stat().st_size > 1000
    assert "kept from training" in notes[0]
    assert "anew from 2 training batches" in notes[1]
    assert not np.allclose(*found, rtol=1e-3)


def test_a_logger_without_pictures_and_no_validation_data(tmp_path):
    logger = CSVLogger(tmp_path)
    callback = LossLandscape(points=3, directions=1)
    fit(callback, logger=logger, validation=False)
    assert (tmp_path / logger.log_dir / "landscape.png").read_bytes()[:4] == b"\x89PNG"
    logger.save()
    assert "landscape/width" in (tmp_path / logger.log_dir / "metrics.csv").read_text()


def test_without_a_logger_nothing_is_written(tmp_path):
    callback = LossLandscape(points=3)
    fit(callback, folder=tmp_path)
    assert len(callback.landscapes) == 3
    assert not list(tmp_path.rglob("*"))


def test_regression_has_its_loss_alone():
    class Regression(SupervisedModule):
        def validation_step(self, batch, batch_idx):
            pass

    callback = LossLandscape(points=3)
    fit(
        callback,
        Regression(nn.Linear(4, 1), RegressionSquaredError()),
        data=samples(regression=True),
    )
    assert list(callback.landscapes[0].figures) == ["own_loss"]
    assert np.isnan(callback.width)


def test_two_fits_draw_the_same_way():
    callback = LossLandscape(points=3, directions=1)
    fit(callback)
    first = copy.deepcopy(callback.landscapes[0].figures)
    fit(callback)
    for name, values in callback.landscapes[0].figures.items():
        np.testing.assert_array_equal(values, first[name])


def test_bad_input():
    with pytest.raises(ValueError, match="odd number of at least 3"):
        LossLandscape(points=10)
    with pytest.raises(ValueError, match="`samples` to be an integer of at least 1"):
        LossLandscape(samples=0)
    with pytest.raises(ValueError, match="`statistics_batches` to be an integer of at least 0"):
        LossLandscape(statistics_batches=-1)
    with pytest.raises(ValueError, match=r"`picture` to end in \.png"):
        LossLandscape(picture="x.gif")
    with pytest.raises(ValueError, match="weights of at least two axes"):
        fit(LossLandscape(points=3), SupervisedModule(nn.BatchNorm1d(4)))
