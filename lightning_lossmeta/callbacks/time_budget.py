"""A search that ends in time."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.evaluation import Evaluation

if TYPE_CHECKING:
    from typing_extensions import Self

_FORM = re.compile(r"(\d+):(\d\d?):(\d\d?):(\d\d?)")


class TimeBudget(MetaCallback):
    """Begins no generation that would not end in time; the first is always done.

    A generation is expected to take as long as the longest so far. What comes after the
    generations (finalists, comparison) is not counted. A resumed search has the time anew.

    Args:
        max_time: Days, hours, minutes and seconds, as DD:HH:MM:SS.

    Raises:
        ValueError: If ``max_time`` has another form.
    """

    def __init__(self, max_time: str) -> None:
        found = _FORM.fullmatch(str(max_time))
        if found is None:
            raise ValueError(
                "Expected argument `max_time` in the form DD:HH:MM:SS, such as '00:01:30:00' for "
                f"an hour and a half, got {max_time!r}."
            )
        days, hours, minutes, seconds = map(int, found.groups())
        self.max_time = max_time
        self.seconds = ((days * 24 + hours) * 60 + minutes) * 60 + seconds
        self._started = self._last = 0.0
        self._longest = 0.0

    @classmethod
    def example(cls) -> Self:
        """A day."""
        return cls("01:00:00:00")

    def on_search_start(self, search: Search) -> None:
        """Start the clock."""
        self._started = self._last = time.monotonic()
        self._longest = 0.0

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """End the search if another generation would take too long."""
        now = time.monotonic()
        self._longest = max(self._longest, now - self._last)
        self._last = now
        left = search.generations - generation - 1
        if left and now - self._started + self._longest > self.seconds:
            search.stop_reason = f"max_time {self.max_time}"
            print(
                f"max_time {self.max_time} leaves no time for another generation; {left} of "
                f"{search.generations} were not begun. lossmeta search --resume does them.",
                flush=True,
            )
