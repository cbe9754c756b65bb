"""What is kept of an inner fit: its curves and its scores."""

from __future__ import annotations

import math
from typing import Any

import pytorch_lightning as pl
import torch
from torch import Tensor, nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Curve, Evaluation, Status
from lightning_lossmeta.task import Objective, Session

#: Points of the curve of training losses, at the most.
TRAIN_LOSS_POINTS = 50


class Recorder(pl.Callback):
    """Keeps the curves of an inner fit, for a single network or a stack of them.

    Args:
        session: The session that the fit belongs to.

    Attributes:
        scored_at: The step of the last validation.
    """

    def __init__(self, session: Session) -> None:
        self.stride = max(1, session.steps // TRAIN_LOSS_POINTS)
        self.steps = session.steps
        self.scored_at = -1
        self.scores: list[tuple[int, dict[str, list[float]]]] = []
        self._losses: list[tuple[int, Tensor]] = []

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, *args: Any
    ) -> None:
        """Keep the training loss; it is read from the device at the end alone."""
        step = trainer.global_step
        if (step % self.stride and step != self.steps) or not isinstance(outputs, dict):
            return
        loss = outputs.get("losses", outputs.get("loss"))
        if isinstance(loss, Tensor):
            self._losses.append((step, loss.detach().reshape(-1)))

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the scores of this validation."""
        self.scored_at = trainer.global_step if trainer.state.fn == "fit" else self.steps
        per_candidate = getattr(pl_module, "candidate_metrics", None)
        if per_candidate is None:
            values = {k: [float(v)] for k, v in trainer.callback_metrics.items()}
        else:
            values = per_candidate()
        self.scores.append((self.scored_at, values))

    def evaluation(
        self, candidate: Candidate, index: int, session: Session, seconds: float, finite: bool
    ) -> Evaluation:
        """Make the evaluation of the candidate at ``index`` of the stack.

        Args:
            candidate: The candidate that the network was trained with.
            index: Its place in the stack; 0 for a single network.
            session: The session, whose objectives say what scores the fit.
            seconds: Wall time of the training.
            finite: Whether all weights of the network are finite.

        Raises:
            ValueError: If the module does not log what the objectives name.
        """
        metrics = {name: values[index] for name, values in self.scores[-1][1].items()}
        objectives = tuple(self._score(item, index, session) for item in session.objectives)
        curves: dict[str, Curve] = {
            "train_loss": tuple((step, float(loss[index])) for step, loss in self._losses)
        }
        for name in metrics:
            curves[name] = tuple(
                (step, values[name][index]) for step, values in self.scores if name in values
            )
        if not finite or not all(map(math.isfinite, objectives)):
            pairs = zip(session.objectives, objectives, strict=True)
            lost = tuple(item.monitor for item, value in pairs if not math.isfinite(value))
            what = f"{', '.join(lost)}:" if finite else "weights or scores are"
            return Evaluation(
                candidate,
                status=Status.DIVERGED,
                metrics={k: v for k, v in metrics.items() if math.isfinite(v)},
                curves=curves,
                seconds=seconds,
                message=f"{what} no longer finite",
                not_finite=lost if finite else (),
            )
        weights = tuple(objective.weight for objective in session.objectives)
        return Evaluation(candidate, objectives, Status.OK, weights, metrics, curves, seconds)

    def _score(self, objective: Objective, index: int, session: Session) -> float:
        logged = self.scores[-1][1]
        if objective.monitor not in logged:
            raise ValueError(
                f"Expected the module to log `{objective.monitor}` in its validation_step, the "
                f"fitness that `monitor` names; it logs {sorted(logged)}."
            )
        by_step = {
            step: values[objective.monitor][index]
            for step, values in self.scores
            if objective.monitor in values
        }
        if session.horizons is None:
            return objective.signed(logged[objective.monitor][index])
        return objective.signed(session.horizons.mean(by_step))


def all_finite(module: nn.Module) -> bool:
    """Whether every parameter and buffer is finite."""
    tensors = [*module.parameters(), *module.buffers()]
    return all(bool(torch.isfinite(t).all()) for t in tensors if t.is_floating_point())
