"""A progress bar for work that turns out to take long."""

from __future__ import annotations

import math
import multiprocessing
import time

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

#: No bar for what takes less.
PROGRESS_SECONDS = 2.0


class LateBar:
    """A bar that shows once the work has taken a while; none in worker processes and logs.

    Args:
        title: What stands before it.
        total: Pieces of work.
    """

    def __init__(self, title: str, total: int) -> None:
        console = Console(stderr=True)
        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TimeRemainingColumn())
        self._bar = Progress(TextColumn(title), *columns, console=console, transient=True)
        self._task = self._bar.add_task(title, total=total)
        seen = console.is_terminal or console.is_jupyter
        wanted = seen and multiprocessing.parent_process() is None
        self._due = time.perf_counter() + (PROGRESS_SECONDS if wanted else math.inf)

    def __enter__(self) -> LateBar:
        return self

    def update(self, done: int) -> None:
        """Show that so many pieces are done."""
        if time.perf_counter() > self._due:
            self._bar.start()
            self._bar.update(self._task, completed=done)

    def __exit__(self, *args: object) -> None:
        if self._bar.live.is_started:
            self._bar.stop()
