import re

import pytest

from lightning_lossmeta.artifacts import FrontFile, FrontMember, UsualScores
from lightning_lossmeta.cli.commands import inspect

COLUMNS = "generation,index,status,filter,fitness,val_accuracy,val_loss,trainings,seconds,structure"
HISTORY = f"""{COLUMNS},theta,message
0,0,ok,,0.5,0.9,0.4,1,1.0,,0.5 1.0,
0,1,diverged,,-inf,,,1,1.0,,0.5 2.0,
1,0,ok,,0.5,0.8,0.3,1,1.0,,0.5 3.0,
"""
FRONT = FrontFile(
    (("val_accuracy", "max"), ("val_loss", "min")),
    (
        FrontMember("front/00.json", 0, "mean_k[ h - \x1b[31m y ]", (0.9, 0.4), (0.8765, 0.5)),
        FrontMember("front/01.json", 1, "mean_k[ 2 h ]", (0.8, 0.3)),
    ),
    1,
    (0.1, 2.5),
    (0.25, 0.75),
    (UsualScores("cross-entropy", 0.3, (0.7, 0.35)),),
)


@pytest.fixture
def run(tmp_path):
    folder = tmp_path / "run"
    folder.mkdir()
    FRONT.save(folder / "front.json")
    (folder / "history.csv").write_text(HISTORY)
    return folder


def squeezed(text):
    return re.sub(r"[\s│]+", " ", text)


def test_the_front_of_a_run_is_listed_and_drawn(run, capsys):
    assert inspect.main([str(run)]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    assert "\x1b[31m y" not in shown
    for part in (
        "val_accuracy (more)",
        "val_loss (less)",
        "mean_k[ 2 h ]",
        "front/01.json knee",
        "fresh 0.8765",
        "cross-entropy, learning rate x 0.3",
        "hypervolume 0.75 after 2 generations (0.25 after the first), above (0.1, 2.5)",
    ):
        assert part in squeezed(shown), part
    assert squeezed(shown).count("knee") == 1
    assert (run / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_the_picture_goes_where_it_is_asked(run, tmp_path, capsys):
    assert inspect.main([str(run), "--out", str(tmp_path / "here.svg")]) == 0
    assert "<svg" in (tmp_path / "here.svg").read_text()
    assert inspect.main([str(run), "--out", str(tmp_path / "folder")]) == 0
    assert (tmp_path / "folder" / "front.png").is_file()
    assert not (run / "front.png").exists()


def test_losses_beside_a_run_are_shown_too(run, tmp_path, capsys):
    assert inspect.main([str(run), "baikal", "--out", str(tmp_path / "folder")]) == 0
    shown = squeezed(capsys.readouterr().out)
    assert "front/00.json" in shown
    assert "starts to learn" in shown


@pytest.mark.parametrize("name", ["front.json", "history.csv"])
def test_a_damaged_run_is_told_in_one_message(run, capsys, name):
    (run / name).write_text("a,b\n1,2\n")
    assert inspect.main([str(run)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("lossmeta inspect: ")
    assert name in errors


def test_a_folder_without_a_front_is_refused_as_before(tmp_path, capsys):
    assert inspect.main([str(tmp_path)]) == 2
    assert "is a folder, not a learned loss" in capsys.readouterr().err
