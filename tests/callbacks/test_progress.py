import io
import re

import pytest
from rich.console import Console
from searches import make_search, run_generation, run_search

from lightning_lossmeta.callbacks import SearchProgress, progress


def test_one_line_a_generation_where_there_is_no_terminal(tmp_path, capsys):
    run_search(make_search(tmp_path), [SearchProgress()], 2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    expected = r"generation 2/3: best 0\.6300, mean 0\.6250, 2 rejected, 2 diverged, \d+ s left"
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


@pytest.mark.parametrize("terminal", [False, True])
def test_an_interrupted_search_closes_what_was_never_opened(terminal):
    SearchProgress().on_search_end(None)
