"""Gradient descent on each candidate's parameters through unrolled training steps."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, cast

from pytorch_lightning.utilities.seed import isolate_rng
from torch.nn.attention import SDPBackend, sdpa_kernel

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import ProgressFn
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.local_search.base import Refiner, RefinerJob
from lightning_lossmeta.local_search.episodes import Episodes, task_rules, unrolling_obstacle
from lightning_lossmeta.local_search.higher_backend import higher_obstacle, meta_loss_by_higher
from lightning_lossmeta.local_search.search import LocalSearch, MetaLoss
from lightning_lossmeta.local_search.shared import step_together
from lightning_lossmeta.local_search.unrolled import meta_loss
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.checks import check_interval
from lightning_lossmeta.modules.supervised import SupervisedModule
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.session import failure, quiet_lightning
from lightning_lossmeta.training.threads import threads_for, torch_threads

if TYPE_CHECKING:
    from typing_extensions import Self

BACKENDS: dict[str, MetaLoss] = {"func": meta_loss, "higher": meta_loss_by_higher}

#: Points of the curve of meta-losses, at the most.
CURVE_POINTS = 50


class GradientRefiner(Refiner):
    """Improves each candidate's parameters theta by gradient descent through training steps.

    Each of ``meta_steps`` steps draws new weights w_0 for the task's network, trains them for
    ``base_steps`` steps with the candidate's loss M, and moves theta down the slope of the task
    loss L of the trained network, with (x, y) the last batch ::

        w_{t+1} = w_t - alpha dM(f(x_t; w_t), y_t; theta) / dw_t     (or the module's momentum etc.)
        theta <- Adam(theta, d/dtheta L(f(x; w_end), y))

    Batches are those of training data; L is cross-entropy, or squared error for losses of
    regression. With several tasks the slopes are averaged. All candidates see the same weights and
    batches. :meth:`refine` yields each candidate with its new theta and a curve, ``meta_loss``.

    Needs a :class:`~lightning_lossmeta.modules.SupervisedModule` with ``SGD``, ``Adam`` or
    ``AdamW``. Networks are in training mode. Schedules of the learning rate and mixed precision are
    left out of the local search.

    Args:
        meta_steps: How many steps theta takes.
        meta_lr: Adam's step length for theta.
        base_steps: Training steps that a meta-gradient goes through.
        step_length: alpha; by default the learning rate of the module's optimiser times the
            session's factor.
        noise: Standard deviation of normal noise that is added to theta at first, so that equal
            parts of a loss can come to differ.
        task_loss: L; by default cross-entropy or squared error, as the loss's link says.
        backend: ``"func"`` (``torch.func`` and autograd) or ``"higher"``, the library, for SGD.
        threads: How many threads PyTorch uses on the CPU in the local search; by default one for
            small networks, else as many as PyTorch is set to.

    Raises:
        ValueError: If an argument is out of its range.

    Source: Raymond et al. (2024), section 3.3 and algorithm 1; Bechtle et al. (2021).
    """

    def __init__(
        self,
        meta_steps: int = 250,
        meta_lr: float = 1e-3,
        base_steps: int = 1,
        step_length: float | None = None,
        noise: float = 1e-3,
        task_loss: LossFunction | None = None,
        backend: Literal["func", "higher"] = "func",
        threads: int | None = None,
    ) -> None:
        check_at_least(1, meta_steps=meta_steps, base_steps=base_steps)
        if threads is not None:
            check_at_least(1, threads=threads)
        self.meta_steps = meta_steps
        self.meta_lr = check_interval("meta_lr", meta_lr, 0, math.inf, "()")
        self.base_steps = base_steps
        if step_length is not None:
            check_interval("step_length", step_length, 0, math.inf, "()")
        self.step_length = step_length
        self.noise = check_interval("noise", noise, 0, math.inf, "[)")
        self.task_loss = task_loss
        if backend not in BACKENDS:
            raise ValueError(
                f"Expected argument `backend` to be one of {list(BACKENDS)}, got {backend!r}."
            )
        self.backend = backend
        self.threads = threads

    @classmethod
    def example(cls) -> Self:
        """Three long steps on theta."""
        return cls(meta_steps=3, meta_lr=0.01)

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say what keeps a family, or one of the tasks, from being refined; ``None`` if nothing."""
        if reason := family.local_search_obstacle():
            return reason
        for task in tasks:
            if reason := self._unsupported(task):
                return f"{task.name}: {reason}"
        return None

    def _unsupported(self, task: Task) -> str | None:
        module: Any = task.fresh_module()
        if reason := unrolling_obstacle(module, task.session):
            return reason
        if self.backend == "higher":
            return higher_obstacle(task_rules(module, task, self.step_length))
        return None

    def _refine(
        self, jobs: Sequence[RefinerJob], family: LossFamily, on_progress: ProgressFn
    ) -> Iterator[tuple[int, Evaluation]]:
        """Search side by side from all candidates that share their tasks."""
        groups: dict[tuple[int, ...], list[int]] = {}
        for place, job in enumerate(jobs):
            groups.setdefault(tuple(map(id, job.tasks)), []).append(place)
        for places in groups.values():
            candidates = [jobs[place].candidate for place in places]
            searches = self._search_together(candidates, family, jobs[places[0]].tasks, on_progress)
            yield from zip(places, map(_outcome, searches), strict=True)

    def _search_together(
        self,
        candidates: Sequence[Candidate],
        family: LossFamily,
        tasks: Sequence[Task],
        on_progress: ProgressFn,
    ) -> list[LocalSearch]:
        """Search from each candidate; an episode's weights are drawn once for all of them."""
        seed = derived_seed(tasks[0].seed, Purpose.NOISE)
        backend = BACKENDS[self.backend]
        searches = [
            LocalSearch(start, family, self.meta_lr, self.noise, seed, self.task_loss, backend)
            for start in candidates
        ]
        networks = [cast(SupervisedModule, task.fresh_module()).network for task in tasks]
        threads = self.threads or max(threads_for(network) for network in networks)
        twice_differentiable = sdpa_kernel(SDPBackend.MATH)  # other kernels of attention are not
        with isolate_rng(), quiet_lightning(), torch_threads(threads), twice_differentiable:
            started = time.perf_counter()
            sources = [Episodes(task, self.base_steps, self.step_length) for task in tasks]
            for number in range(self.meta_steps):
                if all(search.verdict is not None for search in searches):
                    break
                episodes = [source.next(number) for source in sources]
                step_together(searches, episodes)
                on_progress("local search", number + 1, self.meta_steps)
            seconds = time.perf_counter() - started
        seconds_of_all = seconds - sum(search.seconds for search in searches)
        for search in searches:
            search.seconds += seconds_of_all / len(searches)
            _check_refined(search)
        return searches


def _check_refined(search: LocalSearch) -> None:
    """Turn a theta of which the family can build no loss into the search's verdict."""
    if search.verdict is None:
        try:
            search.family.build(search.refined())
        except Exception as error:  # theta may have left the family
            search.verdict = failure(search.candidate, error)


def _outcome(search: LocalSearch) -> Evaluation:
    """The refined candidate, not scored yet, or the search's verdict; with its meta-losses."""
    outcome = search.verdict or Evaluation(search.refined())
    stride = max(1, math.ceil(len(search.curve) / CURVE_POINTS))
    curves = {"meta_loss": search.curve[::stride]} if search.curve else {}
    return replace(outcome, curves={**outcome.curves, **curves}, seconds=search.seconds)
