"""``lossmeta search --dry_run`` as it is typed."""

import yaml

from lightning_lossmeta.__main__ import main


def test_it_tries_every_stage_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    network = {"class_path": "lightning_lossmeta.LogisticRegression"}
    network["init_args"] = {"in_features": 64, "num_classes": 10}
    config = {
        "seed_everything": 1,
        "trainer": {"accelerator": "cpu"},
        "model": {
            "class_path": "lightning_lossmeta.SupervisedModule",
            "init_args": {"network": network},
        },
        "data": {"class_path": "lightning_lossmeta.DigitsDataModule"},
        "searcher": {
            "class_path": "lightning_lossmeta.CMAESSearcher",
            "init_args": {"population": 4},
        },
        "evaluator": {"class_path": "lightning_lossmeta.PopulationEvaluator"},
        "generations": 2,
        "session": {"steps": 3},
    }
    path = tmp_path / "small.yaml"
    path.write_text(yaml.safe_dump(config))
    assert main(["search", "--config", str(path), "--dry_run", "--max_time", "00:01:00:00"]) == 0
    assert "every stage works; nothing was written" in capsys.readouterr().out
    assert [item.name for item in tmp_path.iterdir()] == ["small.yaml"]
