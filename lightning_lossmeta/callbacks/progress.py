"""What a search shows while it runs."""

from __future__ import annotations

import math
import statistics
import time
from collections import Counter
from collections.abc import Sequence

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Column

from lightning_lossmeta.callbacks.base import MetaCallback, Search, shown_score
from lightning_lossmeta.evaluation import Evaluation

#: Without a terminal, seconds after which a generation says how far it is.
EVERY = 60.0

#: What a local search calls its progress; the rest of a generation is training.
_REFINING = "local search"


class SearchProgress(MetaCallback):
    """A bar over generations: best and median fitness, candidates without a score, time left.

    The time left is that of the whole search, with what comes after the generations. Where the
    output is no terminal, one line a generation, and one a minute within it.
    """

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._first = 0
        self._text = ""
        self._started = self._said = self._trained_from = 0.0
        self._trainings = 0
        self._training_seconds = 0.0

    def on_search_start(self, search: Search) -> None:
        """Open the bar."""
        console = Console()
        self._started = self._said = self._trained_from = time.perf_counter()
        self._text = ""
        self._trainings, self._training_seconds = 0, 0.0
        self._first = search.searcher.generation
        self._bar = None
        if console.is_terminal:
            left = TextColumn("{task.fields[left]}", table_column=Column(no_wrap=True))
            self._bar = progress_bar(console, "generation", [left])
            self._bar.add_task("", total=search.generations, completed=self._first, left="")
            self._bar.start()

    def on_note(self, search: Search, line: str) -> None:
        """Print a line."""
        self._say(line)

    def on_progress(self, search: Search, what: str, done: int, count: int) -> None:
        """Show how far a generation is."""
        now = time.perf_counter()
        if what == _REFINING:
            self._trained_from = now
        text = f"{what} {done} of {count}"
        if self._bar is not None:
            shown = f"{text}; {self._text}" if self._text else text
            self._bar.update(self._bar.task_ids[0], description=shown)
        elif now - self._said >= EVERY:
            self._said = now
            self._say(f"generation {search.searcher.generation + 1}/{search.generations}: {text}")

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Move the bar."""
        now = time.perf_counter()
        self._training_seconds += now - self._trained_from
        self._trainings += sum(len(item.trainings) or 1 for item in evaluations if not item.filter)
        self._trained_from = now
        left = self._left(search, generation, now)
        self._text = summary(search, evaluations)
        if self._bar is not None:
            self._bar.update(
                self._bar.task_ids[0],
                completed=generation + 1,
                description=self._text,
                left=f"{left} left",
            )
            return
        self._said = now
        self._say(f"generation {generation + 1}/{search.generations}: {self._text}, {left} left")

    def _left(self, search: Search, generation: int, now: float) -> str:
        """The time that the other generations and what comes after them will take."""
        done = generation + 1 - self._first
        left = (now - self._started) / done * (search.generations - generation - 1)
        if self._trainings:
            left += search.later_sessions * self._training_seconds / self._trainings
        return f"{left:.0f} s"

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


def summary(search: Search, evaluations: Sequence[Evaluation]) -> str:
    """A generation in words: best so far, median, and how many of it have no score.

    Args:
        search: Gives the objectives and the best so far.
        evaluations: Those of the generation.
    """
    scores = [shown_score(search, item) for item in evaluations if item.objectives]
    finite = [score for score in scores if math.isfinite(score)]
    best = shown_score(search, search.best) if search.best is not None else math.nan
    median = statistics.median(finite) if finite else math.nan
    counts = Counter(item.status.value for item in evaluations)
    bad = ", ".join(
        f"{counts[kind]} {kind}"
        for kind in ("rejected", "diverged", "failed")
        if counts[kind] or kind != "failed"
    )
    return f"best {best:.4f}, median {median:.4f}, {bad}"


def progress_bar(
    console: Console, unit: str, left: Sequence[ProgressColumn] | None = None
) -> Progress:
    """Make a bar with counts, the time taken, the time left and a description.

    In a narrow terminal the description is cut, and nothing else.

    Args:
        console: Where the bar is shown.
        unit: The word for what is counted, e.g. ``"generation"``.
        left: Columns of the time left; by default it is foreseen from what the bar counts.
    """

    def whole() -> Column:
        return Column(no_wrap=True)

    if left is None:
        left = [TimeRemainingColumn(table_column=whole()), TextColumn("left", table_column=whole())]
    return Progress(
        TextColumn(unit, table_column=whole()),
        MofNCompleteColumn(table_column=whole()),
        BarColumn(bar_width=10, table_column=Column(min_width=10)),
        TimeElapsedColumn(table_column=whole()),
        *left,
        TextColumn(
            "{task.description}",
            table_column=Column(ratio=1, no_wrap=True, overflow="ellipsis"),
        ),
        console=console,
        expand=True,
    )
