"""The search's own state, and the best loss so far."""

from __future__ import annotations

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.provenance import learned_artifact
from lightning_lossmeta.callbacks.search_state import (
    HISTORY_FILE,
    STATE_FILE,
    HistoryLog,
    load_state,
    save_state,
)
from lightning_lossmeta.evaluation import Evaluation


class SearchCheckpoint(MetaCallback):
    """Keeps a search so that it can go on after a crash.

    After each generation it appends to ``history.jsonl``, and writes ``best.json`` and
    ``state.json`` atomically, in this order: what the state says was done is in the other files.
    """

    def __init__(self) -> None:
        self._log: HistoryLog | None = None

    def on_search_start(self, search: Search) -> None:
        """Go on after the generations that the state knows of; at first it knows of none."""
        if (search.directory / STATE_FILE).exists():
            self._log = load_state(search.directory).log
        else:
            self._log = HistoryLog(search.directory / HISTORY_FILE)
            self._log.path.unlink(missing_ok=True)
            save_state(search, self._log)

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Write the generation, the best loss, then the state that says they are there."""
        if self._log is None:
            return
        self._log.append(generation, search.searcher.history[generation], evaluations)
        # A knee may be an old candidate, since the ends of the front have moved.
        new = search.best_generation == generation or search.searcher.seeks_front
        if search.best is not None and new:
            learned_artifact(search, search.best).save(search.directory / "best.json")
        save_state(search, self._log)
