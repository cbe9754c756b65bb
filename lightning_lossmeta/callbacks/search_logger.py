"""A search in the logger of one's own experiments."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytorch_lightning.loggers import CSVLogger, Logger

from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.callbacks.curves import generation_figures
from lightning_lossmeta.evaluation import Evaluation

if TYPE_CHECKING:
    from typing_extensions import Self


class SearchLogger(MetaCallback):
    """Logs each generation of a search to any logger of Lightning, beside the run's own files.

    The metrics are those of the run ``search`` in TensorBoard, best and median fitness, step size
    and counts, with the number of the generation, from 1, as the step. Settings, seed and the run's
    folder are logged as hyper-parameters, and the best formula at the end.

    Args:
        logger: ``CSVLogger``, ``WandbLogger``, ``MLFlowLogger``, ...

    Raises:
        TypeError: If ``logger`` is none of Lightning's.
    """

    def __init__(self, logger: Logger) -> None:
        if not isinstance(logger, Logger):
            raise TypeError(
                f"Expected argument `logger` to be a logger of Lightning, got "
                f"{type(logger).__name__}."
            )
        self.logger = logger
        self._open = False

    @classmethod
    def example(cls) -> Self:
        """Into a file in the folder of temporary files."""
        from tempfile import mkdtemp

        return cls(CSVLogger(mkdtemp()))

    def on_search_start(self, search: Search) -> None:
        """Log what is searched for."""
        self._open = True
        self.logger.log_hyperparams(
            {
                "family": search.family.name,
                "searcher": type(search.searcher).__name__,
                "generations": search.generations,
                "seed": search.seed,
                "tasks": ", ".join(task.name for task in search.tasks),
                "directory": str(search.directory),
            }
        )

    def on_generation_end(
        self, search: Search, generation: int, evaluations: list[Evaluation]
    ) -> None:
        """Log a generation."""
        self.logger.log_metrics(generation_figures(search, evaluations), step=generation + 1)
        self.logger.save()

    def on_search_end(self, search: Search) -> None:
        """Close the logger."""
        if not self._open:
            return
        self._open = False
        if search.best is not None:
            formula = search.family.formula(search.best.candidate)
            self.logger.log_hyperparams({"formula": formula})
        self.logger.save()
        self.logger.finalize("success")
