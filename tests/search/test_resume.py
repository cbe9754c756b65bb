"""A search that was stopped goes on as if it had not been."""

import json

import pytest
from small_search import history, small_search

from lightning_lossmeta import (
    AutoEvaluator,
    CMAESSearcher,
    DigitsDataModule,
    LossNormalisation,
    MetaCallback,
    PopulationEvaluator,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.callbacks.search_state import load_state


class _StopAt(MetaCallback):
    """Interrupts in the middle of a generation."""

    def __init__(self, generation, error=KeyboardInterrupt):
        self.generation = generation
        self.error = error

    def on_generation_start(self, search, generation):
        if generation == self.generation:
            raise self.error


@pytest.mark.parametrize("stopped_at", [1, 2])
def test_an_interrupted_search_goes_on_bit_for_bit(tmp_path, stopped_at):
    small_search(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        small_search(tmp_path / "cut", [_StopAt(stopped_at)])
    assert len(history(tmp_path / "cut")) == 4 * stopped_at
    with (tmp_path / "cut" / "history.csv").open("a") as file:
        file.write(f"{stopped_at},0,ok,0.5,0.1,")  # what a crash may leave of a row
    result = small_search(None, resume=str(tmp_path / "cut"))
    assert history(tmp_path / "whole") == history(tmp_path / "cut")
    whole = json.loads((tmp_path / "whole" / "state.json").read_text())
    cut = json.loads((tmp_path / "cut" / "state.json").read_text())
    assert whole == cut
    assert (tmp_path / "whole" / "best.json").read_text() == (
        tmp_path / "cut" / "best.json"
    ).read_text()
    assert result.directory == tmp_path / "cut"


def test_interrupted_before_anything_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="nothing to resume"):
        small_search(tmp_path / "run", [_StopAt(0)])


def test_a_search_goes_on_with_the_evaluator_that_it_chose(tmp_path):
    def evaluator():
        return AutoEvaluator([TrainerEvaluator(), PopulationEvaluator()], good_enough=0.0)

    small_search(tmp_path / "run", evaluator=evaluator(), generations=1)
    before = json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"]
    again = evaluator()
    small_search(None, resume=str(tmp_path / "run"), evaluator=again, generations=2)
    assert again.state_dict()["chosen"] == before["chosen"] != {}
    assert json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"] == before


def test_more_generations_may_be_asked_of_a_finishedsmall_search(tmp_path):
    small_search(tmp_path / "run", generations=2)
    small_search(None, resume=str(tmp_path / "run"), generations=3)
    small_search(tmp_path / "whole", generations=3)
    assert history(tmp_path / "run") == history(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"steps": 16}, "session.steps: 15 -> 16"),
        ({"seed": 9}, "seed"),
        ({"searcher": CMAESSearcher(population=5)}, "searcher.population: 4 -> 5"),
        ({"family": TaylorFamily(start="mae")}, "family.start: 'mse' -> 'mae'"),
        ({"data": DigitsDataModule(batch_size=50)}, "batch_size: 100 -> 50"),
        ({"evaluator": TrainerEvaluator()}, "evaluator"),
        ({"callbacks": [LossNormalisation()]}, "family"),
    ],
)
def test_resume_refuses_other_settings_and_names_them(tmp_path, change, key):
    small_search(tmp_path / "run", generations=1)
    with pytest.raises(ValueError, match=key):
        small_search(None, resume=str(tmp_path / "run"), **change)


def test_resume_of_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"state\.json"):
        small_search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        small_search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(ValueError, match="state of a search"):
        small_search(None, resume=str(tmp_path))


def test_a_full_disk_leaves_the_last_state_readable(tmp_path, monkeypatch):
    import lightning_lossmeta.artifacts.files as files

    real = files.os.fsync
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        small_search(tmp_path / "run", generations=50)
    monkeypatch.undo()
    done = len(load_state(tmp_path / "run").history)
    assert 0 < done < 50
    small_search(None, resume=str(tmp_path / "run"), generations=done + 1)
    small_search(tmp_path / "whole", generations=done + 1)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
