import re
import subprocess
import sys

import pytest

from lightning_lossmeta.__main__ import LIGHTNING, main
from lightning_lossmeta.cli import commands
from lightning_lossmeta.cli.registry import command_help, command_main, command_names

GREET = '''"""Greet somebody.

More of it.
"""


def main(argv):
    print("hello", *argv)
    return 3
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A place whose modules are commands too."""
    monkeypatch.setattr(commands, "__path__", [*commands.__path__, str(tmp_path)])
    yield tmp_path
    for name in ("greet", "broken", "bare"):
        sys.modules.pop(f"{commands.__name__}.{name}", None)


def test_a_new_command_is_a_new_file(folder, capsys):
    (folder / "greet.py").write_text(GREET)
    assert main(["--help"]) == 0
    assert re.search(r"^  greet +Greet somebody$", capsys.readouterr().out, re.MULTILINE)
    assert main(["greet", "you", "--all"]) == 3
    assert capsys.readouterr().out == "hello you --all\n"
    assert main(["gret"]) == 2
    assert "Did you mean 'greet'?" in capsys.readouterr().err


def test_help_runs_no_command(folder, capsys):
    (folder / "bare.py").write_text("raise SystemExit('was imported')\n")
    (folder / "broken.py").write_text('"""Never read."""\n\ndef main(:\n')
    (folder / "_helper.py").write_text('"""No command."""\n')
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert "  bare" in [line.rstrip() for line in lines]
    assert "  broken" in [line.rstrip() for line in lines]
    assert not any("helper" in line for line in lines)


@pytest.mark.parametrize("name", command_names())
def test_each_command_has_a_main_and_a_line_of_help(name):
    assert callable(command_main(name))
    text = command_help(name)
    assert text == command_main(name).__globals__["__doc__"].split("\n")[0].rstrip(".")
    assert 10 < len(text) < 80
    assert name not in LIGHTNING


def test_help_and_a_misspelt_command_import_nothing_heavy():
    code = "import sys; from lightning_lossmeta.__main__ import main; main(['--help']);"
    code += "main(['serch']); heavy = {'torch', 'pytorch_lightning', 'numpy', 'rich', 'yaml'};"
    code += "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "search" in done.stdout
