"""Every command that README, docs and configurations print is one that the parsers take."""

import re
import shlex
from pathlib import Path

import pytest

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.cli.configuration import HintingParser
from lightning_lossmeta.cli.search_methods import make_search_method, read_search_method
from lightning_lossmeta.cli.yaml_files import read_yaml

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", ROOT / "checkpoints" / "README.md", *sorted(ROOT.glob("docs/**/*.md"))]
CONFIGS = sorted((ROOT / "configs").rglob("*.yaml"))
PARSED = ("search", "compare", "attack", "embed", "landscape", "learning", "fit")
PROJECT = """
from lightning_lossmeta import DigitsDataModule as MyData
from strangers import StrangersNet as MyModule
"""
WORDS = r"""(?:"[^"]*"|'[^']*'|[\w/.\[\]]*[\w\]])"""
OPTION = rf"--[a-z_]+(?:\.[a-z_]+)*(?: {WORDS})?"


def _of_pages():
    """Commands of the pages: in blocks, a line each, and within the text."""
    for path in PAGES:
        text = path.read_text()
        blocks = "".join(re.findall(r"```bash\n(.*?)```", text, re.DOTALL))
        lines = blocks.replace("\\\n", " ").splitlines()
        rest = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
        lines += re.findall(r"`(lossmeta [^`]+)`", " ".join(rest.split()))
        for line in lines:
            if found := re.search(rf"lossmeta (?:{'|'.join(PARSED)}) .*", line):
                yield found[0].split("; ")[0].removesuffix(" &")


def _of_comments():
    """Commands in comments of configurations; options without one, beside their file."""
    for path in CONFIGS:
        lines = path.read_text().splitlines()
        text = " ".join(line.lstrip("# ") for line in lines if line.startswith("#"))
        text = text.replace("\\ ", "")
        commands = re.findall(rf"lossmeta [a-z]+(?: {OPTION})+", text)
        yield from commands
        for command in commands:
            text = text.replace(command, "")
        if options := re.findall(OPTION, text):
            kind = path.parent.name
            yield f"lossmeta {kind} --config {path.relative_to(ROOT)} {' '.join(options)}"


def _checked(commands):
    """Arguments of each command once, without the run's folder; runs to go on with left out."""
    for command in commands:
        arguments = shlex.split(command.replace("$seed", "1"), comments=True)[1:]
        if "--run_dir" in arguments:
            place = arguments.index("--run_dir")
            del arguments[place : place + 2]
        if "--resume" not in arguments and arguments[-1] != "--config":
            yield shlex.join(arguments)


ALL = {*_checked([*_of_pages(), *_of_comments()])}
#: Those that are not the beginning of another.
COMMANDS = sorted(one for one in ALL if not any(other.startswith(f"{one} ") for other in ALL))


@pytest.fixture
def anywhere(tmp_path, monkeypatch):
    """The folder of the project, with a module and data of one's own to be found."""
    (tmp_path / "my_project.py").write_text(PROJECT)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.chdir(ROOT)


def test_there_are_commands():
    assert len(COMMANDS) > 30
    assert {command.split()[0] for command in COMMANDS} == set(PARSED)


class Understood(Exception):  # noqa: N818
    """Raised when all of a command was read and checked, before anything is made or done."""


@pytest.mark.parametrize("command", COMMANDS)
def test_it_is_understood(command, anywhere, monkeypatch):
    def stop(*_, **__):
        raise Understood

    monkeypatch.setattr(HintingParser, "instantiate_classes", stop)
    with pytest.raises(Understood):
        main(shlex.split(command))


@pytest.mark.parametrize("path", [p for p in CONFIGS if p.parent.name == "compare"], ids=str)
def test_the_methods_of_a_comparison_can_be_made(path, anywhere):
    for given in (read_yaml(path).get("methods") or {}).values():
        make_search_method(read_search_method(given, path.parent))
