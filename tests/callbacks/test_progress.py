import io
import math
import re
from dataclasses import replace

import pytest
import searches
from rich.console import Console
from searches import make_search, run_generation, run_search

from lightning_lossmeta.callbacks import SearchProgress, progress
from lightning_lossmeta.evaluation import Evaluation


def test_one_line_a_generation_where_there_is_no_terminal(tmp_path, capsys):
    run_search(make_search(tmp_path), [SearchProgress()], 2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    expected = r"generation 2/3: best 0\.6300, median 0\.6250, 1 rejected, 1 diverged, \d+ s left"
    assert re.fullmatch(expected, lines[1])


def test_time_left_is_told_from_the_generations_of_this_run(tmp_path, capsys, monkeypatch):
    search = make_search(tmp_path, generations=10)
    run_search(search, [], 4)
    clock = iter([100.0, 106.0, 112.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    run_search(search, [SearchProgress()], 2)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith(" 30 s left")
    assert lines[1].endswith(" 24 s left")


def test_the_time_left_has_what_comes_after_the_generations(tmp_path, capsys, monkeypatch):
    # 3 of 4 candidates were trained in 6 s: 30 trainings more are 60 s.
    search = make_search(tmp_path, generations=1, later_sessions=30.0)
    clock = iter([100.0, 106.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    monkeypatch.setattr(searches, "evaluate", _one_filtered)
    run_search(search, [SearchProgress()], 1)
    assert capsys.readouterr().out.endswith(" 60 s left\n")


def _one_filtered(candidates, generation, evaluate=searches.evaluate):
    first, *others = evaluate(candidates, generation)
    return [replace(first, filter="InvariantCheck"), *others]


def test_infinite_and_huge_scores_do_not_make_the_median(tmp_path):
    search = make_search(tmp_path)
    candidate = search.searcher.ask()[0]
    scores = [0.5, 0.6, -3.7e38, -math.inf, 0.7]
    told = progress.summary(search, [Evaluation.scored(candidate, score) for score in scores])
    assert told == "best nan, median 0.5500, 0 rejected, 0 diverged"


@pytest.mark.parametrize("width", [80, 60])
def test_a_narrow_terminal_keeps_the_time_left(tmp_path, monkeypatch, width):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=width)
    monkeypatch.setattr(progress, "Console", lambda: console)
    search, callback = make_search(tmp_path, generations=100), SearchProgress()
    clock = iter(100.0 + 60 * number for number in range(1000))
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    callback.on_search_start(search)
    run_generation(search, [callback])
    callback.on_progress(search, "training", 1, 4)
    callback.on_search_end(search)
    last = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).splitlines()[-1]
    assert "1/100" in last
    assert "5940 s left" in last
    assert "training 1 of 4" in last or width < 80
    assert len(last.rstrip()) <= width


def test_a_bar_on_a_terminal(tmp_path, monkeypatch):
    screen = io.StringIO()
    monkeypatch.setattr(
        progress, "Console", lambda: Console(file=screen, force_terminal=True, width=150)
    )
    search = make_search(tmp_path)
    callback = SearchProgress()
    callback.on_search_start(search)
    for _ in range(3):
        run_generation(search, [callback])
    callback.on_search_end(search)
    assert "3/3" in screen.getvalue()
    assert "best 0.7300" in screen.getvalue()


def test_within_a_generation_one_line_a_minute(tmp_path, capsys, monkeypatch):
    search, callback = make_search(tmp_path), SearchProgress()
    clock = iter([100.0, 130.0, 160.0, 170.0, 220.0])
    monkeypatch.setattr(progress.time, "perf_counter", lambda: next(clock))
    callback.on_search_start(search)
    for done in range(1, 5):
        callback.on_progress(search, "local search", done, 4)
    assert capsys.readouterr().out.splitlines() == [
        "generation 1/3: local search 2 of 4",
        "generation 1/3: local search 4 of 4",
    ]


def test_within_a_generation_the_bar_says_how_far_it_is(tmp_path, monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=150)
    monkeypatch.setattr(progress, "Console", lambda: console)
    search, callback = make_search(tmp_path), SearchProgress()
    callback.on_search_start(search)
    callback.on_progress(search, "training", 1, 4)
    run_generation(search, [callback])
    callback.on_progress(search, "training", 2, 4)
    callback.on_search_end(search)
    shown = " ".join(re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", screen.getvalue()).split())
    assert re.search(r"training 2 of 4; best 0\.\d+, median 0\.\d+,", shown)


@pytest.mark.parametrize("terminal", [False, True])
def test_an_interrupted_search_closes_what_was_never_opened(terminal):
    SearchProgress().on_search_end(None)
