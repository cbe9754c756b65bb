"""Expressions as one line of mathematics."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from lightning_lossmeta.families.expression.grammar import CONSTANTS, EPSILON, PROGRESS, fold

_SUM, _PRODUCT, _ATOM = range(3)


@dataclass(frozen=True)
class _Piece:
    """A number times a text, with the text's level in the order of operations.

    A number alone has no text.
    """

    number: float
    body: str = ""
    level: int = _ATOM

    def times(self, number: float) -> _Piece:
        """Multiply by a number; nothing is left of a multiple of zero."""
        product = self.number * number
        return _Piece(product, self.body, self.level) if product else _Piece(0.0)

    def __str__(self) -> str:
        size = f"{abs(self.number):.4g}"
        minus = "-" if self.number < 0 else ""
        if not self.body:
            return minus + size
        if size == "1":
            return f"-{self.factor()}" if minus else self.body
        return f"{minus}{size} {self.factor()}"

    def factor(self) -> str:
        """The text as it stands in a product, in brackets where these are needed."""
        return f"({self.body})" if self.level == _SUM else self.body

    def base(self) -> str:
        """The text as the base of a power, in brackets where these are needed."""
        return self.body if self.level == _ATOM else f"({self.body})"


def formula(structure: Sequence[str], theta: Sequence[float], prediction: str) -> str:
    """Write an expression as a line of mathematics, with four significant digits.

    Args:
        structure: The expression's nodes in prefix order.
        theta: The weights of its edges.
        prediction: The letter that stands for f.

    >>> formula(["square", "sub", "f", "y"], [1.0, 0.5, 2.0], "h")
    '(0.5 h - 2 y)^2'
    """
    terminals = {
        "f": _Piece(1.0, prediction),
        "y": _Piece(1.0, "y"),
        PROGRESS: _Piece(1.0, PROGRESS),
    }
    terminals |= {name: _Piece(number) for name, number in CONSTANTS.items()}

    def value(name: str, arguments: list[_Piece]) -> _Piece:
        return _WRITERS[name](*arguments) if arguments else terminals[name]

    return str(fold(structure, value, lambda edge, below: below.times(theta[edge])))


def _add(a: _Piece, b: _Piece) -> _Piece:
    if not (a.body or b.body):
        return _Piece(a.number + b.number)
    size = _Piece(abs(b.number), b.body, b.level)
    text = f"({size})" if size.level == _SUM and str(size) == size.body else str(size)
    return _Piece(1.0, f"{a} {'-' if b.number < 0 else '+'} {text}", _SUM)


def _multiply(a: _Piece, b: _Piece) -> _Piece:
    if not (a.body and b.body):
        return a.times(b.number) if a.body else b.times(a.number)
    return _Piece(1.0, f"{a.factor()} {b.factor()}", _PRODUCT).times(a.number * b.number)


def _square(a: _Piece) -> _Piece:
    if not a.body:
        return _Piece(a.number * a.number)
    return _Piece(1.0, f"{a.base()}^2", _PRODUCT).times(a.number * a.number)


def _quotient(a: _Piece, b: _Piece) -> _Piece:
    above = a.factor() if a.body else "1"
    return _Piece(1.0, f"({above} / sqrt({_add(_Piece(1.0), _square(b))}))").times(a.number)


def _absolute(a: _Piece) -> _Piece:
    if not a.body:
        return _Piece(abs(a.number))
    return _Piece(1.0, f"abs({a.body})").times(abs(a.number))


def _sign(a: _Piece) -> _Piece:
    number = math.copysign(1.0, a.number) if a.number else 0.0
    return _Piece(number, f"sign({a.body})") if a.body else _Piece(number)


def _protected(name: str, a: _Piece) -> _Piece:
    return _Piece(1.0, f"{name}({_absolute(a)} + {EPSILON:g})")


_WRITERS: dict[str, Callable[..., _Piece]] = {
    "add": _add,
    "sub": lambda a, b: _add(a, b.times(-1.0)),
    "mul": _multiply,
    "aq": _quotient,
    "min": lambda a, b: _Piece(1.0, f"min({a}, {b})"),
    "max": lambda a, b: _Piece(1.0, f"max({a}, {b})"),
    "sign": _sign,
    "square": _square,
    "abs": _absolute,
    "log": lambda a: _protected("log", a),
    "sqrt": lambda a: _protected("sqrt", a),
    "tanh": lambda a: _Piece(1.0, f"tanh({a})"),
}
