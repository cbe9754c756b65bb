import json

import pytest
import torch

from lightning_lossmeta.artifacts import ArtifactError, LearnedLoss, zoo
from lightning_lossmeta.artifacts.zoo import (
    UnknownLossError,
    describe_ready,
    find_loss,
    get_loss,
    ready_names,
)
from lightning_lossmeta.losses import CrossEntropy, Focal, MeanSquaredError
from lightning_lossmeta.theory import learning_rule


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout that ships one learned loss."""
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "pyproject.toml").touch()
    text = describe_ready("taylorglo-allcnnc-cifar10").artifact.to_json()
    (tmp_path / "checkpoints" / "mine-digits.json").write_text(text)
    monkeypatch.setattr(zoo, "__file__", str(tmp_path / "package" / "artifacts" / "zoo.py"))
    return tmp_path


@pytest.mark.parametrize("name", ready_names())
def test_every_ready_loss_is_described_and_can_be_called(name):
    ready = describe_ready(name)
    assert ready.name == name
    assert ready.formula
    assert ready.about.endswith(".")
    assert "`" not in ready.about
    assert ready.loss(*ready.loss.link.example(2, 10, torch.Generator())).isfinite()


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("cross_entropy", CrossEntropy),
        ("cross-entropy", CrossEntropy),
        ("CE", CrossEntropy),
        ("mse", MeanSquaredError),
        ("Focal", Focal),
    ],
)
def test_names_may_be_short_and_written_with_dashes(name, kind):
    assert type(get_loss(name)) is kind


def test_each_call_makes_a_loss_of_its_own():
    assert get_loss("focal") is not get_loss("focal")


@pytest.mark.parametrize(
    ("name", "near"),
    [("bakal", "baikal"), ("cross_entropi", "cross_entropy"), ("taylorglo-allcnnc", "taylorglo-")],
)
def test_an_unknown_name_brings_the_nearest(name, near):
    with pytest.raises(UnknownLossError, match=f"no ready loss '{name}'. Did you mean '{near}"):
        get_loss(name)


def test_a_name_like_no_other_brings_none():
    with pytest.raises(UnknownLossError) as caught:
        get_loss("xyzzy")
    assert "Did you mean" not in str(caught.value)


def test_the_published_loss_has_the_published_learning_rule():
    loss = get_loss("taylorglo-allcnnc-cifar10")
    h = torch.tensor([[0.5, 0.3, 0.2]], dtype=torch.float64)
    y = torch.tensor([[1.0, 0, 0]], dtype=torch.float64)
    # Equation 28, written out.
    expected = -373.917 - 130.264 * h - 11.2188 * h**2 - 1.206 * h * y + 0.336 * y + 1.110265 * y**2
    torch.testing.assert_close(learning_rule(loss, h, torch.tensor([0])), expected)


def test_files_shipped_with_a_checkout_are_ready(checkout):
    assert "mine-digits" in ready_names()
    ready = find_loss("mine_digits")
    assert ready.path == checkout / "checkpoints" / "mine-digits.json"
    assert ready.artifact is not None


def test_an_installed_package_ships_no_files(checkout):
    (checkout / "pyproject.toml").unlink()
    assert "mine-digits" not in ready_names()


def test_a_path_is_read(checkout):
    path = checkout / "checkpoints" / "mine-digits.json"
    ready = find_loss(str(path))
    logits, target = torch.randn(4, 10), torch.arange(4)
    assert ready.name == "mine-digits"
    assert torch.equal(ready.loss(logits, target), LearnedLoss(path)(logits, target))


def test_what_is_no_loss_is_named(checkout):
    with pytest.raises(UnknownLossError, match=r"there is no file 'nowhere/best\.json'"):
        find_loss("nowhere/best.json")
    with pytest.raises(UnknownLossError, match="is a folder, not a learned loss"):
        find_loss(str(checkout))
    (checkout / "best.json").write_text(json.dumps({"epochs": 3}))
    with pytest.raises(UnknownLossError, match=r"Did you mean '.*best\.json'"):
        find_loss(str(checkout))
    with pytest.raises(ArtifactError, match="expected a learned loss"):
        find_loss(str(checkout / "best.json"))
