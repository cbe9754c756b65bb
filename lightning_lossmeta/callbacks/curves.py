"""TensorBoard files of a search."""

from __future__ import annotations

import csv
import math
import shutil
import statistics
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

from torch.utils.tensorboard import SummaryWriter
from torch.utils.tensorboard.summary import hparams

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.front import drawn_front
from lightning_lossmeta.callbacks.history import SearchHistory
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.losses import CrossEntropy

if TYPE_CHECKING:
    from typing_extensions import Self

#: How many entries of theta a candidate's run lists.
MAX_PARAMETERS = 32


class CandidateCurves(MetaCallback):
    """One TensorBoard run a candidate, ``gen000/cand00``, the same tags in each; and ``search``.

    A candidate's run has its training loss, validation metrics and parameters; ``search`` has best
    and median fitness, step size, counts, and a picture of the best loss each generation, counted
    from 1 as in the log; folders count from 0, as ``history.csv`` does. Counts are
    those of each status, ``candidates/STATUS``, and of the candidates that a filter judged,
    ``filters/NAME``, from the first generation in which it did. With several objectives there are
    the size and the hypervolume of the front, and its picture at the end.

    Args:
        top_k: Write the best of a generation only; ``None`` for all. TensorBoard's page selects
            runs by itself only up to 500.
        every_n_generations: Write the candidates of every n-th generation only.
        pictures: Whether to draw the best loss.

    Raises:
        ValueError: If ``top_k`` or ``every_n_generations`` is below 1.
    """

    def __init__(
        self, top_k: int | None = None, every_n_generations: int = 1, pictures: bool = True
    ) -> None:
        if top_k is not None and top_k < 1:
            raise ValueError(f"Expected argument `top_k` to be at least 1 or None, got {top_k}.")
        if every_n_generations < 1:
            raise ValueError(
                "Expected argument `every_n_generations` to be at least 1, got "
                f"{every_n_generations}."
            )
        self.top_k = top_k
        self.every_n_generations = every_n_generations
        self.pictures = pictures
        self._search: SummaryWriter | None = None
        self._filters: set[str] = set()

    @classmethod
    def example(cls) -> Self:
        """Without pictures, which are slow to draw."""
        return cls(pictures=False)

    def on_search_start(self, search: Search) -> None:
        """Open the ``search`` run; drop what a crash left of generations that are done again."""
        folder = search.directory / "tensorboard"
        done = search.searcher.generation
        for old in folder.glob("gen*"):
            if old.name[3:].isdigit() and int(old.name[3:]) >= done:
                shutil.rmtree(old)
        self._search = SummaryWriter(str(folder / "search"), purge_step=done + 1)
        self._filters = _filters_of(search.directory / SearchHistory.file_name, done)

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Write a generation."""
        if generation % self.every_n_generations == 0:
            order = sorted(range(len(evaluations)), key=lambda i: -evaluations[i].fitness)
            for index in order[: self.top_k]:
                folder = search.directory / "tensorboard" / f"gen{generation:03d}"
                _write_candidate(folder / f"cand{index:02d}", evaluations[index])
        self._write_search(search, generation, evaluations)

    def on_search_end(self, search: Search) -> None:
        """Draw the front, if there are several objectives, and close the ``search`` run."""
        if self._search is not None:
            if self.pictures and len(search.objectives) > 1 and len(search.front):
                self._search.add_figure("front", drawn_front(search), search.searcher.generation)
            self._search.close()
            self._search = None

    def _write_search(self, search: Search, generation: int, evaluations: list[Evaluation]) -> None:
        writer = self._search
        if writer is None:
            return
        figures = generation_figures(search, evaluations)
        judged = Counter(item.filter for item in evaluations if item.filter)
        self._filters |= set(judged)
        figures |= {f"filters/{name}": judged[name] for name in self._filters}
        for tag, value in figures.items():
            writer.add_scalar(tag, value, generation + 1)
        if self.pictures and search.best is not None and search.num_classes is not None:
            from lightning_lossmeta.analysis import loss_figure  # matplotlib takes a while

            losses = {
                "best so far": search.family.build(search.best.candidate),
                "cross-entropy": CrossEntropy(),
            }
            figure = loss_figure(losses, search.num_classes)
            writer.add_figure("best loss", figure, generation + 1)
        writer.flush()


def generation_figures(search: Search, evaluations: list[Evaluation]) -> dict[str, float]:
    """What a generation came to, as finite numbers by name.

    Args:
        search: The search, whose best counts the generation.
        evaluations: Those of the generation.
    """
    scores = [item.fitness for item in evaluations if math.isfinite(item.fitness)]
    figures: dict[str, float] = {"diversity": search.searcher.diversity}
    if scores:
        figures |= {"fitness/median": statistics.median(scores), "fitness/generation": max(scores)}
    if search.front.best is not None:
        figures["fitness/best"] = search.front.best.evaluation.fitness
    if len(search.objectives) > 1:
        figures |= {"front/size": len(search.front), "front/hypervolume": search.hypervolume}
    for status in Status:
        count = sum(item.status is status for item in evaluations)
        figures[f"candidates/{status.value}"] = count
    return {name: value for name, value in figures.items() if math.isfinite(value)}


def _filters_of(history: Path, generations: int) -> set[str]:
    """Filters that judged candidates of a run before it was resumed."""
    if not history.exists():
        return set()
    with history.open(newline="", encoding="utf-8") as file:
        done = {str(number) for number in range(generations)}
        rows = [row for row in csv.DictReader(file) if row.get("generation") in done]
    return {name for row in rows if (name := row.get("filter"))}


def _write_candidate(folder: Path, evaluation: Evaluation) -> None:
    writer = SummaryWriter(str(folder))
    for tag, curve in evaluation.curves.items():
        for step, value in curve:
            writer.add_scalar(tag, value, step)
    theta = evaluation.candidate.theta[:MAX_PARAMETERS]
    parameters: dict[str, str | float] = {f"theta{i}": value for i, value in enumerate(theta)}
    parameters["status"] = evaluation.status.value
    if evaluation.candidate.structure is not None:
        parameters["structure"] = evaluation.candidate.structure
    if math.isfinite(evaluation.fitness):
        writer.add_scalar("fitness", evaluation.fitness, 0)
    # add_hparams would write them to a run of their own, beside the candidate's.
    for summary in hparams(parameters, {"fitness": evaluation.fitness}):  # type: ignore[no-untyped-call]
        writer._get_file_writer().add_summary(summary)  # type: ignore[no-untyped-call]
    writer.close()
