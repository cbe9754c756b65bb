import subprocess
import sys

import pytest

from lightning_lossmeta.artifacts import Artifact, export_text, find_loss, ready_names
from lightning_lossmeta.cli.commands import export, zoo

PUBLISHED = "taylorglo-allcnnc-cifar10"


@pytest.mark.parametrize("format", ["python", "latex", "sympy", "json"])
def test_text_goes_to_the_terminal_or_to_a_file(format, tmp_path, capsys):
    expected = export_text(find_loss(PUBLISHED), format)
    assert export.main([PUBLISHED, "--format", format]) == 0
    assert capsys.readouterr() == (expected, "")
    out = tmp_path / "new" / "loss"
    assert export.main([PUBLISHED, "--format", format, "--out", str(out)]) == 0
    assert out.read_text() == expected
    assert capsys.readouterr().out == f"{out}\n"


def test_digits(capsys):
    assert export.main([PUBLISHED, "--format", "latex", "--digits", "2"]) == 0
    assert "373" not in capsys.readouterr().out


def test_an_exported_artefact_is_one(tmp_path):
    out = tmp_path / "loss.json"
    assert export.main([PUBLISHED, "--format", "json", "--out", str(out)]) == 0
    assert Artifact.load(out) == find_loss(PUBLISHED).artifact


def test_onnx_goes_to_a_file_of_its_name(monkeypatch, capsys):
    calls = []

    def traced(ready, path, num_classes):
        calls.append((ready.name, str(path), num_classes))
        return num_classes == 10

    monkeypatch.setattr("lightning_lossmeta.artifacts.export_onnx.to_onnx", traced)
    assert export.main(["lsr", "--format", "onnx"]) == 0
    assert export.main(["lsr", "--format", "onnx", "--classes", "6"]) == 0
    assert calls == [("label_smoothing", "label_smoothing.onnx", n) for n in (10, 6)]
    shown = capsys.readouterr().out.splitlines()
    assert shown == ["label_smoothing.onnx", "label_smoothing.onnx It takes 6 classes only."]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["focul", "--format", "python"], "Did you mean 'focal'?"),
        (["baikal", "--format", "json"], "'baikal' is not learned"),
        (["nce", "--format", "python"], "try --format onnx"),
        (["baikal", "--format", "python", "--digits", "3"], "for latex and sympy"),
        (["baikal", "--format", "latex", "--out", "file/x.tex"], "file"),
    ],
)
def test_what_is_wrong_is_said_in_one_message(arguments, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").touch()
    assert export.main(arguments) == 2
    shown, errors = capsys.readouterr()
    assert shown == ""
    assert errors.startswith("lossmeta export: ")
    assert message in errors
    assert errors.count("\n") == 1


def test_a_format_is_needed(capsys):
    with pytest.raises(SystemExit):
        export.main(["baikal"])
    assert "--format" in capsys.readouterr().err


def test_the_zoo_lists_every_ready_loss(capsys):
    assert zoo.main([]) == 0
    shown = capsys.readouterr().out
    assert max(map(len, shown.splitlines())) <= 100
    for name in ready_names():
        assert f" {name} " in shown


def test_the_zoo_shows_a_damaged_file_as_such(tmp_path, monkeypatch, capsys):
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "pyproject.toml").touch()
    (tmp_path / "checkpoints" / "broken.json").write_text("{")
    module = sys.modules["lightning_lossmeta.artifacts.zoo"]
    monkeypatch.setattr(module, "__file__", str(tmp_path / "package" / "artifacts" / "zoo.py"))
    assert zoo.main([]) == 0
    shown = capsys.readouterr().out
    assert "broken" in shown
    assert "unreadable:" in shown


@pytest.mark.parametrize("command", ["inspect", "export", "zoo", "curves"])
def test_help_imports_nothing_heavy(command):
    script = (
        "import sys; from lightning_lossmeta.__main__ import main\n"
        f"try: main(['{command}', '--help'])\n"
        "except SystemExit as end: assert end.code == 0\n"
        "heavy = {'torch', 'matplotlib', 'rich', 'sympy', 'scipy', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: lossmeta {command}")
