"""Gradient descent on the parameters theta of one candidate's loss."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache, cached_property

import torch
from torch import Tensor

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Curve, Evaluation, Status
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.local_search.optimizers import State, UnrolledAdam
from lightning_lossmeta.local_search.unrolled import Episode, meta_gradient
from lightning_lossmeta.losses import baseline_losses
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.links import Link
from lightning_lossmeta.losses.progress_dependent import set_progress
from lightning_lossmeta.training.session import failure

MetaLoss = Callable[[Episode, LossFunction, Tensor, LossFunction], Tensor]


class LocalSearch:
    """Takes Adam's steps on a loss's parameters theta, each through one episode a task.

    A fault is the candidate's own: :attr:`verdict` then says what it was, and further steps do
    nothing.

    Args:
        candidate: The candidate that the search begins with.
        family: Builds its loss, which has a buffer ``theta``.
        meta_lr: Adam's learning rate.
        noise: Standard deviation of normal noise that is added to theta at first.
        seed: Draws the noise.
        task_loss: What the trained networks are judged by; ``None`` for the first of the
            :func:`~lightning_lossmeta.losses.baselines.baseline_losses` of the loss's link:
            cross-entropy, binary cross-entropy or squared error.
        meta_loss: Computes the task loss of an episode's trained network, differentiable in theta.
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
        self.meta_loss = meta_loss
        self._pending: list[tuple[float, Tensor]] = []  # values and slopes, one pair an episode
        self._values: list[float] = []
        self._adam = UnrolledAdam(meta_lr)
        self._moments: State = ()
        try:
            self.loss = family.build(candidate)
            self.task_loss = task_loss or _default_task_loss(self.loss.link)
            self.theta = _perturbed(theta_of(self.loss), noise, seed)
        except Exception as error:  # a candidate may be no loss at all
            self.verdict = failure(candidate, error)

    @cached_property
    def code(self) -> Hashable:
        """A key, equal for losses that differ in theta alone, so that one ``vmap`` can run them."""
        buffers = [name for name, _ in self.loss.named_buffers()]
        own = None if buffers == ["theta"] and not list(self.loss.parameters()) else id(self)
        return type(self.loss), self.candidate.structure, self.theta.shape, own

    def step(self, episodes: Sequence[Episode]) -> None:
        """Take one step down the mean meta-loss of some episodes, one a task."""
        for episode in episodes:  # one by one, so that one graph is alive at a time
            self.go_through(episode)
        self.descend()

    def go_through(self, episode: Episode) -> None:
        """Compute the meta-loss of one episode and its slope in theta, for :meth:`descend`."""
        if self.verdict is not None:
            return
        with self.guarded():
            device = episode.batches[0][0].device
            seed_torch(episode.seed, device)
            self.prepare_losses(episode)
            theta = self.theta.to(theta_of(self.loss))  # its device; MPS has no float64
            value = self.meta_loss(episode, self.loss, theta, self.task_loss)
            self.add_slope(float(value.detach()), meta_gradient(value, self.theta))

    def prepare_losses(self, episode: Episode) -> None:
        """Move both losses to the episode's device, and set the progress of the candidate's."""
        device = episode.batches[0][0].device
        set_progress(self.loss, episode.progress)
        for loss in (self.loss, self.task_loss):
            if any(buffer.device != device for buffer in loss.buffers()):
                loss.to(device)

    def add_slope(self, value: float, slope: Tensor) -> None:
        """Keep one episode's meta-loss and its slope in theta until :meth:`descend`."""
        self._pending.append((value, slope))

    def descend(self) -> None:
        """Take Adam's step down the mean slope of the episodes since the last step."""
        if self.verdict is None:
            with self.guarded():
                self._descend()

    @contextmanager
    def guarded(self) -> Iterator[None]:
        """Count the seconds of the block, and make an exception in it the candidate's verdict.

        A faulty loss costs its own candidate and no other.
        """
        started = time.perf_counter()
        try:
            yield
        except Exception as error:  # a loss may raise anything
            self.verdict = failure(self.candidate, error)
        finally:
            self.seconds += time.perf_counter() - started

    def refined(self) -> Candidate:
        """The candidate with the theta that the search has reached.

        Raises:
            ValueError: If the search came to a verdict before, or the loss does not belong to its
                family any more.
        """
        if self.verdict is not None:
            raise ValueError(f"Expected a search that went well, got: {self.verdict.message}")
        with torch.no_grad():
            theta_of(self.loss).copy_(self.theta)
        return self.family.read(self.loss)

    @property
    def curve(self) -> Curve:
        """The meta-loss before each step, from step 0."""
        return tuple(enumerate(self._values))

    def _descend(self) -> None:
        count = len(self._pending)
        mean = sum(value / count for value, _ in self._pending)
        slope = torch.stack([slope for _, slope in self._pending]).mean(dim=0)
        self._pending = []
        self._values.append(mean)
        if math.isfinite(mean) and bool(slope.isfinite().all()):
            with torch.no_grad():
                theta, self._moments = self._adam.step(self.theta, slope, self._moments)
            self.theta = theta.requires_grad_()
            return
        self.verdict = Evaluation(
            self.candidate,
            status=Status.DIVERGED,
            message=f"local search: meta-loss or its gradient is not finite at step "
            f"{len(self._values) - 1}",
        )


def theta_of(loss: LossFunction) -> Tensor:
    """The buffer ``theta`` of a loss, which holds its parameters.

    Raises:
        TypeError: If the loss has no such buffer.
    """
    theta = getattr(loss, "theta", None)
    if not isinstance(theta, Tensor):
        raise TypeError(
            f"Expected a loss with a buffer `theta` to refine, got {type(loss).__name__}."
        )
    return theta


def _perturbed(theta: Tensor, noise: float, seed: int) -> Tensor:
    """A copy of theta with noise, with respect to which gradients can be taken."""
    generator = torch.Generator().manual_seed(seed)
    drawn = torch.randn(theta.shape, generator=generator, dtype=torch.float64)
    return (theta + noise * drawn.to(theta)).detach().requires_grad_()


def seed_torch(seed: int, device: torch.device) -> None:
    """Seed the generators that a network on this device draws from.

    ``torch.manual_seed`` seeds those of every device, which takes a millisecond without a GPU.
    """
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)


@cache
def _default_task_loss(link: Link) -> LossFunction:
    return next(iter(baseline_losses(link).values()))
