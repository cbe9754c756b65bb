"""``lossmeta init`` writes a project that runs as its README says."""

import re
import shlex

import pytest

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact


def _commands(folder):
    """What the project's README says to type, in order."""
    lines = re.findall(r"^    lossmeta (.*)$", (folder / "README.md").read_text(), re.M)
    return [shlex.split(line, comments=True) for line in lines]


@pytest.fixture
def project(tmp_path, monkeypatch, capsys):
    folder = tmp_path / "my project"
    assert main(["init", str(folder)]) == 0
    assert f"cd '{folder}'" in capsys.readouterr().out
    monkeypatch.chdir(folder)
    monkeypatch.syspath_prepend(str(folder))
    return folder


def test_the_commands_of_its_readme_run(project):
    trainer = ["--evaluator", "lightning_lossmeta.TrainerEvaluator"]
    few = ["--comparison.seeds", "2", "--comparison.learning_rate_factors", "[1.0]"]
    small = {
        "search": ["--generations", "1", "--session.steps", "5", *trainer],
        "compare": ["--comparison.steps", "5", *few, *trainer],
        "fit": ["--trainer.logger", "false", "--trainer.enable_checkpointing", "false"],
    }
    commands = _commands(project)
    assert [command[0] for command in commands] == ["search", "inspect", "compare", "fit"]
    for command in commands:
        assert main([*command, *small.get(command[0], [])]) == 0, command
    assert Artifact.load("runs/first/best.json").candidate.theta
    assert "learned" in (project / "runs" / "compared" / "comparison.md").read_text()


def test_a_folder_in_use_is_left_alone(tmp_path, capsys):
    (tmp_path / "notes.txt").write_text("mine")
    assert main(["init", str(tmp_path)]) == 2
    assert "new or empty folder" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]
