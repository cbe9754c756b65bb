"""Help and refusals that need neither PyTorch nor Lightning."""

import json
import subprocess
import sys
from importlib.resources import files

import pytest

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.cli.early import early_complaint, early_help

PAGES = files("lightning_lossmeta.cli") / "pages"


def _python(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stderr
    return done


def test_the_pages_are_what_the_parsers_print():
    # In a process of its own: the pages count the classes that are imported.
    code = "import json; from lightning_lossmeta.cli.make_pages import pages\n"
    made = json.loads(_python(f"{code}print(json.dumps(pages()))").stdout)
    kept = {path.name.removesuffix(".txt"): path.read_text("utf-8") for path in PAGES.iterdir()}
    assert kept == made, "write them anew: python -m lightning_lossmeta.cli.make_pages"


def test_neither_help_nor_a_misspelt_option_imports_torch():
    code = (
        "import sys; from lightning_lossmeta.__main__ import main\n"
        "main(['search', '--help']); main(['compare', '--help']); main(['fit', '--help.trainer'])\n"
        "main(['search', '--seesion.steps', '3']); main(['fit', '--config', 'gone.yaml'])\n"
        "sys.exit('torch' in sys.modules or 'pytorch_lightning' in sys.modules)"
    )
    done = _python(code)
    assert "Did you mean 'session.steps'?" in done.stderr
    assert "found none at 'gone.yaml'" in done.stderr
    assert "--trainer.max_epochs" in done.stdout


@pytest.mark.parametrize(
    ("command", "argument", "near"),
    [
        ("search", "--generation", "generations"),
        ("search", "--steps", "session.steps"),
        ("fit", "--trainer.max_epoch", "trainer.max_epochs"),
        ("compare", "--comparison.seed", "comparison.seeds"),
    ],
)
def test_a_misspelt_option_is_refused_with_the_nearest(command, argument, near, capsys):
    assert main([command, argument, "3"]) == 2
    error = capsys.readouterr().err
    assert error == f"lossmeta: unrecognized arguments: {argument}\nDid you mean '{near}'?\n"


@pytest.mark.parametrize("given", [["--generations", "many"], ["--session.steps=two hundred"]])
def test_what_is_no_number_is_refused(given, capsys):
    assert main(["search", *given]) == 2
    assert " to be a whole number, got '" in capsys.readouterr().err
    assert early_complaint("search", ["--generations", "1_000"]) is None


def test_a_run_that_is_not_there_is_named(tmp_path, capsys):
    assert main(["search", "--resume", str(tmp_path / "gone")]) == 2
    assert f"with its config.yaml, got '{tmp_path / 'gone'}'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        ("search", ["--model.init_args.network.class_path", "x", "--model.lr=1", "--dry_run"]),
        ("search", ["--trainer.callbacks+=x", "--trainer.callbacks.init_args.a", "1", "--trust"]),
        ("search", ["--searcher.population", "3", "--resume=r", "--config", "a: 1"]),
        ("search", ["--print_config=skip_null", "--tasks.a", "{}", "--config", "a: 1"]),
        ("compare", ["--losses.CE", "cross_entropy", "--methods.m.file", "x", "--sweep.key", "y"]),
        ("embed", ["--samples", "3", "-h"]),
        ("predict", ["--return_predictions", "false", "--ckpt_path=x", "--weights_only", "true"]),
        ("zoo", ["--anything"]),
    ],
)
def test_what_a_parser_may_take_passes(command, arguments):
    assert early_complaint(command, arguments) is None
    assert early_help(command, arguments) is None
