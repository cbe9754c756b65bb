"""What a search says after its last generation, and what it gives back."""

import re

import pytest
import torch
from rich.console import Console
from searches import make_search
from small_search import small_search

from lightning_lossmeta import ComparisonConfig, Finalists
from lightning_lossmeta.callbacks import SearchProgress, progress
from lightning_lossmeta.cli import lightning
from lightning_lossmeta.comparison import progress as comparison_progress


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """A finished search and what it printed."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        lines = []
        patch.setattr("builtins.print", lambda *text, **how: lines.append(" ".join(text)))
        result = small_search(
            folder / "run",
            finalists=Finalists(count=2, seeds=2, baselines=(), learning_rate_factors=(1.0,)),
            comparison=ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(0.3, 1.0)),
            generations=2,
        )
    return result, lines


def test_every_stage_says_how_far_it_is(told):
    _, lines = told
    text = "\n".join(lines)
    assert re.search(r"^finalists: (\d+) of \1 trainings", text, re.MULTILINE)
    assert "comparison, tuning: 6 of 6 trainings" in text
    assert "comparison, scoring: 6 of 6 trainings" in text
    assert re.search(r"^generation 1/2: best .* s left$", text, re.MULTILINE)


def test_a_result_is_shown_in_three_lines_and_its_loss_can_be_called(told):
    result, _ = told
    lines = repr(result).splitlines()
    assert len(lines) == 3
    assert lines[0].startswith(f"SearchResult in '{result.directory}' after ")
    assert lines[1].startswith("val_accuracy 0.")
    assert lines[2] == result.artifact.formula()
    logits, target = torch.randn(4, 10), torch.arange(4)
    assert result.loss_fn(logits, target) == result.artifact.build()(logits, target)


def test_the_end_counts_generations_as_the_log_and_names_tensorboards_filter(told):
    result, _ = told
    number = result.artifact.provenance["generation"]
    assert lightning._generation(result) == f"generation {number + 1}, "
    folder = lightning._runs(result).strip("'").partition("|")[2]
    assert (result.directory / "tensorboard" / folder).is_dir()


def test_a_notebook_gets_lines_and_no_bar(tmp_path, monkeypatch):
    def notebook():
        return Console(force_jupyter=True)

    monkeypatch.setattr(progress, "Console", notebook)
    monkeypatch.setattr(comparison_progress, "Console", notebook)
    shown = SearchProgress()
    shown.on_search_start(make_search(tmp_path))
    assert shown._bar is None
    assert comparison_progress.ComparisonProgress()._bar is None
