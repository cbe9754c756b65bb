"""Losses as Python files that need only torch."""

from __future__ import annotations

import re
import textwrap

import sympy
from sympy.printing.precedence import PRECEDENCE
from sympy.printing.str import StrPrinter

from lightning_lossmeta.artifacts.export_forms import SYMBOLS, ClosedForm, closed_form
from lightning_lossmeta.artifacts.export_network import network_to_python
from lightning_lossmeta.artifacts.export_notation import Notation, notation
from lightning_lossmeta.artifacts.zoo import ReadyLoss
from lightning_lossmeta.families import FreeMetaLossNetwork

_WIDTH = 84
_FILE = '''\
"""{title}

{formula}

{notes}
Written by lightning_lossmeta; needs only torch.
"""

{imports}


class ExportedLoss(nn.Module):
    """Called like a loss of torch.nn; reduction is 'mean', 'sum' or 'none'."""

    def __init__(self, reduction: str = "{reduction}") -> None:
        super().__init__()
        if reduction not in ("mean", "sum", "none"):
            raise ValueError(f"Expected 'mean', 'sum' or 'none', got {{reduction!r}}.")
        self.reduction = reduction

    def forward(self, {output}: Tensor, target: Tensor) -> Tensor:
        """{shapes}"""
        if {output}.dtype in (torch.float16, torch.bfloat16):
            {output} = {output}.float()
{variables}
        {entry} = (
{expression}
        )
        loss = {loss}
{masked}        if self.reduction == "none":
            return loss
        return loss.sum() / {counted} if self.reduction == "mean" else loss.sum()
{helpers}'''

_BOUNDED_EXP = '''

def bounded_exp(x: Tensor) -> Tensor:
    """exp(x), continued by its tangent where it would soon overflow."""
    bound = math.log(torch.finfo(x.dtype).max) / 2
    return x.clamp_max(bound).exp() * (1 + (x - bound).clamp_min(0))
'''


def to_python(ready: ReadyLoss) -> str:
    """The text of a Python file with the loss as an ``nn.Module``; floats are exact.

    Args:
        ready: A loss that is written class by class, or a meta-loss network for any number of
            classes.

    Raises:
        ExportError: If the loss is neither.
    """
    if isinstance(inner := getattr(ready.loss, "loss", ready.loss), FreeMetaLossNetwork):
        return network_to_python(ready, inner)
    form = closed_form(ready)
    printer = TorchPrinter()
    code = printer.doprint(form.entry)
    written = notation(form.link)
    helpers = _BOUNDED_EXP if "bounded_exp(" in code else ""
    imports = ["import math", ""] if "math." in code + helpers else []
    imports += ["import torch", "from torch import Tensor, nn"]
    formula = textwrap.fill(_quotable(f"L = {ready.formula}"), 92, break_long_words=False)
    title = _quotable(f"The loss '{ready.name}'. {ready.about}")
    return _FILE.format(
        title=textwrap.fill(title, 96),
        formula=textwrap.indent(formula, "    "),
        notes=_notes(ready, written),
        imports="\n".join(imports),
        reduction=ready.loss.reduction,
        shapes=written.shapes,
        output=written.output,
        entry=written.entry,
        counted=written.counted,
        variables=textwrap.indent("\n".join([*written.lines(code), written.label]), " " * 8),
        expression=textwrap.indent(_wrapped(form, printer), " " * 12),
        loss=_over_entries(form, written),
        masked=textwrap.indent(written.masked, " " * 8),
        helpers=helpers,
    )


