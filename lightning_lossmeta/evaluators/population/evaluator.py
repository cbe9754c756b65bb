"""One Lightning fit for the whole population."""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, cast

import torch
from torch import nn

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.population.stackable import stacking_obstacle
from lightning_lossmeta.evaluators.population.stacks import StackedRun, StackedRuns, group
from lightning_lossmeta.evaluators.population.trial import trial_obstacle
from lightning_lossmeta.evaluators.trainer import fit_candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.modules import PopulationModule, StackedLosses, SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.faults import refuse_machine_error
from lightning_lossmeta.training.seeded_loaders import seeded_view, validates_by_seed
from lightning_lossmeta.training.session import failure, guarded, run_session
from lightning_lossmeta.training.threads import threads_for, torch_threads

#: Bytes; the largest that glibc, by default, comes to keep for the next who wants as many.
_BLOCK = 2**25

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class PopulationEvaluator(Evaluator):
    """Stacks the candidates' networks along a new axis and trains them all in one fit.

    Needs a :class:`~lightning_lossmeta.modules.SupervisedModule` whose training step is its own,
    and an element-wise optimiser. If the stack runs out of memory, or one loss raises, it is halved
    until the candidates at fault stand alone.

    Args:
        max_candidates: How many to stack at the most; more are trained in turns. Fewer where the
            stack of a layer's weights would be a large block of memory on the CPU.
        compile_mode: A mode of ``torch.compile``, e.g. ``"default"``, or ``"reduce-overhead"`` for
            CUDA graphs; ``None`` runs eagerly. Compiling takes about ten seconds for each task and
            family. Stacks of losses that differ in structure always run eagerly.
        threads: How many threads PyTorch uses on the CPU while a stack trains; by default one for
            small networks, else as many as PyTorch is set to. Stacks of small networks gain nothing
            from more than one, and lose an order of magnitude when other programs want the cores.

    Raises:
        ValueError: If ``max_candidates`` or ``threads`` is below 1, or the mode is unknown.
    """

    def __init__(
        self,
        max_candidates: int = 64,
        compile_mode: str | None = None,
        threads: int | None = None,
    ) -> None:
        check_at_least(1, max_candidates=max_candidates)
        if threads is not None:
            check_at_least(1, threads=threads)
        if compile_mode is not None and compile_mode not in COMPILE_MODES:
            raise ValueError(
                f"Expected argument `compile_mode` to be None or one of {list(COMPILE_MODES)}, got "
                f"{compile_mode!r}."
            )
        self.max_candidates = max_candidates
        self.compile_mode = compile_mode
        self.threads = threads
        self._compiled: dict[str, tuple[object, PopulationModule]] = {}
        self._widths: dict[str, int] = {}
        self._limits: dict[str, int] = {}
        self._trials: list[tuple[object, object, str | None]] = []

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """Say what keeps a task's module from being stacked; ``None`` if nothing does."""
        for task in tasks:
            if reason := stacking_obstacle(task.fresh_module(), task.session) or self._tried(task):
                return f"{task.name}: {reason}"
        return None

    def _tried(self, task: Task) -> str | None:
        """What a trial of the stack comes to, once for each module and data."""
        for module, data, reason in self._trials:
            if module is task.module and data is task.data:
                return reason
        reason = trial_obstacle(task)
        self._trials.append((task.module, task.data, reason))
        return reason

    def probe_size(self, count: int) -> int:
        """All of one stack: a step of it does not cost in proportion to its width."""
        return min(count, self.max_candidates)

    def close(self) -> None:
        """Forget the compiled training steps, and the modules that were tried."""
        self._compiled.clear()
        self._trials.clear()

    def state_dict(self) -> dict[str, Any]:
        """The widths of stacks: sums over other widths would be rounded differently."""
        return {"widths": dict(self._widths), "limits": dict(self._limits)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over the widths of an earlier process."""
        self._widths = dict(state.get("widths", {}))
        self._limits = dict(state.get("limits", {}))

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Train jobs that differ in candidate, learning rate and seed alone in one stack."""
        for places in group(jobs):
            members: list[StackedRun] = []
            for place in places:
                job = jobs[place]
                try:
                    loss = family.build(job.candidate)
                except Exception as error:  # a bad candidate costs only itself
                    yield place, failure(job.candidate, error)
                    continue
                if any(parameter.requires_grad for parameter in loss.parameters()):
                    # Trained with the network, as a stack of losses does not.
                    fresh = job.task.fresh_module()
                    yield place, fit_candidate(job.candidate, family, job.task, fresh)
                    continue
                members.append(StackedRun(place, job.candidate, loss, job.task))
            if not members:
                continue
            task = members[0].task
            network = cast(SupervisedModule, task.fresh_module()).network
            most = min(self.max_candidates, _width(network, task.session))
            with torch_threads(self.threads or threads_for(network)):
                while members:
                    width = min(most, self._limits.get(task.name, len(members)))
                    stack, members = StackedRuns(family, tuple(members[:width])), members[width:]
                    yield from self._train(stack, self.compile_mode).items()

    def _train(self, stack: StackedRuns, compile_mode: str | None) -> dict[int, Evaluation]:
        started = time.perf_counter()
        try:
            module = self._module(stack, compile_mode)
            by_seed = bool(module.seed_index)
            module.validates_by_seed = by_seed and validates_by_seed(stack.task)
            data = seeded_view(stack.by_seed) if by_seed else None
            recorder = run_session(module, stack.task, data)
        except Exception as error:  # halved until the candidate at fault stands alone
            refuse_machine_error(error)
            if len(stack) == 1:
                (member,) = stack.members
                return {member.index: failure(member.candidate, error)}
            out_of_memory = isinstance(error, torch.OutOfMemoryError)
            if out_of_memory:
                self._limits[stack.task.name] = len(stack) // 2
                self._compiled.clear()
                self._widths.clear()
        else:
            finite = module.finite()
            share = (time.perf_counter() - started) / len(stack)
            session = stack.task.session
            return {
                member.index: guarded(
                    member.candidate,
                    lambda c=member.candidate, i=i: recorder.evaluation(  # type: ignore[misc]
                        c, i, session, share, finite[i]
                    ),
                )
                for i, member in enumerate(stack.members)
            }
        # Not in the except clause: there the error would keep the failed stack in memory.
        module = None  # type: ignore[assignment]
        if out_of_memory:  # only then is it worth to look at every object there is
            gc.collect()
            torch.cuda.empty_cache()
        middle = len(stack) // 2
        return {
            **self._train(stack.part(0, middle), None),
            **self._train(stack.part(middle, len(stack)), None),
        }

    def _module(self, stack: StackedRuns, compile_mode: str | None) -> PopulationModule:
        """Make a stack of fresh networks; a compiled one is reset, and filled up to its width."""
        initial_modules = [cast(SupervisedModule, task.fresh_module()) for task in stack.by_seed]
        seed_index = stack.seed_index if len(initial_modules) > 1 else []
        losses = [member.loss for member in stack.members]
        lr_scales = stack.lr_scales
        keys = [(stack.code, member.candidate.structure) for member in stack.members]
        if compile_mode is None or len(set(keys)) > 1:
            return PopulationModule(
                initial_modules[0], losses, keys, None, lr_scales, initial_modules, seed_index
            )
        width = max(len(stack), self._widths.get(stack.code, 2))
        spare = width - len(stack)
        losses, lr_scales = losses + losses[-1:] * spare, lr_scales + lr_scales[-1:] * spare
        keys, seed_index = keys + keys[-1:] * spare, seed_index + seed_index[-1:] * spare
        source, module = self._compiled.get(stack.code, (None, None))
        if module is not None and source is stack.task.module and module.size == width:
            module.reset(
                initial_modules[0], StackedLosses(losses, keys), lr_scales, initial_modules
            )
        else:
            module = PopulationModule(
                initial_modules[0],
                losses,
                keys,
                compile_mode,
                lr_scales,
                initial_modules,
                seed_index,
            )
            self._compiled[stack.code] = (stack.task.module, module)
            self._widths[stack.code] = width
        return module


def _width(network: nn.Module, session: Session) -> int:
    """How many networks to stack so that the memory of a gradient is used again at the next step.

    The C library gives larger blocks than ``_BLOCK`` back to the system whenever they are freed.
    """
    if session.accelerator != "cpu" and torch.accelerator.is_available():
        return sys.maxsize
    sizes = [p.numel() * p.element_size() for p in network.parameters() if p.requires_grad]
    return max(1, (_BLOCK - 1) // max(sizes, default=1))
