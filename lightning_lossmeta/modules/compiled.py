"""A population's losses and gradients as one compiled graph."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

log = logging.getLogger(__name__)

State = dict[str, Tensor]


class CompiledGradients:
    """Compiles forward and backward pass together.

    One graph needs no ``autograd`` at run time and hands no activations from one graph to another,
    which for small networks is a third of the time. Random numbers are those of the eager network.

    Args:
        losses: Losses (C,) out of parameters and buffers by name, inputs and target.
        mode: A mode of ``torch.compile``, e.g. ``"default"``.

    Attributes:
        broken: Whether compiling failed, so that calls give ``None``.
    """

    def __init__(self, losses: Callable[[State, Tensor, Tensor], Tensor], mode: str) -> None:
        self._losses = losses
        options = {**torch._inductor.list_mode_options(mode), "fallback_random": True}
        self._run = torch.compile(self._step, fullgraph=True, dynamic=False, options=options)
        self.broken = False

    def __call__(self, state: State, inputs: Tensor, target: Tensor) -> tuple[Tensor, State] | None:
        """Losses (C,) and the gradients of their sum, by name; ``None`` where compiling failed.

        Args:
            state: Parameters and buffers by name.
            inputs: As the networks take them.
            target: As the losses take it.
        """
        if self.broken:
            return None
        trained = {name: value for name, value in state.items() if value.requires_grad}
        others = {name: value for name, value in state.items() if not value.requires_grad}
        if inputs.is_cuda:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        try:
            with torch.no_grad():
                losses, gradients = self._run(trained, others, inputs, target)
        except torch.OutOfMemoryError:
            raise
        except Exception as error:  # what is not for the compiler to blame, the eager step raises
            self.broken = True
            reason = next(iter(str(error).strip().splitlines()), type(error).__name__)
            log.warning(
                "torch.compile failed, so the population trains eagerly (compile_mode needs a "
                "C++ compiler, on a GPU Triton, and losses that can be traced): %s",
                reason,
            )
            return None
        # With CUDA graphs the next step overwrites this one's results.
        return losses.clone(), gradients

    def _step(
        self, trained: State, others: State, inputs: Tensor, target: Tensor
    ) -> tuple[Tensor, State]:
        def total(trained: State, others: State) -> tuple[Tensor, Tensor]:
            losses = self._losses({**trained, **others}, inputs, target)
            return losses.sum(), losses

        gradients, losses = torch.func.grad(total, has_aux=True)(trained, others)
        return losses, gradients
