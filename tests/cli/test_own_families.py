"""Learned losses of a family of the user's own."""

import sys
from pathlib import Path

import pytest
import yaml

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.cli import trust
from lightning_lossmeta.cli.own_families import import_configured_family
from lightning_lossmeta.families import TaylorFamily

SOURCE = """
from pathlib import Path

from lightning_lossmeta.families import TaylorFamily

Path("IMPORTED").touch()


class {kind}(TaylorFamily):
    name = "{name}"
"""


@pytest.fixture
def project(tmp_path, monkeypatch, request):
    """A folder with a module, and a loss of its family made elsewhere."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    name = f"family_of_{request.node.name.replace('[', '_').replace(']', '')}"
    (tmp_path / f"{name}.py").write_text(SOURCE.format(kind=name.title(), name=name))
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "best.json"
    Artifact(TaylorFamily(), TaylorFamily().space.sample(0)).save(path)
    path.write_text(path.read_text().replace('"name": "taylor"', f'"name": "{name}"'))
    return name


def test_inspect_and_export_import_what_the_user_names(project, capsys):
    assert main(["export", "run/best.json", "--format", "latex"]) == 2
    assert "--import MODULE" in capsys.readouterr().err
    assert not Path("IMPORTED").exists()
    assert main(["export", "run/best.json", "--format", "latex", "--import", project]) == 0
    assert Path("IMPORTED").exists()


def test_a_module_that_is_not_there_is_named(project, capsys):
    assert main(["inspect", "run/best.json", "--import", "no_such_module"]) == 2
    assert "there is no module 'no_such_module' to import" in capsys.readouterr().err


@pytest.mark.parametrize("sealed", [True, False])
def test_a_run_of_this_machine_names_its_family(project, sealed, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(Path("state").resolve()))
    monkeypatch.syspath_prepend(str(Path.cwd()))
    config = Path("run/config.yaml")
    config.write_text(yaml.safe_dump({"family": {"class_path": f"{project}.{project.title()}"}}))
    if sealed:
        trust.seal(config)
    import_configured_family(Path("run"))
    assert Path("IMPORTED").exists() is sealed
