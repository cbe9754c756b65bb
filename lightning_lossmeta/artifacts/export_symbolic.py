"""Losses as LaTeX, MathML and SymPy expressions."""

from __future__ import annotations

import html
import re
import textwrap

import sympy
from sympy.printing.str import StrPrinter

from lightning_lossmeta.artifacts.export_forms import SYMBOLS, ClosedForm, closed_form
from lightning_lossmeta.artifacts.export_notation import notation
from lightning_lossmeta.artifacts.zoo import ReadyLoss

# Of a MathML equation.
_TERMS_A_LINE = 3

_SYMPY_FILE = '''\
"""The loss '{name}': for each sample the {over} of {entry} over its entries.

{letters}.
"""

from sympy import {functions}

{symbols}
{entry} = (
{expression}
)
'''


def to_latex(ready: ReadyLoss, digits: int | None = None) -> str:
    r"""The loss of a sample as a LaTeX equation, in the shortest form that SymPy finds.

    Args:
        ready: A loss that is written class by class.
        digits: Round coefficients to so many significant digits.

    Raises:
        ExportError: If the loss is not written class by class.

    >>> from lightning_lossmeta.artifacts.zoo import find_loss
    >>> print(to_latex(find_loss("mse")), end="")
    \mathcal{L} = \frac{1}{n} \sum_{k=1}^{n} \left[ \left(h_{k} - y_{k}\right)^{2} \right]
    """
    form = closed_form(ready)
    body = sympy.latex(_by_class(form, digits), ln_notation=False)
    factor = r"\frac{1}{n} " if form.over == "mean" else ""
    return rf"\mathcal{{L}} = {factor}\sum_{{k=1}}^{{n}} \left[ {body} \right]" + "\n"


def to_mathml(ready: ReadyLoss, digits: int | None = None) -> str:
    """The loss of a sample as a MathML equation, for web pages.

    Args:
        ready: A loss that is written class by class.
        digits: Round coefficients to so many significant digits.

    Raises:
        ExportError: If the loss is not written class by class.

    >>> from lightning_lossmeta.artifacts.zoo import find_loss
    >>> to_mathml(find_loss("mse")).count("<msub>")
    2
    """
    form = closed_form(ready)
    body = _mathml_lines(_by_class(form, digits))
    factor = "<mfrac><mn>1</mn><mi>n</mi></mfrac>" if form.over == "mean" else ""
    below = "<mrow><mi>k</mi><mo>=</mo><mn>1</mn></mrow>"
    return (
        f'<math display="block"><mi>L</mi><mo>=</mo>{factor}'
        f"<munderover><mo>∑</mo>{below}<mi>n</mi></munderover>"
        f"<mrow><mo>[</mo>{body}<mo>]</mo></mrow></math>"
    )


def to_sympy(ready: ReadyLoss, digits: int | None = None) -> str:
    """The text of a Python file with the loss of one class or entry as a SymPy expression.

    Args:
        ready: A loss that is written class by class.
        digits: Round coefficients to so many significant digits; exact by default.

    Raises:
        ExportError: If the loss is not written class by class.
    """
    form = closed_form(ready)
    expression = _rounded(_folded(form), digits, whole=False)
    written = notation(form.link)
    text = textwrap.fill(
        ExactPrinter().doprint(expression), 92, break_long_words=False, break_on_hyphens=False
    )
    used = {part.func.__name__ for part in expression.atoms(sympy.core.function.Application)}
    used |= {"symbols", *(["sqrt"] if "sqrt(" in text else [])}
    return _SYMPY_FILE.format(
        functions=", ".join(sorted(used)),
        name="".join(c for c in ready.name if c.isalnum() or c in "._- "),
        over=form.over,
        entry=written.entry,
        letters=written.letters,
        symbols=written.sympy,
        expression=textwrap.indent(text, "    "),
    )


class ExactPrinter(StrPrinter):  # type: ignore[misc]
    """Writes floats so that they come back to the last bit."""

    def _print_Float(self, expr: sympy.Float) -> str:  # noqa: N802 - SymPy's naming
        return repr(float(expr))


def _mathml_lines(expression: sympy.Expr) -> str:
    """A sum of many terms in several lines, which no browser breaks by itself."""
    terms = expression.as_ordered_terms()
    lines: list[str] = []
    for start in range(0, len(terms), _TERMS_A_LINE):
        part = sympy.Add(*terms[start : start + _TERMS_A_LINE], evaluate=False)
        negative = part.as_ordered_terms()[0].could_extract_minus_sign()
        sign = "<mo>+</mo>" if lines and not negative else ""
        text = sympy.mathml(part, printer="presentation", order="none")
        lines.append(sign + re.sub(r"&[A-Z]\w+;", lambda name: html.unescape(name[0]), text))
    if len(lines) == 1:
        return lines[0]
    rows = "".join(f"<mtr><mtd><mrow>{line}</mrow></mtd></mtr>" for line in lines)
    return f'<mtable columnalign="left">{rows}</mtable>'


def _by_class(form: ClosedForm, digits: int | None) -> sympy.Expr:
    """The shortest expression that SymPy finds, of symbols with the index k."""
    names = {symbol: sympy.Symbol(f"{symbol.name}_k") for symbol in form.link.symbols()}
    return _rounded(_shortest(_folded(form)), digits).subs(names)


def _folded(form: ClosedForm) -> sympy.Expr:
    """The expression with 1 - h for its symbol, normalised."""
    expression = form.entry.subs(SYMBOLS.rest, 1 - SYMBOLS.h)
    if form.scale == 1.0 and form.offset == 0.0:
        return expression
    return sympy.Float(form.scale) * (expression - sympy.Float(form.offset))


def _shortest(expression: sympy.Expr) -> sympy.Expr:
    """The form with the fewest operations out of as written, expanded and simplified."""
    forms = [expression, sympy.expand(expression)]
    if expression.count_ops() < 100:
        forms.append(sympy.simplify(expression))
    return min(forms, key=lambda form: form.count_ops())


def _rounded(expression: sympy.Expr, digits: int | None, whole: bool = True) -> sympy.Expr:
    """Floats with so many digits; whole numbers as such."""

    def number(value: sympy.Float) -> sympy.Expr:
        if digits is not None:
            value = sympy.Float(f"{float(value):.{digits}g}")
        if whole and value == int(value) and abs(value) < 10**6:
            return sympy.Integer(int(value))
        return sympy.Float(value, digits) if whole and digits is not None else value

    return expression.replace(lambda part: part.is_Float, number)
