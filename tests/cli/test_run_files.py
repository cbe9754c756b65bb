"""The configurations that a search leaves."""

import yaml
from searches import make_search, run_generation

from lightning_lossmeta.cli.run_files import SaveSearchConfig
from lightning_lossmeta.cli.trust import is_sealed


def test_the_chosen_evaluator_is_stored_after_the_first_generation(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    search = make_search(tmp_path)
    save = SaveSearchConfig("seed_everything: 0\nevaluator: null\ngenerations: 3\n")
    save.on_search_start(search)
    search.evaluator_state = {"choices": {"task": "TrainerEvaluator"}}
    run_generation(search, [save])
    stored = yaml.safe_load((tmp_path / "config.yaml").read_text())
    assert list(stored) == ["seed_everything", "evaluator", "generations"]
    assert stored["evaluator"] == {
        "class_path": "lightning_lossmeta.AutoEvaluator",
        "init_args": {"choices": {"task": "TrainerEvaluator"}},
    }
    assert is_sealed(tmp_path / "config.yaml")
    before = (tmp_path / "config.yaml").read_text()
    run_generation(search, [save])
    assert (tmp_path / "config.yaml").read_text() == before


def test_an_evaluator_that_was_given_stays(tmp_path):
    search = make_search(tmp_path)
    save = SaveSearchConfig("evaluator:\n  class_path: lightning_lossmeta.TrainerEvaluator\n")
    save.on_search_start(search)
    run_generation(search, [save])
    assert (tmp_path / "config.yaml").read_text() == save.text
