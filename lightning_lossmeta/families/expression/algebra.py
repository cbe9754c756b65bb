"""Names of expressions by which equal ones are known, however they are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction

from lightning_lossmeta._fingerprint import digest
from lightning_lossmeta.families.expression.grammar import CONSTANTS, fold

#: Products with more terms or factors than this are not multiplied out.
MAX_TERMS = 256
MAX_DEGREE = 8

#: Numbers of a product that are longer than this end the algebra.
MAX_BITS = 4096

_COMMUTATIVE = {"add", "mul", "min", "max"}


def ordered(structure: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """A tree with the operands of commutative operators in alphabetical order.

    Args:
        structure: The expression's nodes in prefix order.

    Returns:
        The nodes in their new order, and the edges as they are numbered in ``structure``.

    >>> ordered(["add", "y", "f"])
    (('add', 'f', 'y'), (1, 0))
    """

    def value(name: str, arguments: list[list[tuple[str, int]]]) -> list[tuple[str, int]]:
        if name in _COMMUTATIVE:
            arguments = sorted(arguments, key=lambda part: [node for node, _ in part])
        return [(name, -1), *(item for part in arguments for item in part)]

    def edge(index: int, below: list[tuple[str, int]]) -> list[tuple[str, int]]:
        return [(below[0][0], index), *below[1:]]

    nodes = fold(structure, value, edge)
    return tuple(name for name, _ in nodes), tuple(index for _, index in nodes[1:])


def canonical_form(structure: Sequence[str], theta: Sequence[float]) -> str:
    """A name of an expression with weights; two with one name are the same function.

    The expression is written as a polynomial in f, y and what other operators make of polynomials
    that are written so themselves: constants are folded, sums and products multiplied out (up to
    :data:`MAX_TERMS` and :data:`MAX_DEGREE`), signs and factors drawn out of ``sign``, ``tanh``
    and ``abs``, and maxima turned into minima. Numbers are fractions, so nothing is rounded; where
    they grow past :data:`MAX_BITS`, only :func:`ordered` trees with equal weights have one name.
    The converse does not hold: some equal expressions have two names.

    Args:
        structure: The expression's nodes in prefix order.
        theta: The weights of its edges.

    Raises:
        ValueError: If there is not one weight an edge.

    >>> squared = canonical_form(["square", "sub", "f", "y"], [1.0, 1.0, 1.0])
    >>> squared == canonical_form(["square", "sub", "y", "f"], [1.0, 1.0, 1.0])
    True
    """
    if len(theta) != len(structure) - 1:
        raise ValueError(
            f"Expected argument `theta` to have {len(structure) - 1} weights, one an edge, got "
            f"{len(theta)}."
        )
    try:
        return _name(fold(structure, _value, lambda i, below: _scaled(below, Fraction(theta[i]))))
    except _TooLongError:
        names, order = ordered(structure)
        return digest([names, [float(theta[edge]) for edge in order]])


class _TooLongError(Exception):
    """The numbers of a polynomial have grown too long to be of use."""


#: Coefficients of products of factors, each product in alphabetical order; zeros are left out.
Polynomial = dict[tuple[str, ...], Fraction]


def _value(name: str, arguments: list[Polynomial]) -> Polynomial:
    """Compute the polynomial that a node makes of those of its arguments."""
    if arguments:
        return _OPERATORS[name](*arguments)
    return {(): Fraction(CONSTANTS[name])} if name in CONSTANTS else {(name,): Fraction(1)}


def _name(a: Polynomial) -> str:
    return digest([[*m, f"{a[m].numerator:x}/{a[m].denominator:x}"] for m in sorted(a)])


def _factor(operator: str, *arguments: Polynomial) -> Polynomial:
    """Make a polynomial of an operator that is none: it stands as one factor of its name."""
    return {(f"{operator}({','.join(map(_name, arguments))})",): Fraction(1)}


def _scaled(a: Polynomial, number: Fraction) -> Polynomial:
    return {product: number * value for product, value in a.items()} if number else {}


def _primitive(a: Polynomial) -> tuple[Fraction, Polynomial]:
    """Split a polynomial into a number and another whose first coefficient is one."""
    if not a:
        return Fraction(0), {}
    first = a[min(a)]
    return first, _scaled(a, 1 / first)


def _sum(a: Polynomial, b: Polynomial) -> Polynomial:
    total = {product: a.get(product, 0) + b.get(product, 0) for product in {**a, **b}}
    return {product: Fraction(value) for product, value in total.items() if value}


def _product(a: Polynomial, b: Polynomial) -> Polynomial:
    for value in (*a.values(), *b.values()):
        if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
            raise _TooLongError
    degrees = [max(map(len, x), default=0) for x in (a, b)]
    if 0 in degrees:  # a number
        number, other = (a, b) if degrees[0] == 0 else (b, a)
        return _scaled(other, number.get((), Fraction(0)))
    if len(a) * len(b) > MAX_TERMS or sum(degrees) > MAX_DEGREE:
        (c, a), (d, b) = sorted((_primitive(a), _primitive(b)), key=lambda part: _name(part[1]))
        return _scaled(_factor("mul", a, b), c * d)
    products: Polynomial = {}
    for left, c in a.items():
        for right, d in b.items():
            product = tuple(sorted(left + right))
            products[product] = products.get(product, Fraction(0)) + c * d
    return {product: value for product, value in products.items() if value}


def _minimum(a: Polynomial, b: Polynomial) -> Polynomial:
    difference = _sum(a, _scaled(b, Fraction(-1)))
    if set(difference) <= {()}:  # they differ by a number
        return a if difference.get((), 0) <= 0 else b
    return _factor("min", *sorted((a, b), key=_name))


def _maximum(a: Polynomial, b: Polynomial) -> Polynomial:
    minus = Fraction(-1)
    return _scaled(_minimum(_scaled(a, minus), _scaled(b, minus)), minus)


def _absolute(a: Polynomial) -> Polynomial:
    number, rest = _primitive(a)
    factors = [factor for product in rest for factor in product]
    same = len(rest) <= 1 and all(factor.startswith("abs(") for factor in factors)
    return _scaled(rest if same else _factor("abs", rest), abs(number))


def _sign(a: Polynomial) -> Polynomial:
    number, rest = _primitive(a)
    signed = Fraction((number > 0) - (number < 0))
    return _scaled(rest if set(rest) <= {()} else _factor("sign", rest), signed)


def _tanh(a: Polynomial) -> Polynomial:
    signed = Fraction(-1 if _primitive(a)[0] < 0 else 1)
    return _scaled(_factor("tanh", _scaled(a, signed)), signed) if a else {}


_OPERATORS: dict[str, Callable[..., Polynomial]] = {
    "add": _sum,
    "sub": lambda a, b: _sum(a, _scaled(b, Fraction(-1))),
    "mul": _product,
    "square": lambda a: _product(a, a),
    "aq": lambda a, b: _product(a, _factor("aq", _product(b, b))),
    "min": _minimum,
    "max": _maximum,
    "sign": _sign,
    "abs": _absolute,
    "log": lambda a: _factor("log", _absolute(a)),
    "sqrt": lambda a: _factor("sqrt", _absolute(a)),
    "tanh": _tanh,
}
