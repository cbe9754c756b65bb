import re

import pytest
import torch

from lightning_lossmeta.analysis import summarise
from lightning_lossmeta.artifacts import Artifact, ReadyLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.commands import inspect
from lightning_lossmeta.cli.tables import parameters
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import Baikal

THETA = (0.1, -0.2, 0.3, -1.5, 0.4, 2.0, -0.6, 0.7)


@pytest.fixture
def best(tmp_path):
    path = tmp_path / "runs" / "digits" / "best.json"
    path.parent.mkdir(parents=True)
    found = {"fitness": 0.97251, "monitor": "val_accuracy", "seed": 3, "num_classes": 7}
    found |= {"tasks": [{"data": "Digits", "network": "MLP"}], "images": None}
    Artifact(TaylorFamily(), Candidate(None, THETA), provenance=found).save(path)
    return path


def squeezed(text):
    return re.sub(r"[\s│]+", " ", text)


def test_a_learned_loss_is_told_and_drawn_next_to_its_file(best, capsys):
    assert inspect.main([str(best)]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    for part in ("theta3 -1.5", "fitness 0.9725", "seed 3", "network MLP", "7 classes"):
        assert part in squeezed(shown)
    assert Artifact.load(best).formula() in squeezed(shown)
    assert "images" not in shown
    assert f"loss figure: {best.with_name('best-loss.png')}" in shown
    assert best.with_name("best-loss.png").read_bytes()[:4] == b"\x89PNG"


def test_the_key_figures_are_those_of_the_theory(capsys, tmp_path):
    assert inspect.main(["baikal", "--classes", "10", "--out", str(tmp_path)]) == 0
    shown = squeezed(capsys.readouterr().out)
    found = summarise(Baikal(), 10)
    assert f"least loss at p {found.minimum:.4g}" in shown
    assert "pull turns to push at p 0.3162" in shown
    assert "untrained: gamma of target 110" in shown
    assert "starts to learn (exact) yes" in shown
    assert f"implied learning-rate factor {found.learning_rate_factor:.3g}" in shown
    assert f"1000 classes {summarise(Baikal(), 1000).gradient_typical:.3g}" in shown


def test_tables_fit_into_a_hundred_columns(best, capsys, tmp_path):
    names = [
        "cross_entropy",
        "mse",
        "taylorglo-allcnnc-cifar10",
        "truncated_generalized_cross_entropy",
    ]
    assert inspect.main([str(best), *names, "--out", str(tmp_path / "x.svg")]) == 0
    table = [line for line in capsys.readouterr().out.splitlines() if "figure:" not in line]
    assert max(map(len, table)) <= 100


def test_the_papers_four_panels_in_one_command(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    names = ["cross_entropy", "mse", "taylorglo-allcnnc-cifar10", "baikal"]
    assert inspect.main([*names, "--figure", "attraction", "--published"]) == 0
    assert "attraction figure: cross_entropy-and-others-attraction.png" in capsys.readouterr().out
    assert (tmp_path / "cross_entropy-and-others-attraction.png").stat().st_size > 10_000


def test_several_figures_share_a_name(tmp_path, capsys):
    out = tmp_path / "new" / "x.svg"
    assert inspect.main(["mse", "--figure", "all", "--out", str(out)]) == 0
    expected = {f"x-{kind}.svg" for kind in ("loss", "gamma", "attraction", "heatmap")}
    assert {file.name for file in out.parent.iterdir()} == expected


def test_two_files_of_one_name_are_told_apart(best, tmp_path, capsys):
    other = tmp_path / "best.json"
    other.write_text(best.read_text())
    assert inspect.main([str(best), str(other), str(best), "--out", str(tmp_path / "x.png")]) == 0
    shown = "".join(capsys.readouterr().out.split())
    assert "digits" in shown


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bakal"], "there is no ready loss 'bakal'. Did you mean 'baikal'?"),
        (["nowhere/best.json"], "there is no file 'nowhere/best.json'"),
        (["mse", "--out", "x.gif"], "to end in .png, .svg, .pdf: 'x.gif'"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert inspect.main(arguments) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("lossmeta inspect: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_is_no_loss_is_named_for_what_it_is(tmp_path, capsys):
    checkpoint = tmp_path / "last.ckpt"
    torch.save({"epoch": 3}, checkpoint)
    assert inspect.main([str(checkpoint)]) == 2
    assert "PyTorch checkpoint" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["1", "ten", "-3", "1000000000"])
def test_class_counts_are_checked(count, capsys):
    with pytest.raises(SystemExit) as caught:
        inspect.main(["mse", "--classes", count])
    assert caught.value.code == 2
    assert "expected a number from 2 to 100000" in capsys.readouterr().err


def test_the_class_count_comes_from_the_normalisation(tmp_path, capsys):
    family = NormalisedFamily(TaylorFamily(), num_classes=5)
    Artifact.of(family, Candidate(None, THETA)).save(tmp_path / "x.json")
    assert inspect.main([str(tmp_path / "x.json")]) == 0
    shown = squeezed(capsys.readouterr().out)
    assert "Key figures, 5 classes" in shown
    assert "normalised for 5 classes" in shown


def test_control_characters_of_a_file_do_not_reach_the_terminal(tmp_path, capsys):
    path = tmp_path / "x.json"
    found = {"data": "\x1b[31mred[bold]", "network": "a\nb"}
    Artifact(TaylorFamily(), Candidate(None, THETA), provenance=found).save(path)
    assert inspect.main([str(path)]) == 0
    shown = capsys.readouterr().out
    assert "\x1b" not in shown
    assert "red[bold]" in shown


def test_parameters_of_large_losses_are_cut_short():
    family = TaylorFamily(order=6)
    theta = tuple(float(i) for i in range(family.space.dimension))
    artifact = Artifact(family, Candidate(None, theta))
    ready = ReadyLoss("x", artifact.build(), "", "", artifact=artifact)
    assert parameters(ready).endswith(f"theta15 15, ... ({len(theta)} in all)")
