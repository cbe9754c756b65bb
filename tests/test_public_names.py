"""What ``lightning_lossmeta`` offers: the stub, the packages and type checkers agree."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import lightning_lossmeta

PACKAGE = Path(lightning_lossmeta.__file__).parent
STUB = ast.parse((PACKAGE / "__init__.pyi").read_text("utf-8"))
HOMES = {
    alias.name: node.module
    for node in STUB.body
    if isinstance(node, ast.ImportFrom)
    for alias in node.names
}


def test_the_stub_holds_imports_alone_each_under_its_own_name():
    for node in STUB.body:
        assert isinstance(node, ast.ImportFrom)
        assert node.level == 1
        assert all(alias.asname == alias.name for alias in node.names)


def test_the_root_offers_what_the_stub_says():
    assert sorted(lightning_lossmeta.__all__) == sorted(HOMES)
    assert set(HOMES) <= set(dir(lightning_lossmeta))


@pytest.mark.parametrize("home", sorted(set(HOMES.values())))
def test_a_package_says_itself_that_a_name_is_public(home):
    module = importlib.import_module(f"lightning_lossmeta.{home}")
    names = {name for name, where in HOMES.items() if where == home}
    public = set(getattr(module, "__all__", vars(module)))
    assert names <= public
    for name in names:
        assert getattr(lightning_lossmeta, name) is getattr(module, name)


def test_a_name_that_there_is_not():
    with pytest.raises(AttributeError, match="NoSuchLoss"):
        _ = lightning_lossmeta.NoSuchLoss


USER = """
from lightning_lossmeta import CMAESSearcher, LearnedLoss, MetaLossTrainer, load_loss

searcher = CMAESSearcher(population=20)
loss = load_loss("best.json")
reveal_type(searcher.population)
reveal_type(load_loss)
reveal_type(MetaLossTrainer.search)
wrong: int = LearnedLoss
"""


# Other packages are left out: their types take most of the time and are not what is asked.
MYPY = """
[mypy]
follow_imports = silent
ignore_missing_imports = true
no_error_summary = true

[mypy-torch.*,torchvision.*,torchmetrics.*,pytorch_lightning.*,lightning_utilities.*,jsonargparse.*]
follow_imports = skip

[mypy-numpy.*,scipy.*,sympy.*,pandas.*,sklearn.*,matplotlib.*,rich.*,cma.*,deap.*,higher.*]
follow_imports = skip
"""


def test_a_type_checker_sees_the_public_names(tmp_path):
    pytest.importorskip("mypy")
    (tmp_path / "user.py").write_text(USER)
    (tmp_path / "mypy.ini").write_text(MYPY)
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--cache-dir", str(tmp_path / "cache"), "user.py"],
        cwd=tmp_path,
        env=dict(os.environ, MYPYPATH=str(PACKAGE.parent)),
        capture_output=True,
        text=True,
        timeout=500,
    )
    printed = done.stdout
    assert 'Revealed type is "int"' in printed or "builtins.int" in printed, printed + done.stderr
    assert "SearchResult" in printed
    assert "incompatible type" in printed.lower() or "Incompatible types" in printed
    assert "has no attribute" not in printed
    assert '"Any"' not in printed
