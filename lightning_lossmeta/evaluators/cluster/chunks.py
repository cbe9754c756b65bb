"""What one job of SLURM does: calls in turn, each kept in a file as soon as it is done."""

from __future__ import annotations

import os
import pickle
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lightning_lossmeta.evaluators.cluster.calls import Call, perform
from lightning_lossmeta.evaluators.pool import Lost

#: How often a call may have the most of a job's time to itself, and not be done.
MAX_TOO_LONG = 2


class Chunk:
    """Does calls in turn; a job that is stopped and queued again goes on with the next.

    submitit pickles it, calls it in a job, and calls :meth:`checkpoint` there shortly before the
    time is up, or when the job is preempted.

    Args:
        calls: What to do.
        files: One for each call, which gets what came of it.
        seconds: The time that a job has, until it is told that its time is up.
    """

    def __init__(self, calls: Sequence[Call], files: Sequence[Path], seconds: float) -> None:
        self.calls = tuple(calls)
        self.files = tuple(files)
        self.seconds = seconds
        self._too_long: Counter[int] = Counter()
        self._current: tuple[int, float] | None = None

    def __call__(self) -> list[Any]:
        """Do what is not done yet.

        Returns:
            What came of all calls, in order.
        """
        for number, (call, file) in enumerate(zip(self.calls, self.files, strict=True)):
            if not file.exists():
                self._current = number, time.monotonic()
                write(file, perform(call, Path.read_bytes))
        self._current = None
        return [read(file) for file in self.files]

    def checkpoint(self) -> Any:
        """Say what the job is to go on with; a call that it has no time for is given up."""
        from submitit.helpers import DelayedSubmission

        if self._current is not None:
            number, since = self._current
            self._too_long[number] += time.monotonic() - since > self.seconds / 2
            if self._too_long[number] >= MAX_TOO_LONG:
                reason = f"it takes longer than the {self.seconds:g} seconds of a job"
                write(self.files[number], Lost(f"{reason}: raise `minutes`"))
            self._current = None
        return DelayedSubmission(self)


def write(file: Path, outcome: Any) -> None:
    """Write an outcome in one step, so that no other process sees half of it."""
    unfinished = file.with_name(f"{file.name}.{os.uname().nodename}.{os.getpid()}")
    unfinished.write_bytes(pickle.dumps(outcome))
    unfinished.replace(file)


def read(file: Path) -> Any:
    """Read an outcome that :func:`write` has written, in a folder that is this user's alone."""
    return pickle.loads(file.read_bytes())
