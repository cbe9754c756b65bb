"""One Lightning fit for the whole population."""

from __future__ import annotations

import time
from collections.abc import Sequence

import torch

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.base import Evaluator
from lightning_lossmeta.evaluators.session import guarded, run_session
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.modules import PopulationModule, StackedLosses, SupervisedModule
from lightning_lossmeta.task import Task

#: Optimisers whose update of a number depends on that number's own history alone.
ELEMENTWISE = (
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.Adamax,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.ASGD,
)


class PopulationEvaluator(Evaluator):
    """Stacks the candidates' networks along a new axis and trains them all in one fit.

    Needs a :class:`~lightning_lossmeta.modules.SupervisedModule` whose training step is its own,
    and an element-wise optimiser. If the stack runs out of memory, or one loss raises, it is halved
    until the candidates at fault stand alone.

    Args:
        max_candidates: How many to stack at the most; more are trained in turns.
        compile_mode: A mode of ``torch.compile``, e.g. ``"default"``, or ``"reduce-overhead"`` for
            CUDA graphs; ``None`` runs eagerly. Compiling takes tens of seconds once.

    Raises:
        ValueError: If ``max_candidates`` is below 1.
    """

    def __init__(self, max_candidates: int = 64, compile_mode: str | None = None) -> None:
        if max_candidates < 1:
            raise ValueError(
                f"Expected argument `max_candidates` to be at least 1, got {max_candidates}."
            )
        self.max_candidates = max_candidates
        self.compile_mode = compile_mode
        self._compiled: dict[str, PopulationModule] = {}

    def unsupported(self, family: LossFamily, tasks: Sequence[Task]) -> str | None:
        """What keeps a task's module from being stacked."""
        for task in tasks:
            module = task.fresh_module()
            if reason := _unstackable(module, task):
                return f"{task.name}: {reason}"
        return None

    def close(self) -> None:
        """Drop what was compiled."""
        self._compiled.clear()

    def _evaluate_task(
        self, candidates: list[Candidate], family: LossFamily, task: Task
    ) -> list[Evaluation]:
        template = task.fresh_module()
        found: list[Evaluation] = []
        for first in range(0, len(candidates), self.max_candidates):
            chunk = candidates[first : first + self.max_candidates]
            found += self._evaluate_chunk(chunk, family, task, template)
        return found

    def _evaluate_chunk(
        self,
        chunk: list[Candidate],
        family: LossFamily,
        task: Task,
        template: SupervisedModule,
    ) -> list[Evaluation]:
        if len(chunk) == 1:
            candidate = chunk[0]
            return [guarded(candidate, lambda: self._fit(chunk, family, task, template)[0])]
        try:
            return self._fit(chunk, family, task, template)
        except Exception:  # noqa: BLE001 - halved until the candidate at fault stands alone
            middle = len(chunk) // 2
            halves = (chunk[:middle], chunk[middle:])
            return [e for half in halves for e in self._evaluate_chunk(half, family, task, template)]

    def _fit(
        self,
        chunk: list[Candidate],
        family: LossFamily,
        task: Task,
        template: SupervisedModule,
    ) -> list[Evaluation]:
        started = time.perf_counter()
        module = self._stacked(chunk, family, task, template)
        recorder = run_session(module, task)
        finite = module.finite()
        share = (time.perf_counter() - started) / len(chunk)
        return [
            recorder.evaluation(candidate, index, task.session, share, finite[index])
            for index, candidate in enumerate(chunk)
        ]

    def _stacked(
        self, chunk: list[Candidate], family: LossFamily, task: Task, template: SupervisedModule
    ) -> PopulationModule:
        """A fresh stack; a compiled one is used again, filled up to the width it was made with."""
        code = (family.name, repr(family.settings()))
        known = self._compiled.get(task.name)
        if known is not None and known.size / 2 <= len(chunk) <= known.size:
            chunk = chunk + [chunk[-1]] * (known.size - len(chunk))
        losses = [family.build(candidate) for candidate in chunk]
        keys = [(*code, candidate.structure) for candidate in chunk]
        if self.compile_mode is None:
            return PopulationModule(template, losses, keys)
        stacked = StackedLosses(losses, keys)
        if known is None or not known.fits(template, stacked):
            known = PopulationModule(template, losses, keys, self.compile_mode)
            self._compiled[task.name] = known
        else:
            known.reset(template, stacked)
        return known


def _unstackable(module: object, task: Task) -> str | None:
    if not isinstance(module, SupervisedModule):
        return (
            f"expected a SupervisedModule, whose training step is known to be "
            f"loss_fn(self(inputs), target), got {type(module).__name__}; use TrainerEvaluator or "
            "ProcessEvaluator."
        )
    for name in ("training_step", "validation_step", "configure_optimizers", "forward"):
        if getattr(type(module), name) is not getattr(SupervisedModule, name):
            return f"{type(module).__name__} overrides {name}, which a stack would not call."
    if task.session.precision.startswith("16"):
        return "16-bit floats share one loss scale over all candidates; use bf16-mixed."
    clips = task.session.gradient_clip_val is not None
    if clips and task.session.gradient_clip_algorithm != "value":
        return "clipping by global norm would couple the candidates; clip by value."
    optimizer = module.optimizer([torch.nn.Parameter(torch.zeros(1))])
    if type(optimizer) not in ELEMENTWISE:
        known = ", ".join(kind.__name__ for kind in ELEMENTWISE)
        return f"{type(optimizer).__name__} is not known to be element-wise; known are {known}."
    return None
