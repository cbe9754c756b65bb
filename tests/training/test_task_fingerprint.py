"""What a task trains is known again by value, whatever its seed and whether it was used."""

import copy
from dataclasses import replace
from functools import partial

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta._fingerprint import FingerprintError, changed_keys, fingerprint
from lightning_lossmeta.data import DigitsDataModule, SymmetricNoise
from lightning_lossmeta.data.base import Split, Splits, TensorDataModule
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Objective, Session, Task
from lightning_lossmeta.training.session import prepared_data
from lightning_lossmeta.training.task_fingerprint import (
    data_fingerprint,
    module_fingerprint,
    session_fingerprint,
)


class Scaled(nn.Module):
    """A setting that is not printed, weights that a reset draws, and others that none does."""

    def __init__(self, scale=1.0, kept=1.0, spread=None, frozen=False):
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.kept = nn.Parameter(torch.full((3,), kept))
        self.register_buffer("table", torch.full((3,), kept))
        self.scale = scale
        if spread is not None:
            nn.init.normal_(self.layer.weight, std=spread)
        self.layer.bias.requires_grad_(not frozen)

    def forward(self, x):
        return self.layer(x) / self.scale + self.kept


class AsksTheTrainer(StrangersNet):
    def configure_optimizers(self):
        optimizer = super().configure_optimizers()
        steps = self.trainer.estimated_stepping_batches
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule}}


class TwoOptimizers(StrangersNet):
    def __init__(self, swapped=False):
        super().__init__()
        self.automatic_optimization = False
        self.order = [2, 0] if swapped else [0, 2]

    def configure_optimizers(self):
        rates = (0.1, 0.2)
        return [
            torch.optim.SGD(self.body[place].parameters(), lr=rate)
            for place, rate in zip(self.order, rates, strict=True)
        ]


def supervised(network=None, lr=0.1, kind=torch.optim.SGD, schedule=None, **settings):
    network = Scaled() if network is None else network
    optimizer = partial(kind, lr=lr, **settings)
    return SupervisedModule(network, optimizer=optimizer, lr_scheduler=schedule)


def task(module=None, data=None, **session):
    given = {"steps": 10, "accelerator": "cpu", **session}
    module = supervised() if module is None else module
    return Task(module, BlobsData() if data is None else data, Session(**given))


STEP = torch.optim.lr_scheduler.StepLR
CHANGES = {
    "an attribute of the network": lambda: Scaled(scale=1e3),
    "weights that nothing draws": lambda: Scaled(kept=2.0),
    "frozen weights": lambda: Scaled(frozen=True),
    "another network": lambda: nn.Linear(6, 3),
}
OPTIMIZERS = {
    "rate": lambda: supervised(lr=0.9),
    "momentum": lambda: supervised(momentum=0.9),
    "Adam": lambda: supervised(kind=torch.optim.Adam),
    "Adam at another rate": lambda: supervised(kind=torch.optim.Adam, lr=0.001),
    "schedule": lambda: supervised(schedule=partial(STEP, step_size=3)),
    "schedule's step": lambda: supervised(schedule=partial(STEP, step_size=4)),
}


@pytest.mark.filterwarnings("ignore:.*no `reset_parameters` draws")
@pytest.mark.parametrize("wrap", [lambda make: make(), lambda make: make], ids=["module", "maker"])
def test_modules_differ_in_whatever_changes_a_training(wrap):
    makers = [supervised, *OPTIMIZERS.values()]
    makers += [lambda make=make: supervised(make()) for make in CHANGES.values()]
    values = [module_fingerprint(task(wrap(make))) for make in makers]
    for index, value in enumerate(values):
        assert value not in values[:index]
        assert value == module_fingerprint(task(wrap(makers[index])))


def test_how_a_maker_draws_weights_counts():
    values = [
        module_fingerprint(task(lambda spread=spread: supervised(Scaled(spread=spread))))
        for spread in (0.1, 0.1, 1.0)
    ]
    assert values[0] == values[1] != values[2]


def test_the_seed_and_the_loss_do_not_count():
    one, other = task(StrangersNet()), replace(task(StrangersNet()), seed=5)
    other.module.loss_fn = nn.NLLLoss()
    assert module_fingerprint(one) == module_fingerprint(other)


def test_weights_that_a_maker_reads_count():
    def trained(shift):
        torch.manual_seed(0)
        module = StrangersNet()
        nn.init.constant_(module.body[0].weight, shift)
        return module

    values = [module_fingerprint(task(lambda s=s: trained(s))) for s in (1.0, 1.0, 2.0)]
    assert values[0] == values[1] != values[2]


def test_a_schedule_may_ask_the_trainer_for_its_steps():
    short, long = (module_fingerprint(task(AsksTheTrainer(), steps=n)) for n in (10, 20))
    assert any("total_steps: 10 -> 20" in change for change in changed_keys(short, long))


def test_it_matters_which_weights_an_optimiser_has():
    one, other = (
        module_fingerprint(task(TwoOptimizers(swapped)))["optimizers"] for swapped in (0, 1)
    )
    assert one != other


def test_changes_have_readable_names():
    before, after = (module_fingerprint(task(supervised(lr=lr))) for lr in (0.1, 0.9))
    assert "optimizers.param_groups.0.lr: 0.1 -> 0.9" in changed_keys(before, after)


