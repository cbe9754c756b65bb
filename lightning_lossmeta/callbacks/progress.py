"""What a search shows while it runs."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from lightning_lossmeta.callbacks.base import MetaCallback, Search, shown_score
from lightning_lossmeta.evaluation import Evaluation

#: Without a terminal, seconds after which a generation says how far it is.
EVERY = 60.0


class SearchProgress(MetaCallback):
    """A bar over generations: best and mean fitness, rejected and diverged candidates, time left.

    Where the output is no terminal, one line a generation, and one a minute within it.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._counts: Counter[str] = Counter()
        self._started = 0.0
        self._first = 0
        self._text = ""
        self._said = 0.0

    def on_search_start(self, search: Search) -> None:
        """Open the bar."""
        console = Console()
        self._counts = Counter()
        self._started = self._said = time.perf_counter()
        self._text = ""
        self._first = search.searcher.generation
        self._bar = None
        if console.is_terminal:
            self._bar = progress_bar(console, "generation")
            self._bar.add_task("", total=search.generations, completed=self._first)
            self._bar.start()

    def on_progress(self, search: Search, what: str, done: int, count: int) -> None:
        """Show how far a generation is."""
        text = f"{what} {done} of {count}"
        if self._bar is not None:
            shown = f"{self._text}; {text}" if self._text else text
            self._bar.update(self._bar.task_ids[0], description=shown)
        elif (now := time.perf_counter()) - self._said >= EVERY:
            self._said = now
            self._say(f"generation {search.searcher.generation + 1}/{search.generations}: {text}")

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Move the bar; after the first generation say which evaluator was chosen."""
        if generation == self._first:
            for task, report in search.evaluator_state.get("reports", {}).items():
                self._say(f"evaluator for {task}: {report}")
        self._counts.update(item.status.value for item in evaluations)
        scores = [shown_score(search, item) for item in evaluations if item.objectives]
        best = shown_score(search, search.best) if search.best is not None else math.nan
        mean = statistics.fmean(scores) if scores else math.nan
        bad = ", ".join(
            f"{self._counts[kind]} {kind}"
            for kind in ("rejected", "diverged", "failed")
            if self._counts[kind] or kind != "failed"
        )
        text = self._text = f"best {best:.4f}, mean {mean:.4f}, {bad}"
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=generation + 1, description=text)
            return
        done = generation + 1 - self._first
        self._said = time.perf_counter()
        left = (self._said - self._started) / done * (search.generations - generation - 1)
        self._say(f"generation {generation + 1}/{search.generations}: {text}, {left:.0f} s left")

    def _say(self, text: str) -> None:
        """Print a line above the bar or, where there is none, in its place."""
        if self._bar is not None:
            self._bar.console.print(text, highlight=False)
        else:
            print(text, flush=True)

    def on_search_end(self, search: Search) -> None:
        """Close the bar."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def progress_bar(console: Console, unit: str) -> Progress:
    """Make a bar with counts, a description, the time taken and the time left.

    Args:
        console: Where the bar is shown.
        unit: The word for what is counted, e.g. ``"generation"``.
    """
    return Progress(
        TextColumn(unit),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TextColumn("{task.description}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=console,
    )
