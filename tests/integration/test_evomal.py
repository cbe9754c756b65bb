"""Genetic programming with local search, from the command to a learned loss."""

import csv
from pathlib import Path

import pytest
import torch

from lightning_lossmeta import load_loss
from lightning_lossmeta.__main__ import main

CONFIG = str(Path(__file__).parents[2] / "configs" / "search" / "evomal_digits.yaml")
TINY = ["--generations", "3", "--session.steps", "20", "--searcher.init_args.population", "6"]
TINY += ["--refiner.init_args.meta_steps", "3", "--comparison", "null"]
TINY += ["--finalists.count", "2", "--finalists.seeds", "1"]


def _rows(folder):
    with (folder / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evomal") / "run"
    assert main(["search", "--config", CONFIG, *TINY, "--run_dir", str(folder)]) == 0
    return folder


def test_a_symbolic_loss_is_learned_and_read_back(run):
    rows = _rows(run)
    assert len(rows) == 18
    trained = [row for row in rows if row["status"] == "ok"]
    assert trained
    assert all("f" in row["structure"] and "y" in row["structure"] for row in trained)
    loss = load_loss(str(run / "best.json"))
    logits = torch.zeros(2, 10, requires_grad=True)
    loss(logits, torch.tensor([3, 4])).backward()
    assert logits.grad.isfinite().all()


def test_a_resumed_search_is_the_same(run, tmp_path):
    folder = tmp_path / "run"
    short = [*TINY, "--run_dir", str(folder)]
    short[short.index("--generations") + 1] = "1"
    assert main(["search", "--config", CONFIG, *short]) == 0
    more = ["--config", str(folder / "config.yaml"), "--generations", "3"]
    assert main(["search", *more, "--resume", str(folder)]) == 0
    assert _rows(folder) == _rows(run)


def test_a_searcher_that_can_not_take_refined_losses_is_refused(tmp_path, capsys):
    others = ["--family", "TaylorFamily", "--searcher", "CMAESSearcher"]
    arguments = [*TINY[:4], *TINY[6:], *others, "--run_dir", str(tmp_path / "run")]
    assert main(["search", "--config", CONFIG, *arguments]) == 2
    assert "Expected a searcher that takes refined candidates" in capsys.readouterr().err