def test_a_lambda_in_a_network_is_refused():
    network = Scaled()
    network.activation = lambda x: x
    with pytest.raises(FingerprintError, match=r"`module\.network\.activation`"):
        module_fingerprint(task(supervised(network)))


class Broken(StrangersNet):
    def configure_optimizers(self):
        raise KeyError("rate")


def test_an_optimiser_that_cannot_be_made_is_refused():
    with pytest.raises(FingerprintError, match=r"configure_optimizers of Broken.*KeyError"):
        module_fingerprint(task(Broken()))


class Arrays(TensorDataModule):
    """Data in memory from somewhere."""

    num_classes = 2

    def __init__(self, root="a", shift=0.0, **kwargs):
        super().__init__(**kwargs)
        self.root = root
        self._shift = shift

    def load(self):
        content = {"a": 0.0, "b": 1.0, "copy of a": 0.0}[self.root]
        labels = torch.arange(20) % 2
        split = Split(torch.full((20, 3), content) + self._shift, labels)
        return Splits(split, split, split)


def test_data_in_memory_count_by_content_wherever_they_lie():
    def value(*args, **kwargs):
        return data_fingerprint(task(data=Arrays(*args, **kwargs)))

    first = value("a")
    assert first == value("a") == value("copy of a")
    others = [value("b"), value(shift=1.0), value(batch_size=7), value(noise=SymmetricNoise(0.4))]
    for index, other in enumerate(others):
        assert other not in [first, *others[:index]]


def test_attributes_that_somebody_sets_count():
    data = DigitsDataModule()
    before = data_fingerprint(task(data=data))
    data.batch_size = 7
    assert changed_keys(before, data_fingerprint(task(data=data))) == ["batch_size: 100 -> 7"]


class Files(pl.LightningDataModule):
    """As somebody would write it who reads lazily."""

    def __init__(self, root, path="x.csv", download=False, scale=1.0, weights=None):
        super().__init__()
        self.root, self.path, self.download = root, path, download
        self.scale = scale
        self.weights = weights
        self.train = None
        self.lookup = {}

    def setup(self, stage):
        self.scale = 2 * self.scale
        self.train = TensorDataset(torch.randn(20, 6), torch.arange(20) % 3)
        self.lock = lambda: None

    def train_dataloader(self):
        return DataLoader(self.train, 5)

    val_dataloader = test_dataloader = train_dataloader


def test_data_are_the_same_before_and_after_they_were_set_up():
    fresh = Files("a")
    value = fingerprint(fresh)
    assert value == data_fingerprint(task(data=fresh)) == data_fingerprint(task(data=fresh))
    assert value == data_fingerprint(task(data=Files("a"), split="test"))
    assert "train" in value
    assert "lock" not in value


def test_what_somebody_puts_in_place_of_what_was_set_up_counts():
    data = Files("a")
    before = data_fingerprint(task(data=data))
    data.train = TensorDataset(torch.zeros(10, 6), torch.arange(10) % 3)
    assert data_fingerprint(task(data=data)) != before


def test_roots_files_and_settings_of_lazily_read_data_count(tmp_path, monkeypatch):
    (tmp_path / "x.csv").write_text("1,2\n")
    monkeypatch.chdir(tmp_path)
    values = [
        fingerprint(Files("a")),
        fingerprint(Files("b")),
        fingerprint(Files("a", scale=3.0)),
        fingerprint(Files("a", weights=torch.ones(3))),
        fingerprint(Files("a", weights=torch.zeros(3))),
    ]
    assert all(value not in values[:index] for index, value in enumerate(values))
    assert values[0] == fingerprint(Files(str(tmp_path / "a"), download=True))
    (tmp_path / "copy.csv").write_text("1,2\n")
    assert values[0] == fingerprint(Files("a", "copy.csv"))
    (tmp_path / "x.csv").write_text("1,3\n")
    assert values[0] != fingerprint(Files("a"))
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert values[0] != fingerprint(Files("a"))


class Saved(BlobsData):
    def __init__(self, data_dir="a", download=True, noise=0.0):
        super().__init__()
        self.save_hyperparameters()


def test_saved_hyperparameters_count():
    first = data_fingerprint(task(data=Saved()))
    assert first == fingerprint(Saved(download=False)) == fingerprint(Saved())
    assert first != fingerprint(Saved(noise=0.4))
    assert first != fingerprint(Saved("b"))


def test_a_copy_of_the_data_is_the_same():
    data = Files("a")
    assert fingerprint(copy.deepcopy(data)) == fingerprint(data)
    prepared_data(task(data=data))
    assert fingerprint(copy.copy(data)) == fingerprint(data)


def test_sessions_differ_in_all_but_where_they_run():
    first = session_fingerprint(Session())
    assert first == session_fingerprint(Session(accelerator="cpu", devices=[0]))
    changes = (
        {"steps": 9},
        {"objectives": (Objective("a"),)},
        {"precision": "bf16-mixed"},
        {"split": "test"},
    )
    for change in changes:
        (changed,) = changed_keys(first, session_fingerprint(Session(**change)))
        assert changed.startswith(next(iter(change)))
    stops = (pl.callbacks.EarlyStopping("a", patience=n) for n in (1, 2))
    one, other = (session_fingerprint(Session(callbacks=(item,))) for item in stops)
    assert one != other
