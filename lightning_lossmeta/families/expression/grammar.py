"""The grammar of symbolic losses: operators and terminals."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

import torch
from deap import gp
from torch import Tensor

#: Keeps logarithms and square roots, with their gradients, finite at zero.
EPSILON = 1e-7

T = TypeVar("T")


def analytic_quotient(a: Tensor, b: Tensor) -> Tensor:
    """A smooth division without a pole, a / sqrt(1 + b^2)."""
    return a / (1 + b * b).sqrt()  # not b.square(), whose slope 2 b overflows before b does


def protected_log(a: Tensor) -> Tensor:
    """The logarithm log(|a| + epsilon), finite at zero."""
    return (a.abs() + EPSILON).log()


def protected_sqrt(a: Tensor) -> Tensor:
    """The square root sqrt(|a| + epsilon), with a finite slope at zero."""
    return (a.abs() + EPSILON).sqrt()


def sign(a: Tensor) -> Tensor:
    """The sign of a number; NaN stays NaN, which ``torch.sign`` would make zero."""
    return torch.where(a.isnan(), a, a.sign())


@dataclass(frozen=True)
class Operator:
    """A function of one or two numbers.

    Args:
        arity: How many numbers it takes.
        function: Computes it element by element; finite, with finite gradients, wherever it does
            not overflow.
    """

    arity: int
    function: Callable[..., Tensor]


#: Table 1 of the paper, by the names that expressions are written with.
OPERATORS = {
    "add": Operator(2, torch.add),
    "sub": Operator(2, torch.sub),
    "mul": Operator(2, torch.mul),
    "aq": Operator(2, analytic_quotient),
    "min": Operator(2, torch.minimum),
    "max": Operator(2, torch.maximum),
    "sign": Operator(1, sign),
    "square": Operator(1, torch.square),
    "abs": Operator(1, torch.abs),
    "log": Operator(1, protected_log),
    "sqrt": Operator(1, protected_sqrt),
    "tanh": Operator(1, torch.tanh),
}
CONSTANTS = {"+1": 1.0, "-1": -1.0}
VARIABLES = ("f", "y")

#: The training's progress, the share of its steps that are done; only where a space has it.
PROGRESS = "t"

ARITIES = {**{name: op.arity for name, op in OPERATORS.items()}, "f": 0, "y": 0, "+1": 0, "-1": 0}


def _primitive_set(progress: bool) -> gp.PrimitiveSetTyped:
    """Make DEAP's form of the grammar, with t or without; all nodes are real numbers."""
    primitives = gp.PrimitiveSetTyped("loss", [], float)
    for name, operator in OPERATORS.items():
        primitives.addPrimitive(operator.function, [float] * operator.arity, float, name=name)
    for variable in VARIABLES:
        primitives.addTerminal(None, float, name=variable)
    for name, value in CONSTANTS.items():
        primitives.addTerminal(value, float, name=name)
    if progress:
        primitives.addTerminal(None, float, name=PROGRESS)
    return primitives


PRIMITIVES = _primitive_set(progress=False)
PRIMITIVES_WITH_PROGRESS = _primitive_set(progress=True)


def has_both_variables(tree: gp.PrimitiveTree) -> bool:
    """Whether a tree holds both the prediction f and the label y."""
    return set(VARIABLES) <= {node.name for node in tree}


def fold(
    names: Sequence[str], value: Callable[[str, list[T]], T], edge: Callable[[int, T], T]
) -> T:
    """Evaluate a tree from the leaves to the root, without recursion.

    Args:
        names: The names of its nodes in prefix order.
        value: What a node makes of its name and its arguments, of which terminals have none.
        edge: What becomes of a value on edge i; the edge above node i + 1 in prefix order is i.

    Returns:
        The root's value, to which no edge leads.

    >>> fold(["sub", "f", "y"], lambda name, a: name + "".join(a), lambda i, v: f"[w{i} {v}]")
    'sub[w0 f][w1 y]'
    """
    stack: list[T] = []
    for index in range(len(names) - 1, -1, -1):
        arguments = [stack.pop() for _ in range(_arity(names[index]))]
        result = value(names[index], arguments)
        stack.append(edge(index - 1, result) if index else result)
    return stack[0]


def _arity(name: str) -> int:
    return OPERATORS[name].arity if name in OPERATORS else 0
