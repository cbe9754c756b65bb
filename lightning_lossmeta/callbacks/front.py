"""The front of a search in its folder: as one file, as learned losses, and as a picture."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from lightning_lossmeta.artifacts.front_file import (
    FRONT_FILE,
    FrontFile,
    FrontMember,
    UsualScores,
)
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.provenance import learned_artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.searchers.front import Front, FrontEntry
from lightning_lossmeta.searchers.hypervolume import hypervolume, reference_point

#: Folder of the learned losses, and the picture.
FRONT_FOLDER = "front"
FRONT_PICTURE = "front.png"

Fresh = Mapping[Candidate, tuple[float, ...]]


class SearchFront(MetaCallback):
    """Keeps the front of a search for several objectives; does nothing where there is one.

    After each generation it writes ``front.json``: members with formula and objectives, the knee,
    and the hypervolume after each generation, above the worst of each objective in the first one
    that has scores. At the end each member is a learned loss of its own, ``front/00.json`` and so
    on, the best of the first objective first, and ``front.png`` a picture.
    """

    def __init__(self) -> None:
        self._volumes: list[float] = []

    def on_search_start(self, search: Search) -> None:
        """Measure the generations that are done."""
        self._volumes = volumes(search) if len(search.objectives) > 1 else []

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Write the front so far."""
        if len(search.objectives) > 1:
            self._volumes.append(search.hypervolume)
            _index(search, self._volumes).save(search.directory / FRONT_FILE)

    def on_search_end(self, search: Search) -> None:
        """Write its losses, and draw it."""
        if len(search.objectives) > 1 and len(search.front):
            save_front(search, self._volumes)


def volumes(search: Search) -> list[float]:
    """The hypervolume of the front after each generation of a search's history."""
    history, front, found = search.searcher.history, Front(), []
    for number, generation in enumerate(history):
        for item in generation:
            front.add(number, item)
        reference = reference_point(history[: number + 1])
        points = [entry.evaluation.objectives for entry in front]
        found.append(0.0 if reference is None else hypervolume(points, reference))
    return found


def save_front(
    search: Search,
    measured: Sequence[float],
    fresh: Fresh | None = None,
    usual: Sequence[UsualScores] = (),
    knee: Candidate | None = None,
) -> None:
    """Write ``front.json``, a learned loss for each member, and the picture.

    Args:
        search: Trained at least one candidate.
        measured: Hypervolumes of its generations.
        fresh: Objectives of members on fresh seeds, to be made large.
        usual: What usual losses have on these.
        knee: The knee by these; by default that of the search's own front.
    """
    folder = search.directory / FRONT_FOLDER
    folder.mkdir(exist_ok=True)
    for old in folder.glob("[0-9]*.json"):
        old.unlink()
    members = _ordered(search)
    for place, entry in enumerate(members):
        scores = own_sign(search, (fresh or {}).get(entry.evaluation.candidate, ()))
        names = [objective.monitor for objective in search.objectives]
        known = {"fresh_objectives": dict(zip(names, scores, strict=False))} if scores else {}
        learned_artifact(search, entry.evaluation, known).save(search.directory / _file(place))
    index = _index(search, measured, fresh or {}, usual, knee, files=True)
    index.save(search.directory / FRONT_FILE)
    from lightning_lossmeta.analysis import save_figure  # matplotlib takes a while

    save_figure(drawn_front(search, index), search.directory / FRONT_PICTURE)


def drawn_front(search: Search, index: FrontFile | None = None) -> Any:
    """The picture of a search's candidates and their front.

    Args:
        search: Trained at least one candidate.
        index: What is drawn of the front beside its members' scores in the search.

    Returns:
        A figure of matplotlib.
    """
    from lightning_lossmeta.analysis.front_figure import front_figure

    index = _index(search, ()) if index is None else index
    scored = [
        (number, own_sign(search, item.objectives))
        for number, items in enumerate(search.searcher.history)
        for item in items
        if item.trained and item.objectives
    ]
    return front_figure(
        index.objectives,
        [scores for _, scores in scored],
        [number for number, _ in scored],
        [item.scores for item in index.members],
        index.knee,
        fresh_table(index),
        usual_tables(index),
    )


def fresh_table(index: FrontFile) -> list[tuple[float, ...]] | None:
    """Scores of members on fresh seeds, NaN where there are none; ``None`` without any."""
    if not any(item.fresh for item in index.members):
        return None
    nothing = (math.nan,) * len(index.objectives)
    return [item.fresh or nothing for item in index.members]


def usual_tables(index: FrontFile) -> dict[str, list[tuple[float, ...]]]:
    """Scores of usual losses by name, a row each learning rate."""
    tables: dict[str, list[tuple[float, ...]]] = {}
    for item in index.usual:
        tables.setdefault(item.name, []).append(item.scores)
    return tables


def _index(
    search: Search,
    measured: Sequence[float],
    fresh: Fresh | None = None,
    usual: Sequence[UsualScores] = (),
    knee: Candidate | None = None,
    files: bool = False,
) -> FrontFile:
    entries = _ordered(search)
    if knee is None and (found := search.front.knee) is not None:
        knee = found.evaluation.candidate
    candidates = [entry.evaluation.candidate for entry in entries]
    reference = reference_point(search.searcher.history)
    return FrontFile(
        tuple((item.monitor, item.mode) for item in search.objectives),
        tuple(
            FrontMember(
                _file(place) if files else "",
                entry.generation,
                search.family.formula(entry.evaluation.candidate),
                own_sign(search, entry.evaluation.objectives),
                own_sign(search, (fresh or {}).get(entry.evaluation.candidate, ())),
            )
            for place, entry in enumerate(entries)
        ),
        candidates.index(knee) if knee in candidates else None,
        own_sign(search, reference or ()),
        tuple(measured),
        tuple(usual),
    )


def _ordered(search: Search) -> list[FrontEntry]:
    """The front, the best of the first objective first."""
    return sorted(search.front, key=lambda entry: entry.evaluation.objectives, reverse=True)


def own_sign(search: Search, scores: Sequence[float]) -> tuple[float, ...]:
    """Objectives in the metrics' own sign; none stay none."""
    if not scores:
        return ()
    return tuple(o.signed(v) for o, v in zip(search.objectives, scores, strict=True))


def _file(place: int) -> str:
    return f"{FRONT_FOLDER}/{place:02d}.json"