class TorchPrinter(StrPrinter):  # type: ignore[misc]
    """Writes an expression of :data:`SYMBOLS` for tensors, in log space where that matters."""

    def _print_Float(self, expr: sympy.Float) -> str:  # noqa: N802 - SymPy's naming
        return repr(float(expr))

    def _print_Rational(self, expr: sympy.Rational) -> str:  # noqa: N802
        return f"({expr.p}/{expr.q})"

    def _print_log(self, expr: sympy.Expr) -> str:
        (argument,) = expr.args
        if argument == SYMBOLS.h:
            return "log_h"
        if argument == SYMBOLS.rest:
            return "log_r"
        if not argument.free_symbols - {SYMBOLS.n}:
            return f"math.log({self._print(argument)})"
        return f"torch.log({self._print(argument)})"

    def _print_Abs(self, expr: sympy.Expr) -> str:  # noqa: N802
        return f"torch.abs({self._print(expr.args[0])})"

    def _print_Max(self, expr: sympy.Expr) -> str:  # noqa: N802
        return self._bounded(expr, "min", "torch.maximum")

    def _print_Min(self, expr: sympy.Expr) -> str:  # noqa: N802
        return self._bounded(expr, "max", "torch.minimum")

    def _print_sign(self, expr: sympy.Expr) -> str:
        return f"torch.sign({self._print(expr.args[0])})"

    def _print_tanh(self, expr: sympy.Expr) -> str:
        return f"torch.tanh({self._print(expr.args[0])})"

    def _print_Pow(self, expr: sympy.Pow, rational: bool = False) -> str:  # noqa: N802
        base, exponent = expr.args
        if base == SYMBOLS.h and not (exponent.is_Integer and exponent > 0):
            function = "bounded_exp" if exponent.is_negative else "torch.exp"
            return f"{function}({self._print(exponent * sympy.Symbol('log_h'))})"
        text = self.parenthesize(base, PRECEDENCE["Pow"])
        if exponent == -1:
            return f"1/{text}"
        if base == SYMBOLS.rest and not exponent.is_Integer:
            text = "r.clamp_min(torch.finfo(r.dtype).tiny)"  # a gradient of zero, not NaN, at h = 1
        return f"{text}**{self.parenthesize(exponent, PRECEDENCE['Pow'])}"

    def _print_Mul(self, expr: sympy.Mul) -> str:  # noqa: N802
        powers = [part for part in expr.args if part.as_base_exp()[0] == SYMBOLS.h]
        if not any(power.as_base_exp()[1].is_negative for power in powers):
            return str(super()._print_Mul(expr))
        others = expr / sympy.Mul(*powers)
        return "*".join(self.parenthesize(part, PRECEDENCE["Mul"]) for part in (others, *powers))

    def _bounded(self, expr: sympy.Expr, side: str, function: str) -> str:
        numbers = [part for part in expr.args if part.is_number]
        text, *others = [self._print(part) for part in expr.args if not part.is_number]
        for other in others:
            text = f"{function}({text}, {other})"
        for number in numbers:
            text = f"torch.clamp({text}, {side}={self._print(number)})"
        return str(text)


def _wrapped(form: ClosedForm, printer: TorchPrinter) -> str:
    """The expression on as many lines as it needs; each term on its own if they are few."""
    first, *others = [_spaced(printer.doprint(term)) for term in form.entry.as_ordered_terms()]
    rest = [f"- {term[1:]}" if term.startswith("-") else f"+ {term}" for term in others]
    if len(rest) < 12 and all(len(line) <= _WIDTH for line in (first, *rest)):
        return "\n".join([first, *rest])
    text = " ".join([first, *rest])
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)


def _spaced(code: str) -> str:
    """Products and quotients with spaces around their signs, powers without."""
    return re.sub(r"(?<!\*)([*/])(?!\*)", r" \1 ", code)


def _over_entries(form: ClosedForm, written: Notation) -> str:
    total = written.mean if form.over == "mean" else written.sum
    if form.scale == 1.0 and form.offset == 0.0:
        return total
    return f"{form.scale!r} * ({total} - {form.offset!r})"


def _notes(ready: ReadyLoss, written: Notation) -> str:
    """What the letters of the formula stand for."""
    text = written.letters
    if re.search(r"\bp\b", ready.formula):
        text += ", p the probability of the target"
    if ready.artifact is None and ready.loss.extra_repr():
        text += f"; {ready.loss.extra_repr()}"
    return textwrap.fill(text + ".", 96)


def _quotable(text: str) -> str:
    """Text that can't end the docstring it is put into: a file's provenance says anything."""
    return " ".join(text.replace("\\", "/").replace('"', "'").split())
