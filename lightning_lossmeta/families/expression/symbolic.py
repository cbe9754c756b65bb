"""Expressions as SymPy's, for exports."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from lightning_lossmeta.families.expression.grammar import CONSTANTS, EPSILON, fold


def symbolic(
    structure: Sequence[str], theta: Sequence[float], f: Any, y: Any, nonnegative: bool = False
) -> Any:
    """An expression with weights as they are; parts without f and y become numbers.

    Args:
        structure: The expression's nodes in prefix order.
        theta: The weights of its edges.
        f: SymPy's symbol of the prediction.
        y: SymPy's symbol of the target.
        nonnegative: Whether the root's value goes through a softplus.

    >>> from sympy.abc import f, y
    >>> symbolic(["square", "sub", "f", "y"], [1.0, 1.0, 2.5], f, y)
    (f - 2.5*y)**2
    """
    from sympy import Float
    from sympy.core.parameters import distribute

    writers = _writers()
    terminals = {"f": f, "y": y, **{name: Float(number) for name, number in CONSTANTS.items()}}

    def value(name: str, arguments: list[Any]) -> Any:
        result = writers[name](*arguments) if arguments else terminals[name]
        return Float(result) if result.is_number else result

    def edge(index: int, below: Any) -> Any:
        return below if theta[index] == 1 else Float(theta[index]) * below

    with distribute(False):  # keeps a weight in front of its bracket
        root = fold(structure, value, edge)
        return writers["softplus"](root) if nonnegative else root


def _writers() -> dict[str, Callable[..., Any]]:
    """The functions that write each operator in SymPy, by the operator's name."""
    from sympy import Abs, Float, Max, Min, log, sign, sqrt, tanh

    def absolute(a: Any) -> Any:
        if a.is_nonnegative:
            return a
        return Abs(a, evaluate=a.is_number)  # SymPy's own rules may recurse without an end

    return {
        "add": lambda a, b: a + b,
        "sub": lambda a, b: a - b,
        "mul": lambda a, b: a * b,
        "aq": lambda a, b: a / sqrt(1 + b**2),
        "min": lambda a, b: Min(a, b, evaluate=a.is_number and b.is_number),
        "max": lambda a, b: Max(a, b, evaluate=a.is_number and b.is_number),
        "sign": sign,
        "square": lambda a: a**2,
        "abs": absolute,
        "log": lambda a: log(absolute(a) + Float(EPSILON)),
        "sqrt": lambda a: sqrt(absolute(a) + Float(EPSILON)),
        "tanh": tanh,
        # log(1 + exp(a)) where no exponential can overflow, with its slope also at zero.
        "softplus": lambda a: (a + absolute(a)) / 2 - log((1 + tanh(absolute(a) / 2)) / 2),
    }
