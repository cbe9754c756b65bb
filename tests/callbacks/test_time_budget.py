"""A search that ends in time, and can be gone on with."""

from types import SimpleNamespace

import pytest
from small_search import history, small_search

from lightning_lossmeta.callbacks import TimeBudget, time_budget


@pytest.fixture
def clock(monkeypatch):
    """A clock that is a minute further each time one looks, once a generation."""
    minutes = iter(range(100))
    clock = SimpleNamespace(monotonic=lambda: 60.0 * next(minutes))
    monkeypatch.setattr(time_budget, "time", clock)


def test_no_generation_begins_that_would_not_end_in_time(clock, tmp_path, capsys):
    result = small_search(tmp_path / "run", max_time="00:00:02:30")
    assert len(history(tmp_path / "run")) == 2 * 4
    assert (tmp_path / "run" / "best.json").is_file()
    assert result.artifact.provenance["generation"] < 2
    assert "1 of 3 were not begun" in capsys.readouterr().out
    whole = small_search(tmp_path / "whole")
    resumed = small_search(tmp_path / "run", resume=str(tmp_path / "run"))
    assert history(tmp_path / "run") == history(tmp_path / "whole")
    assert resumed.artifact.candidate == whole.artifact.candidate


def test_the_first_generation_is_always_done(clock, tmp_path):
    small_search(tmp_path / "run", max_time="00:00:00:00")
    assert len(history(tmp_path / "run")) == 4


@pytest.mark.parametrize("text", ["90", "1:30:00", "00:00:01:30.5", "", "00:00:-1:00"])
def test_another_form_is_refused(text):
    with pytest.raises(ValueError, match=r"`max_time` in the form DD:HH:MM:SS"):
        TimeBudget(text)


def test_days_count():
    assert TimeBudget("01:02:03:04").seconds == 93784
