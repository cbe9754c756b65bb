"""One Lightning fit for the whole population."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, cast

import torch

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.checks import check_at_least
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator, Job
from lightning_lossmeta.evaluators.session import failure, guarded, run_session
from lightning_lossmeta.evaluators.stackable import steps_follow_rate, why_not_stackable
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules import PopulationModule, StackedLosses, SupervisedModule
from lightning_lossmeta.task import Task

COMPILE_MODES = ("default", "reduce-overhead", "max-autotune", "max-autotune-no-cudagraphs")


class PopulationEvaluator(Evaluator):
    """Stacks the candidates' networks along a new axis and trains them all in one fit.

    Needs a :class:`~lightning_lossmeta.modules.SupervisedModule` whose training step is its own,
    and an element-wise optimiser. If the stack runs out of memory, or one loss raises, it is halved
    until the candidates at fault stand alone.

    Args:
        max_candidates: How many to stack at the most; more are trained in turns.
        compile_mode: A mode of ``torch.compile``, e.g. ``"default"``, or ``"reduce-overhead"`` for
            CUDA graphs; ``None`` runs eagerly. Compiling takes about ten seconds for each task and
            family. Stacks of losses that differ in structure always run eagerly.
        threads: Of PyTorch on the CPU while a stack trains. Stacks of small networks gain nothing
            from more than one, and lose an order of magnitude when other programs want the cores.

    Raises:
        ValueError: If ``max_candidates`` or ``threads`` is below 1, or the mode is unknown.
    """

    def __init__(
        self, max_candidates: int = 64, compile_mode: str | None = None, threads: int = 1
    ) -> None:
        check_at_least(1, max_candidates=max_candidates, threads=threads)
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

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """What keeps a task's module from being stacked."""
        for task in tasks:
            if reason := why_not_stackable(task.fresh_module(), task.session):
                return f"{task.name}: {reason}"
        return None

    def close(self) -> None:
        """Drop what was compiled."""
        self._compiled.clear()

    def state_dict(self) -> dict[str, Any]:
        """The widths of stacks: sums over other widths would be rounded differently."""
        return {"widths": dict(self._widths), "limits": dict(self._limits)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with the widths of before."""
        self._widths = dict(state.get("widths", {}))
        self._limits = dict(state.get("limits", {}))

    def _evaluate_task(
        self, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> list[Evaluation]:
        found = dict(self._run([Job(candidate, task) for candidate in candidates], family))
        return [found[place] for place in range(len(candidates))]

    def _run(self, jobs: Sequence[Job], family: LossFamily) -> Iterator[tuple[int, Evaluation]]:
        """Stack what differs in the candidate and the learning rate alone."""
        leaders: list[Task] = []
        leader: dict[int, int] = {}
        groups: dict[int, list[tuple[int, Job]]] = {}
        for place, job in enumerate(jobs):
            task = job.task
            if id(task) not in leader:
                alike = (n for n, known in enumerate(leaders) if _differ_in_rate(known, task))
                leader[id(task)] = next(alike, len(leaders))
                if leader[id(task)] == len(leaders):
                    leaders.append(task)
            groups.setdefault(leader[id(task)], []).append((place, job))
        for group in groups.values():
            yield from self._run_group(group, family)

    def _run_group(
        self, jobs: list[tuple[int, Job]], family: LossFamily
    ) -> Iterator[tuple[int, Evaluation]]:
        factors = [job.task.session.learning_rate_factor for _, job in jobs]
        task = _with_factor(jobs[0][1].task, max(factors))
        group = _Group(family, task, cast(SupervisedModule, task.fresh_module()))
        members: list[_Member] = []
        for (place, job), factor in zip(jobs, factors, strict=True):
            try:
                loss = family.build(job.candidate)
                members.append(_Member(place, job.candidate, loss, factor / max(factors)))
            except Exception as error:  # noqa: PERF203 - a bad candidate costs only itself
                yield place, failure(job.candidate, error)
        with _threads(self.threads):
            while members:
                width = min(self.max_candidates, self._limits.get(task.name, len(members)))
                stack, members = members[:width], members[width:]
                yield from self._train(stack, group, self.compile_mode).items()

    def _train(
        self, stack: list[_Member], group: _Group, compile_mode: str | None
    ) -> dict[int, Evaluation]:
        started = time.perf_counter()
        try:
            module = self._module(stack, group, compile_mode)
            recorder = run_session(module, group.task)
        except Exception as error:  # halved until the candidate at fault stands alone
            if len(stack) == 1:
                return {stack[0].index: failure(stack[0].candidate, error)}
            if isinstance(error, torch.OutOfMemoryError):
                self._limits[group.task.name] = len(stack) // 2
                self._compiled.clear()
                self._widths.clear()
        else:
            finite = module.finite()
            share = (time.perf_counter() - started) / len(stack)
            session = group.task.session
            return {
                member.index: guarded(
                    member.candidate,
                    lambda c=member.candidate, i=i: recorder.evaluation(  # type: ignore[misc]
                        c, i, session, share, finite[i]
                    ),
                )
                for i, member in enumerate(stack)
            }
        # Not in the except clause: there the error would keep the failed stack in memory.
        module = None  # type: ignore[assignment]
        gc.collect()
        torch.cuda.empty_cache()
        middle = len(stack) // 2
        return {
            **self._train(stack[:middle], group, None),
            **self._train(stack[middle:], group, None),
        }

    def _module(
        self, stack: list[_Member], group: _Group, compile_mode: str | None
    ) -> PopulationModule:
        """A fresh stack; a compiled one is used again, filled up to the width it was made with."""
        losses = [member.loss for member in stack]
        rates = [member.rate for member in stack]
        keys = [(group.code, member.candidate.structure) for member in stack]
        width = max(len(stack), self._widths.get(group.code, 2))
        if compile_mode is None or len(set(keys)) > 1:
            return PopulationModule(group.template, losses, keys, rates=rates)
        losses += [losses[-1]] * (width - len(stack))
        rates += [rates[-1]] * (width - len(stack))
        keys += [keys[-1]] * (width - len(stack))
        source, module = self._compiled.get(group.code, (None, None))
        if module is not None and source is group.task.module and module.size == width:
            module.reset(group.template, StackedLosses(losses, keys), rates)
        else:
            module = PopulationModule(group.template, losses, keys, compile_mode, rates)
            self._compiled[group.code] = (group.task.module, module)
            self._widths[group.code] = width
        return module


@dataclass(frozen=True)
class _Member:
    """A candidate of a stack, with its place among all and its share of the learning rate."""

    index: int
    candidate: Candidate
    loss: LossFunction
    rate: float


@dataclass(frozen=True)
class _Group:
    """What all stacks of an evaluation share."""

    family: LossFamily
    task: Task
    template: SupervisedModule

    @property
    def code(self) -> str:
        """What a compiled step depends on, beside the structure of candidates."""
        return f"{self.task.name}, {self.family.name} {self.family.settings()}"


def _differ_in_rate(one: Task, other: Task) -> bool:
    """Whether two tasks are the same but for a learning rate that a stack can give to each."""
    same = _with_factor(one, 1.0) == _with_factor(other, 1.0)
    return same and steps_follow_rate(cast(SupervisedModule, one.fresh_module()))


def _with_factor(task: Task, factor: float) -> Task:
    return replace(task, session=replace(task.session, learning_rate_factor=factor))


@contextmanager
def _threads(count: int) -> Iterator[None]:
    """Limit PyTorch's own threads."""
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(count)
        yield
    finally:
        torch.set_num_threads(before)
