import csv
import math

from searches import make_search, run_generation, run_search

from lightning_lossmeta.callbacks import SearchHistory
from lightning_lossmeta.callbacks.history import COLUMNS


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
    run_search(search, [SearchHistory()], 2)
    path = tmp_path / "history.csv"
    finished = path.read_bytes()
    with path.open("a") as file:
        file.write("2,0,ok,0.5,0.1,,0.1 0.2,\n")  # a whole row of a generation that is done again
        file.write('2,1,ok,0.5,0.1,,0.1 0.2,"cut in the mid')
    SearchHistory().on_search_start(search)
    assert path.read_bytes() == finished


def test_resumed_appends_to_what_is_finished(tmp_path):
    whole = make_search(tmp_path / "whole")
    whole.directory.mkdir()
    run_search(whole, [SearchHistory()], 3)
    cut = make_search(tmp_path / "cut")
    cut.directory.mkdir()
    run_search(cut, [SearchHistory()], 1)
    run_search(cut, [SearchHistory()], 2)
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
