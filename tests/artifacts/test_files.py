import errno
import os
from pathlib import Path

import pytest

from lightning_lossmeta.artifacts import write_atomic


def _fail(*args, **kwargs):
    raise OSError(errno.ENOSPC, "No space left on device")


class _FullDisk:
    """A file that takes some bytes and then no more."""

    def __init__(self, file):
        self._file = file

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._file.close()

    def write(self, text):
        self._file.write(text[:3])
        self._file.flush()
        _fail()


def _full_disk_in(monkeypatch, where):
    if where == "write":
        real = Path.open
        monkeypatch.setattr(Path, "open", lambda path, *a, **k: _FullDisk(real(path, *a, **k)))
    else:
        monkeypatch.setattr(os, where, _fail)


@pytest.mark.parametrize("where", ["write", "fsync", "replace"])
def test_a_full_disk_leaves_the_old_file_alone(tmp_path, monkeypatch, where):
    path = tmp_path / "best.json"
    write_atomic(path, "old")
    with monkeypatch.context() as patched:
        _full_disk_in(patched, where)
        with pytest.raises(OSError, match="No space left"):
            write_atomic(path, "new" * 1000)
    assert path.read_text() == "old"
    assert os.listdir(tmp_path) == ["best.json"]


def test_interrupted_before_the_file_is_whole(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomic(tmp_path / "best.json", "new")
    assert os.listdir(tmp_path) == []


def test_replaces_and_keeps_text(tmp_path):
    path = tmp_path / "a.json"
    for text in ("one\ntwo\n", "ü λ\n", ""):
        write_atomic(path, text)
        assert path.read_bytes().decode("utf-8") == text
    assert os.listdir(tmp_path) == ["a.json"]


def test_a_folder_that_is_missing_is_no_silent_success(tmp_path):
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "none" / "a.json", "text")
