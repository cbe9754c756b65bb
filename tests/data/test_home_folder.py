import pytest

from lightning_lossmeta.artifacts import Artifact, find_loss, load_loss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import (
    CaliforniaHousingDataModule,
    CIFAR10DataModule,
    Clothing1MDataModule,
    FashionMNISTDataModule,
    ImageFolderDataModule,
    JPEGArchiveDataModule,
    MNISTDataModule,
    SVHNDataModule,
    TableDataModule,
)
from lightning_lossmeta.families import TaylorFamily

ROOTED = [
    *(CIFAR10DataModule, CaliforniaHousingDataModule, Clothing1MDataModule, SVHNDataModule),
    *(FashionMNISTDataModule, ImageFolderDataModule, JPEGArchiveDataModule, MNISTDataModule),
]


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("kind", ROOTED)
def test_a_tilde_in_root_is_the_home_folder(kind, home):
    assert kind(root="~/data").root == str(home / "data")


def test_a_tilde_in_the_path_of_a_table(home):
    rows = [f"{number},{number % 5}" for number in range(40)]
    (home / "my.csv").write_text("\n".join(["x,y", *rows]) + "\n")
    data = TableDataModule("~/my.csv", target="y")
    data.prepare_data()
    data.setup("fit")
    assert len(data.splits.train.targets) > 10


def test_a_tilde_in_the_path_of_a_learned_loss(home):
    family = TaylorFamily(start="mse")
    Artifact(family, Candidate(None, family.space.start)).save(home / "best.json")
    assert load_loss("~/best.json").artifact == find_loss("~/best.json").artifact
