"""What a comparison shows while it runs."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console

from lightning_lossmeta.callbacks.progress import progress_bar

#: Without a terminal, seconds between two lines.
EVERY = 20.0


class ComparisonProgress:
    """A bar over trainings with the time left; where the output is no terminal, lines."""

    def __init__(self) -> None:
        console = Console()
        self._bar = progress_bar(console, "training") if console.is_terminal else None
        self._stage = ""
        self._started = self._said = 0.0
        self._known = 0

    def __enter__(self) -> ComparisonProgress:
        """Open the bar."""
        if self._bar is not None:
            self._bar.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()

    def __call__(self, stage: str, done: int, count: int) -> None:
        """Show how far a stage has come.

        Args:
            stage: What the trainings are for.
            done: How many of them are done.
            count: How many there are.
        """
        now = time.perf_counter()
        if stage != self._stage:
            self._stage, self._started, self._said, self._known = stage, now, 0.0, done
            if self._bar is not None:
                self._bar.add_task(stage, total=count)
        if now - self._started < 0.5:  # results that the store holds
            self._known = done
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[-1], completed=done, total=count)
        elif done == count or now - self._said >= EVERY:
            self._said = now
            left = ""
            if done > self._known + 1:  # one may be the first of a stack that was trained at once
                seconds = (now - self._started) / (done - self._known) * (count - done)
                left = f", {seconds:.0f} s left"
            print(f"{stage}: {done} of {count} trainings{left}", flush=True)
