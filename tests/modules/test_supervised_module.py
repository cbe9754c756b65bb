import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from torchmetrics.classification import MulticlassF1Score

from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule


def _network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def _pairs(count=30):
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(count, 4, generator=generator)
    return inputs, inputs[:, :3].argmax(1)


def _loader(batch_size=10):
    return DataLoader(TensorDataset(*_pairs()), batch_size)


def _trainer(folder, **changes):
    settings = {"max_epochs": 2, "logger": False, "enable_checkpointing": False} | changes
    return pl.Trainer(
        accelerator="cpu",
        default_root_dir=folder,
        enable_progress_bar=False,
        enable_model_summary=False,
        **settings,
    )


@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.AdamW])
def test_trains_as_a_plain_loop(tmp_path, optimizer):
    module = SupervisedModule(_network(), MeanSquaredError(), lambda p: optimizer(p, lr=0.05))
    _trainer(tmp_path).fit(module, _loader())
    network = _network()
    plain = optimizer(network.parameters(), lr=0.05)
    for _ in range(2):
        for inputs, target in _loader():
            plain.zero_grad()
            onehot = nn.functional.one_hot(target, 3).float()
            nn.functional.mse_loss(network(inputs).softmax(1), onehot).backward()
            plain.step()
    for found, expected in zip(module.network.parameters(), network.parameters(), strict=True):
        torch.testing.assert_close(found, expected)


def test_by_default_cross_entropy_and_sgd_with_momentum():
    module = SupervisedModule(_network())
    inputs, target = _pairs()
    expected = nn.functional.cross_entropy(module(inputs), target)
    torch.testing.assert_close(module.training_step((inputs, target), 0), expected)
    optimizer = module.configure_optimizers()
    assert type(optimizer) is torch.optim.SGD
    assert optimizer.defaults["lr"] == 0.1
    assert optimizer.defaults["momentum"] == 0.9


@pytest.mark.parametrize(("interval", "steps"), [("step", 6), ("epoch", 2)])
def test_schedule_advances_by_its_interval(tmp_path, interval, steps):
    module = SupervisedModule(
        _network(),
        optimizer=lambda p: torch.optim.SGD(p, lr=1.0),
        lr_scheduler=lambda o: torch.optim.lr_scheduler.ExponentialLR(o, 0.5),
        lr_interval=interval,
    )
    trainer = _trainer(tmp_path)
    trainer.fit(module, _loader())
    assert trainer.optimizers[0].param_groups[0]["lr"] == 0.5**steps


def test_logs_loss_and_metric_over_all_samples(tmp_path):
    """Batches of 20 and 10: means of batch means would differ."""
    module = SupervisedModule(_network())
    inputs, target = _pairs()
    for stage in ("validate", "test"):
        (found,) = getattr(_trainer(tmp_path), stage)(module, _loader(20), verbose=False)
        output = module(inputs).detach()
        name = stage[:3] if stage == "validate" else stage
        expected = {
            f"{name}_loss": nn.functional.cross_entropy(output, target).item(),
            f"{name}_accuracy": (output.argmax(1) == target).float().mean().item(),
        }
        assert found == pytest.approx(expected)


def test_a_metric_of_ones_own_keeps_no_memory_between_fits(tmp_path):
    metric = MulticlassF1Score(3)
    module = SupervisedModule(_network(), metric=metric, metric_name="f1")
    first = _trainer(tmp_path).validate(module, _loader(), verbose=False)
    assert set(first[0]) == {"val_loss", "val_f1"}
    assert _trainer(tmp_path).validate(module, _loader(), verbose=False) == first
    inputs, target = _pairs()
    assert first[0]["val_f1"] == pytest.approx(MulticlassF1Score(3)(module(inputs), target).item())
    assert metric.update_count == 0


def test_training_loss_is_logged_where_there_is_a_logger(tmp_path):
    for logger, logged in ((False, False), (CSVLogger(tmp_path), True)):
        trainer = _trainer(tmp_path, logger=logger, log_every_n_steps=1)
        trainer.fit(SupervisedModule(_network()), _loader())
        assert ("train_loss" in trainer.callback_metrics) is logged


def test_predicts_inputs_alone_and_in_pairs(tmp_path):
    module = SupervisedModule(_network())
    inputs, target = _pairs()
    for batch in (inputs, (inputs, target), [inputs, target]):
        assert torch.equal(module.predict_step(batch, 0), module(inputs))


def test_any_module_or_function_may_be_the_loss():
    inputs, target = _pairs()
    for loss in (nn.CrossEntropyLoss(), nn.functional.cross_entropy, CrossEntropy()):
        module = SupervisedModule(_network(), loss)
        value = module.training_step((inputs, target), 0)
        torch.testing.assert_close(value, nn.functional.cross_entropy(module(inputs), target))
