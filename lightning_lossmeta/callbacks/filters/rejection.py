"""Reject losses that do not improve predictions which they may move freely."""

from __future__ import annotations

import math
from collections import Counter
from typing import Literal

import torch
from torch import Tensor

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks.base import MetaCallback, Search
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.losses.progress_dependent import at_progress, set_progress

STAGES = ("asked", "refined", "both")


class RejectionFilter(MetaCallback):
    """Rejects a candidate without training it if it does not improve predictions by themselves.

    Random predictions p are moved down the loss's own slope, without any network, and it is counted
    how much better they are afterwards ::

        p* <- Adam(p, dL(p, y)/dp),  `steps` times
        g = mean_b [ metric(p_b, y_b) - metric(p*_b, y_b) ],  rejected if g <= threshold

    The metric is that of the loss's link: the share of errors, or for regression the squared
    error. A loss that
    can't lead free predictions to their targets is unlikely to lead those of a network.

    Predictions and targets are those of :func:`artificial_predictions`, from the search's seed;
    the paper takes an untrained network's on training data, and the sum over them.

    Where there is a local search, a candidate can be judged as it was asked for, which saves the
    search of what is rejected, as what the search made of it, as in the paper, or both times.

    Args:
        samples: Predictions, B.
        threshold: The largest g that is rejected.
        steps: On the predictions.
        step_length: Adam's, in units of the network's output; the loss's scale has no effect.
        stage: ``"asked"``, ``"refined"`` or ``"both"``; without a local search they are the same.

    Attributes:
        counts: How many verdicts of this run were ``passed`` and ``rejected``.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Raymond et al. (2024), section 3.5.2, equations 10 and 11, which name no optimiser.
    """

    def __init__(
        self,
        samples: int = 100,
        threshold: float = 0.0,
        steps: int = 100,
        step_length: float = 0.1,
        stage: Literal["asked", "refined", "both"] = "both",
    ) -> None:
        check_at_least(1, samples=samples, steps=steps)
        self.samples = samples
        self.threshold = check_interval("threshold", threshold, -math.inf, math.inf, "()")
        self.steps = steps
        self.step_length = check_interval("step_length", step_length, 0, math.inf, "()")
        if stage not in STAGES:
            raise ValueError(
                f"Expected argument `stage` to be one of {list(STAGES)}, got {stage!r}."
            )
        self.stage = stage
        self.counts: Counter[str] = Counter()
        self._judged: set[Candidate] = set()
        self._num_classes: int | None = None
        self._seed = 0

    def on_search_start(self, search: Search) -> None:
        """Take over the class count and the seed."""
        self.counts.clear()
        self._num_classes = search.num_classes
        self._seed = derived_seed(search.seed, Purpose.PREDICTIONS)

    def screen(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Reject what does not improve predictions, as it is asked for.

        Raises:
            ValueError: If the loss is one of classification and there is no class count.
        """
        return None if self.stage == "refined" else self._judge(candidate, loss)

    def screen_refined(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        """Reject what does not improve predictions, as a local search left it.

        Raises:
            ValueError: If the loss is one of classification and there is no class count.
        """
        if self.stage == "asked" or candidate in self._judged:
            return None
        return self._judge(candidate, loss)

    def on_generation_start(self, search: Search, generation: int) -> None:
        """Forget which candidates the last generation judged."""
        self._judged.clear()

    def _judge(self, candidate: Candidate, loss: LossFunction) -> Evaluation | None:
        pair = artificial_predictions(loss, self.samples, self._num_classes, self._seed)
        gain = improvement(loss, *pair, self.steps, self.step_length)
        if gain > self.threshold:
            self._judged.add(candidate)
            self.counts["passed"] += 1
            return None
        self.counts["rejected"] += 1
        message = f"rejection protocol: predictions improve by {gain:.4g}"
        return Evaluation(candidate, status=Status.REJECTED, message=message)


def artificial_predictions(
    loss: LossFunction, samples: int, num_classes: int | None, seed: int
) -> tuple[Tensor, Tensor]:
    """Outputs as of an untrained network, and targets that they know nothing of.

    Args:
        loss: A loss of any link.
        samples: How many, B.
        num_classes: n; losses that take no probabilities of classes need none.
        seed: Seed of the draw; global random state is left alone.

    Returns:
        Standard normal outputs in float64, ``(B, n)`` or ``(B, 1)``, and targets: class indices
        ``(B,)``, each class as often as the others, labels 0 and 1 in turn ``(B, 1)``, or standard
        normal numbers ``(B, 1)``.

    Raises:
        ValueError: If the loss is one of classification and there is no class count.
    """
    generator = torch.Generator().manual_seed(seed)
    if not loss.link.simplex:
        return loss.link.example(samples, 1, generator)
    if num_classes is None:
        raise ValueError(
            f"Expected class indices as targets to judge {type(loss).__name__}, which is for "
            "classification, got others; leave this filter out."
        )
    return loss.link.example(samples, num_classes, generator)


def improvement(
    loss: LossFunction, output: Tensor, target: Tensor, steps: int = 100, step_length: float = 0.1
) -> float:
    """How much better predictions are after steps down the slope of a loss.

    The progress of a loss that depends on it runs from 0 to 1 meanwhile, and is restored.

    Args:
        loss: A loss of any kind.
        output: Predictions ``(B, n)``, or ``(B, 1)`` where there are no classes; left as they are.
        target: As the loss has it: class indices ``(B,)``, or numbers ``(B, 1)``.
        steps: How many steps Adam takes.
        step_length: Adam's learning rate.

    Returns:
        By how much the error of the loss's link has fallen on average; negative where it has
        grown, ``-inf`` where predictions are no longer finite.

    >>> from lightning_lossmeta.losses import CrossEntropy
    >>> improvement(CrossEntropy(), torch.eye(2), torch.tensor([1, 1]))
    0.5
    """
    with torch.inference_mode(False), torch.enable_grad(), at_progress(loss, 0):
        moved, target = output.detach().clone().requires_grad_(), target.clone()
        optimizer = torch.optim.Adam([moved], lr=step_length)
        for step in range(steps):
            set_progress(loss, step / steps)
            value = loss.per_sample(moved, target).sum()
            if not value.requires_grad:  # a constant
                return 0.0
            (moved.grad,) = torch.autograd.grad(
                value, moved, allow_unused=True, materialize_grads=True
            )
            optimizer.step()
    after = moved.detach()
    if not bool(after.isfinite().all()):
        return -math.inf
    before = loss.link.error(output, target).mean()
    return float(before) - float(loss.link.error(after, target).mean())
