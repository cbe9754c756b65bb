import errno
import json
import os

import pytest
from searches import make_search, run_generation, run_search

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks import SearchCheckpoint
from lightning_lossmeta.callbacks.provenance import learned_artifact
from lightning_lossmeta.callbacks.search_state import load_state
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily


def test_best_loss_and_state_are_those_of_the_search(tmp_path):
    search = make_search(tmp_path)
    run_search(search, [SearchCheckpoint()], 2)
    artifact = Artifact.load(tmp_path / "best.json")
    assert artifact.candidate == search.best.candidate
    assert artifact.family == search.family
    stored = load_state(tmp_path)
    (entry,) = stored.entries(search)
    assert entry.evaluation.fitness == search.best.fitness == 0.63
    assert entry.evaluation.candidate == search.best.candidate
    assert entry.generation == 1
    resumed = make_search(tmp_path).searcher
    resumed.replay(stored.history)
    assert resumed.ask() == search.searcher.ask()


def test_provenance_says_where_it_came_from(tmp_path):
    search = make_search(tmp_path, seed=11)
    run_search(search, [SearchCheckpoint()], 1)
    found = Artifact.load(tmp_path / "best.json").provenance
    assert found["fitness"] == search.best.fitness
    assert found["generation"] == 0
    assert found["monitor"] == "val_acc"
    assert found["steps"] == 5
    assert found["seed"] == 11
    assert found["num_classes"] == 3
    assert found["searcher"] == "CMAESSearcher"
    assert found["candidates_a_generation"] == 4
    (task,) = found["tasks"]
    assert (task["module"], task["data"]) == ("StrangersNet", "BlobsData")
    assert task["parameters"] == str(6 * 8 + 8 + 8 * 3 + 3)
    assert set(found["versions"]) == {"python", "torch", "pytorch_lightning"}


def test_a_normalised_loss_keeps_its_constants(tmp_path):
    family = NormalisedFamily(TaylorFamily(start="mse"), 3, eta=2.0)
    search = make_search(tmp_path, family=family)
    run_search(search, [SearchCheckpoint()], 1)
    expected = family.build(search.best.candidate).normalisation
    assert Artifact.load(tmp_path / "best.json").normalisation == expected


def test_best_loss_is_written_only_when_it_is_new(tmp_path):
    search = make_search(tmp_path)
    checkpoint = SearchCheckpoint()
    run_search(search, [checkpoint], 1)
    (tmp_path / "best.json").unlink()
    rejected = [Evaluation(c, status=Status.REJECTED) for c in search.searcher.ask()]
    search.searcher.tell(rejected)
    checkpoint.on_generation_end(search, 1, rejected)
    assert not (tmp_path / "best.json").exists()
    assert load_state(tmp_path).front[0][0] == 0


def test_without_a_best_there_is_no_artefact(tmp_path):
    search = make_search(tmp_path)
    rejected = [Evaluation(c, status=Status.REJECTED) for c in search.searcher.ask()]
    search.searcher.tell(rejected)
    checkpoint = SearchCheckpoint()
    checkpoint.on_search_start(search)
    checkpoint.on_generation_end(search, 0, rejected)
    assert load_state(tmp_path).front == []
    assert sorted(os.listdir(tmp_path)) == ["history.jsonl", "state.json"]


def test_a_full_disk_leaves_the_last_state(tmp_path, monkeypatch):
    search = make_search(tmp_path)
    checkpoint = SearchCheckpoint()
    run_search(search, [checkpoint], 1)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left"):
            run_generation(search, [checkpoint])
    load_state(tmp_path)  # cuts off what the crash left of a generation
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "no JSON"),
        ('{"format": ', "no JSON"),
        ("[" * 10_000, "no JSON"),
        ("[]", "to be the state of a search"),
        ('{"format": "lightning_lossmeta/loss"}', "to be the state of a search"),
        (
            '{"format": "lightning_lossmeta/search", "version": 9}',
            "Expected version 2 of .*, got 9",
        ),
        ('{"format": "lightning_lossmeta/search", "version": 2}', r"to have \['digest', "),
    ],
)
def test_what_is_no_state_is_refused(tmp_path, content, message):
    (tmp_path / "state.json").write_text(content)
    with pytest.raises(ValueError, match=message):
        load_state(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        lambda state: state["front"][0][1].__setitem__(2, [0.99]),
        lambda state: state["front"].clear(),
        lambda state: state.update(seed=True),
        lambda state: state["evaluator"].update(widths={"a": 3}),
        lambda state: state["history"].update(bytes="all"),
        lambda state: state.update(digest=None),
    ],
)
def test_a_state_that_was_changed_is_refused(tmp_path, change):
    run_search(make_search(tmp_path), [SearchCheckpoint()], 1)
    path = tmp_path / "state.json"
    state = json.loads(path.read_text())
    path.write_text(json.dumps(state, indent=4))
    load_state(tmp_path)  # the same values, written otherwise
    change(state)
    path.write_text(json.dumps(state))
    with pytest.raises(
        ValueError, match=r"state\.json' to be as the search wrote it; it is damaged"
    ):
        load_state(tmp_path)


def test_equal_searches_have_equal_digests_whatever_time_they_took(tmp_path):
    digests = set()
    for report in ("TrainerEvaluator 1.5 ms", "TrainerEvaluator 1.6 ms"):
        search = make_search(tmp_path, evaluator_state={"reports": {"task": report}})
        (tmp_path / "state.json").unlink(missing_ok=True)
        run_search(search, [SearchCheckpoint()], 1)
        state = json.loads((tmp_path / "state.json").read_text())
        assert state["evaluator"]["reports"]["task"] == report
        digests.add(state["digest"])
    assert len(digests) == 1


def test_no_state_at_all(tmp_path):
    with pytest.raises(FileNotFoundError, match="began to train candidates"):
        load_state(tmp_path)


def test_state_is_strict_json(tmp_path):
    search = make_search(tmp_path)
    run_search(search, [SearchCheckpoint()], 1)
    text = (tmp_path / "state.json").read_text()
    json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert learned_artifact(search, search.best).candidate == search.best.candidate


def test_state_stays_small_and_history_only_grows(tmp_path):
    search = make_search(tmp_path)
    checkpoint = SearchCheckpoint()
    checkpoint.on_search_start(search)
    sizes, contents = [], []
    for _ in range(3):
        run_generation(search, [checkpoint])
        sizes.append((tmp_path / "state.json").stat().st_size)
        contents.append((tmp_path / "history.jsonl").read_bytes())
    assert max(sizes) - min(sizes) < 100
    assert contents[2].startswith(contents[1])
    assert contents[1].startswith(contents[0])
    assert len(contents[2].splitlines()) == 3


@pytest.mark.parametrize(
    "damage",
    [lambda text: text[:-10], lambda text: text.replace(b"ok", b"no", 1), lambda text: b""],
)
def test_a_damaged_history_is_refused(tmp_path, damage):
    run_search(make_search(tmp_path), [SearchCheckpoint()], 2)
    path = tmp_path / "history.jsonl"
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match=r"history\.jsonl' to begin with the \d+ bytes"):
        load_state(tmp_path)
