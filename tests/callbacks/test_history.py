import csv
import math
import warnings

import pytest
from searches import make_search, run_generation, run_search
from strangers import BlobsData, StrangersNet

from lightning_lossmeta.callbacks import SearchCheckpoint, SearchHistory
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status, Training
from lightning_lossmeta.task import Objective, Session, Task

COLUMNS = (
    *("generation", "index", "status", "filter", "fitness", "val_acc"),
    *("trainings", "seconds", "structure", "theta", "message"),
)


def _rows(folder):
    with (folder / "history.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_a_row_a_candidate_with_every_bit(tmp_path):
    told = run_search(make_search(tmp_path), [SearchHistory()], 2)
    rows = _rows(tmp_path)
    assert tuple(rows[0]) == COLUMNS
    flat = [(g, i, item) for g, generation in enumerate(told) for i, item in enumerate(generation)]
    assert len(rows) == len(flat) == 8
    for row, (generation, index, item) in zip(rows, flat, strict=True):
        assert (int(row["generation"]), int(row["index"])) == (generation, index)
        assert tuple(map(float, row["theta"].split())) == item.candidate.theta
        assert float(row["fitness"]) == item.fitness
        assert row["status"] == item.status.value
    assert rows[0]["message"] == "not trainable, no"
    assert float(rows[0]["fitness"]) == -math.inf


def test_rows_of_unfinished_generations_are_dropped(tmp_path):
    search = make_search(tmp_path)
    run_search(search, [SearchHistory(), SearchCheckpoint()], 2)
    path = tmp_path / "history.csv"
    finished = path.read_bytes()
    with path.open("a") as file:
        file.write("2,0,ok,0.5,0.1,,0.1 0.2,\n")  # a whole row of a generation that is done again
        file.write('2,1,ok,0.5,0.1,,0.1 0.2,"cut in the mid')
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        SearchHistory().on_search_start(search)
    assert path.read_bytes() == finished


DAMAGES = {
    "gone": (lambda text: None, 8),
    "empty": (lambda text: b"", 8),
    "cut": (lambda text: text[: len(text) // 2], 5),
    "a row less": (lambda text: b"".join(text.splitlines(keepends=True)[:-1]), 1),
    "another fitness": (lambda text: text.replace(b",0.52,0.52,", b",0.99,0.52,"), 0),
    "another status": (lambda text: text.replace(b"rejected", b"ok"), 0),
    "a message less": (lambda text: text.replace(b"not trainable", b"fine"), 0),
    "no seconds": (lambda text: text.replace(b"0.5000", b"half"), 4),
    "NUL": (lambda text: text[:-30] + bytes(30), 1),
    "no text": (lambda text: b"\xff\xfe" * 300, 8),
    "an endless field": (lambda text: text.replace(b"0.62", b"9" * 200_000, 1), 1),
    "line ends": (lambda text: text.replace(b"\n", b"\r\n"), 0),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_rows_that_are_missing_or_damaged_are_mended(tmp_path, damage):
    search = make_search(tmp_path)
    run_search(search, [SearchHistory(), SearchCheckpoint()], 2)
    path, whole = tmp_path / "history.csv", _rows(tmp_path)
    change, lost = DAMAGES[damage]
    if (damaged := change(path.read_bytes())) is None:
        path.unlink()
    else:
        assert damaged != path.read_bytes()
        path.write_bytes(damaged)
    with pytest.warns(UserWarning, match=rf"history\.csv' was damaged.* {lost} of 8 candidates"):
        SearchHistory().on_search_start(search)
    mended = _rows(tmp_path)
    assert sum(row["seconds"] == "nan" for row in mended) == lost
    for row, expected in zip(mended, whole, strict=True):
        assert {**row, "seconds": ""} == {**expected, "seconds": ""}


def test_resumed_appends_to_what_is_finished(tmp_path):
    whole = make_search(tmp_path / "whole")
    whole.directory.mkdir()
    run_search(whole, [SearchHistory(), SearchCheckpoint()], 3)
    cut = make_search(tmp_path / "cut")
    cut.directory.mkdir()
    run_search(cut, [SearchHistory(), SearchCheckpoint()], 1)
    run_search(cut, [SearchHistory(), SearchCheckpoint()], 2)
    assert (cut.directory / "history.csv").read_bytes() == (
        whole.directory / "history.csv"
    ).read_bytes()


def test_rubbish_in_the_file_is_no_row(tmp_path):
    search = make_search(tmp_path)
    (tmp_path / "history.csv").write_text("x\n\n1,2\na,b,c,d,e,f,g,h\n,,,,,,,\n")
    SearchHistory().on_search_start(search)
    assert _rows(tmp_path) == []


def test_a_new_search_has_its_header_before_any_generation(tmp_path):
    search = make_search(tmp_path)
    history = SearchHistory()
    history.on_search_start(search)
    assert (tmp_path / "history.csv").read_text() == ",".join(COLUMNS) + "\n"
    run_generation(search, [history])
    assert len(_rows(tmp_path)) == 4


def test_a_column_an_objective_in_the_sign_of_its_metric(tmp_path):
    objectives = (Objective("val_acc"), Objective("val_error", "min", 2.0))
    session = Session(steps=5, objectives=objectives)
    search = make_search(tmp_path, tasks=[Task(StrangersNet(), BlobsData(), session)])
    theta = tuple(float(number) for number in range(700))
    parts = tuple(Training("task", seed, (0.5, -0.25), Status.OK) for seed in range(3))
    scored = Evaluation(
        Candidate(None, theta), (0.5, -0.25), Status.OK, (1.0, 2.0), trainings=parts
    )
    history = SearchHistory()
    history.on_search_start(search)
    history.on_generation_end(search, 0, [scored, Evaluation(Candidate(None, (1.0,)))])
    row, empty = _rows(tmp_path)
    assert (row["val_acc"], row["val_error"], row["fitness"]) == ("0.5", "0.25", "0.0")
    assert row["trainings"] == "3"
    assert row["theta"].startswith("700 numbers, sha256 ")
    assert (empty["val_acc"], empty["val_error"], empty["theta"]) == ("", "", "1.0")
