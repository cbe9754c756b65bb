"""What a user may leave out."""

import yaml

from lightning_lossmeta.cli.arguments import with_default_classes, with_found_paths


def test_options_of_a_part_without_its_class_are_those_of_the_default():
    given = ["search", "--searcher.population=4", "--family.start", "mae", "--searcher.sigma", "1"]
    assert with_default_classes(given) == [
        "search",
        "--searcher",
        "CMAESSearcher",
        "--searcher.population=4",
        "--family",
        "TaylorFamily",
        "--family.start",
        "mae",
        "--searcher.sigma",
        "1",
    ]


def test_a_class_that_is_given_stays(tmp_path):
    config = tmp_path / "a.yaml"
    config.write_text("searcher: {class_path: Mine}\nfamily: null\n")
    own = ["search", "--family=Network", "--family.hidden", "[2]", "--searcher.help", "X"]
    assert with_default_classes(own) == own
    given = ["search", "--config", str(config), "--searcher.population", "4"]
    assert with_default_classes(given) == given
    assert "TaylorFamily" in with_default_classes([*given, "--family.order", "4"])


def test_a_learned_loss_beside_its_configuration_is_found_wherever_that_is(tmp_path, monkeypatch):
    entry = {"class_path": "lightning_lossmeta.InjectLoss", "init_args": {"path": "best.json"}}
    deep = {"class_path": "LearnedLoss", "init_args": {"path": "elsewhere/best.json"}}
    other = {"class_path": "my.Reader", "init_args": {"path": "best.json"}}
    content = {"trainer": {"callbacks": [entry, other]}, "model": {"init_args": {"loss_fn": deep}}}
    folder = tmp_path / "a run"
    folder.mkdir()
    (folder / "fit.yaml").write_text(yaml.safe_dump(content))
    (folder / "best.json").write_text("{}")
    moved = folder.rename(tmp_path / "moved")
    monkeypatch.chdir(tmp_path)
    for given in (["fit", "--config", "moved/fit.yaml"], ["fit", "--config=moved/fit.yaml"]):
        found = with_found_paths(given)
        text = found[-1].removeprefix("--config=")
        first, second = yaml.safe_load(text)["trainer"]["callbacks"]
        assert first["init_args"]["path"] == str(moved / "best.json")
        assert second == other
        assert yaml.safe_load(text)["model"]["init_args"]["loss_fn"] == deep
    (moved / "best.json").unlink()
    assert with_found_paths(["fit", "--config", "moved/fit.yaml"])[-1] == "moved/fit.yaml"
