"""A run's folder belongs to one process at a time."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from lightning_lossmeta.artifacts.files import remove_partial_files, write_atomic

#: The lock, and who holds it; both lie in the folder. The first stays there, the second does not.
LOCK = ".lock"
HOLDER = ".lock-holder.json"

#: Seconds that the children of a process that was killed may take to end.
_CHILDREN = 15.0
#: Seconds that a process may take from having the lock to saying so.
_INTRODUCTION = 2.0


class RunLockedError(OSError):
    """Another process works in the folder of a run; says which."""


@contextmanager
def run_lock(directory: Path) -> Iterator[None]:
    """Keep other processes out of a run's folder, which is made where it is not there.

    The operating system gives the lock back when a process ends, however it ends: what a killed
    one leaves is no obstacle. Files that it was writing are removed.

    Args:
        directory: The run's folder.

    Raises:
        RunLockedError: If another process has the folder; names it.
        PermissionError: If the folder can't be made or written.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> with run_lock(folder):
    ...     with run_lock(folder):
    ...         pass
    Traceback (most recent call last):
    lightning_lossmeta.search.run_lock.RunLockedError: Expected ... used by this process since ...
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
        lock = FileLock(directory / LOCK)
        _acquire(lock, directory)
    except RunLockedError:
        raise
    except OSError as error:
        raise PermissionError(
            f"Expected `run_dir` to be a folder that can be written, got '{directory}': "
            f"{error.strerror or error}."
        ) from error
    try:
        remove_partial_files(directory)
        write_atomic(directory / HOLDER, json.dumps(_self()) + "\n")
        yield
    finally:
        (directory / HOLDER).unlink(missing_ok=True)
        lock.release()


def current_holder(directory: Path) -> str | None:
    """Who works in a run's folder by now; ``None`` where nobody does.

    Args:
        directory: The run's folder, which is only looked at.
    """
    if not (directory / HOLDER).exists():
        return None
    holder = _holder(directory)
    return None if _has_ended(holder) else _named(holder)


def _acquire(lock: FileLock, directory: Path) -> None:
    try:
        lock.acquire(timeout=0)
    except Timeout:
        if not _has_ended(_holder(directory)):
            raise RunLockedError(_refusal(directory)) from None
    else:
        return
    try:
        lock.acquire(timeout=_CHILDREN)  # children that a killed process forked hold its lock
    except Timeout:
        raise RunLockedError(_refusal(directory)) from None


def _self() -> dict[str, Any]:
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    return {"pid": os.getpid(), "host": socket.gethostname(), "since": since}


def _holder(directory: Path) -> dict[str, Any]:
    """Who has the folder; empty if that can't be known."""
    until = time.monotonic() + _INTRODUCTION
    while True:
        try:
            holder = json.loads((directory / HOLDER).read_text("utf-8"))
        except (OSError, ValueError):
            holder = None
        if isinstance(holder, dict) or time.monotonic() > until:
            return holder if isinstance(holder, dict) else {}
        time.sleep(0.05)


def _has_ended(holder: dict[str, Any]) -> bool:
    """Whether the process that wrote its name is gone; of those on other hosts nobody knows."""
    pid = holder.get("pid")
    if os.name != "posix" or not isinstance(pid, int) or holder.get("host") != socket.gethostname():
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    except (OSError, OverflowError):
        return False
    return False


def _refusal(directory: Path) -> str:
    return (
        f"Expected '{directory}' to be used by no other process, but it is used by "
        f"{_named(_holder(directory))}: wait until that one has ended, stop it, or choose another "
        "`run_dir`."
    )


def _named(holder: dict[str, Any]) -> str:
    if not holder:
        return "another process"
    if holder.get("pid") == os.getpid() and holder.get("host") == socket.gethostname():
        return f"this process since {holder.get('since')}"
    return f"process {holder.get('pid')} on {holder.get('host')} since {holder.get('since')}"
