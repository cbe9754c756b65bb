"""Gradient descent on the parameters theta of one candidate's loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Curve, Evaluation, Status
from lightning_lossmeta.evaluators.session import failure
from lightning_lossmeta.evaluators.unrolled import Episode, meta_gradient
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses import CrossEntropy, RegressionSquaredError
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.regression import RegressionLoss

MetaLoss = Callable[[Episode, LossFunction, Tensor, LossFunction], Tensor]


class LocalSearch:
    """Takes Adam's steps on theta, each through one episode a task.

    Whatever goes wrong is the candidate's: then :attr:`verdict` says what, and further steps do
    nothing.

    Args:
        candidate: Where to begin.
        family: Builds its loss, which has a buffer ``theta``.
        meta_lr: Step length of Adam.
        noise: Standard deviation of what is added to theta at first.
        seed: Draws it.
        task_loss: What training is for; ``None`` for squared error where the loss is one of
            regression, else cross-entropy.
        meta_loss: The back end.
    """

    def __init__(
        self,
        candidate: Candidate,
        family: LossFamily,
        meta_lr: float,
        noise: float,
        seed: int,
        task_loss: LossFunction | None,
        meta_loss: MetaLoss,
    ) -> None:
        self.candidate = candidate
        self.family = family
        self.verdict: Evaluation | None = None
        self.seconds = 0.0
        self._meta_loss = meta_loss
        self._values: list[float] = []
        try:
            self._loss = family.build(candidate)
            self._task_loss = task_loss or _usual_task_loss(self._loss)
            self._theta = _perturbed(_theta(self._loss), noise, seed)
            self._adam = torch.optim.Adam([self._theta], lr=meta_lr, foreach=False)
        except Exception as error:  # a candidate may be no loss at all
            self.verdict = failure(candidate, error)

    def step(self, episodes: Sequence[Episode]) -> None:
        """One step down the mean meta-loss of some episodes, one a task."""
        if self.verdict is not None:
            return
        started = time.perf_counter()
        try:
            self._step(episodes)
        except Exception as error:  # a loss may raise anything; it costs only itself
            self.verdict = failure(self.candidate, error)
        self.seconds += time.perf_counter() - started

    def refined(self) -> Candidate:
        """The candidate with the theta that was found.

        Raises:
            ValueError: If it came to a verdict before, or does not belong to its family any more.
        """
        if self.verdict is not None:
            raise ValueError(f"Expected a search that went well, got: {self.verdict.message}")
        with torch.no_grad():
            _theta(self._loss).copy_(self._theta)
        return self.family.read(self._loss)

    @property
    def curve(self) -> Curve:
        """The meta-loss before each step, from step 0."""
        return tuple(enumerate(self._values))

    def _step(self, episodes: Sequence[Episode]) -> None:
        mean, slope = 0.0, torch.zeros_like(self._theta)
        for episode in episodes:  # one by one, so that one graph is alive at a time
            device = episode.batches[0][0].device
            _seed_torch(episode.seed, device)
            for loss in (self._loss, self._task_loss):
                loss.to(device)
            theta = self._theta.to(_theta(self._loss))  # its device; MPS has no float64
            value = self._meta_loss(episode, self._loss, theta, self._task_loss)
            slope += meta_gradient(value, self._theta) / len(episodes)
            mean += float(value.detach()) / len(episodes)
        self._values.append(mean)
        if math.isfinite(mean) and bool(slope.isfinite().all()):
            self._theta.grad = slope
            self._adam.step()
            return
        self.verdict = Evaluation(
            self.candidate,
            status=Status.DIVERGED,
            message=f"local search: meta-loss or its gradient is not finite at step "
            f"{len(self._values) - 1}",
        )


def _theta(loss: LossFunction) -> Tensor:
    theta = getattr(loss, "theta", None)
    if not isinstance(theta, Tensor):
        raise TypeError(
            f"Expected a loss with a buffer `theta` to refine, got {type(loss).__name__}."
        )
    return theta


def _perturbed(theta: Tensor, noise: float, seed: int) -> Tensor:
    """A copy that gradients are taken with respect to."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
    return (theta + noise * drawn.to(theta)).detach().requires_grad_()


def _seed_torch(seed: int, device: torch.device) -> None:
    """Set what a network draws from; ``torch.manual_seed`` takes a millisecond without a GPU."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


def _usual_task_loss(loss: LossFunction) -> LossFunction:
    return RegressionSquaredError() if isinstance(loss, RegressionLoss) else CrossEntropy()
