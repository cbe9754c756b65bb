"""How files write the outputs and targets of each link."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import singledispatch

from lightning_lossmeta.artifacts.export_error import ExportError
from lightning_lossmeta.losses.links import Identity, Link, Sigmoid, Softmax


@dataclass(frozen=True)
class Notation:
    """What the letters of a formula are in code.

    Args:
        letters: What the letters stand for, in words.
        shapes: What ``forward`` takes, in words.
        output: The name of its first argument.
        entry: The name of the value of one class, or one entry.
        sympy: Lines that make SymPy's symbols.
        definitions: For each letter the code that computes it, in order.
        label: Lines that compute y.
        mean: The mean over the entries of a sample.
        sum: The sum over the entries of a sample.
        masked: A line that makes the losses of ignored samples zero, if there are any.
        counted: How many samples a mean is over.
    """

    letters: str
    shapes: str
    output: str
    entry: str
    sympy: str
    definitions: dict[str, str]
    label: str
    mean: str
    sum: str
    masked: str = ""
    counted: str = "loss.numel()"

    def lines(self, code: str) -> list[str]:
        """The definitions that an expression needs."""
        words = set(re.findall(r"\w+", code))
        for name, definition in reversed(self.definitions.items()):
            if name in words:
                words |= set(re.findall(r"\w+", definition.partition("#")[0]))
        return [f"{name} = {text}" for name, text in self.definitions.items() if name in words]


@singledispatch
def notation(link: Link) -> Notation:
    """The notation of a link.

    Raises:
        ExportError: If files know no such link.
    """
    raise ExportError(f"no format knows losses of the link {link!r}: use load_loss.")


@notation.register
def _(link: Softmax) -> Notation:
    return Notation(
        letters="h is the softmax of the logits, y the target, n the number of classes",
        shapes="Logits (B, n, ...); class indices (B, ...) or probabilities (B, n, ...).",
        output="logits",
        entry="per_class",
        sympy='h, n = symbols("h n", positive=True)\ny = symbols("y", nonnegative=True)',
        definitions={
            "log_h": "logits.log_softmax(dim=1)",
            "h": "logits.softmax(dim=1)",
            "r": "-torch.expm1(log_h)  # 1 - h",
            "log_r": "torch.log(r)",
            "n": "logits.shape[1]",
        },
        label=_CLASSES.format(ignore_index=link.ignore_index),
        mean="per_class.mean(dim=1)",
        sum="per_class.sum(dim=1)",
        masked="loss = loss.masked_fill(ignored, 0.0)\n",
        counted="(~ignored).sum()",
    )


@notation.register
def _(link: Sigmoid) -> Notation:
    return Notation(
        letters="h is the sigmoid of a logit, y its label",
        shapes="Logits (B,), (B, 1), (B, n), ...; labels from 0 to 1 of that shape.",
        output="logits",
        entry="per_entry",
        sympy='h = symbols("h", positive=True)\ny = symbols("y", nonnegative=True)',
        definitions={
            "log_h": "nn.functional.logsigmoid(logits)",
            "log_r": "nn.functional.logsigmoid(-logits)",
            "h": "logits.sigmoid()",
            "r": "(-logits).sigmoid()  # 1 - h",
            "n": "1",
        },
        label=_CHANNEL + _ONE_SHAPE.format(output="logits"),
        mean=_PER_SAMPLE.format(reduction="mean"),
        sum=_PER_SAMPLE.format(reduction="sum"),
    )


@notation.register
def _(link: Identity) -> Notation:
    return Notation(
        letters="f is the output, y the target",
        shapes="Numbers (B, ...), both of one shape.",
        output="output",
        entry="per_entry",
        sympy='f, y = symbols("f y", real=True)',
        definitions={"f": "output"},
        label=_ONE_SHAPE.format(output="output"),
        mean=_PER_SAMPLE.format(reduction="mean"),
        sum=_PER_SAMPLE.format(reduction="sum"),
    )


_CLASSES = """\
if target.is_floating_point():
    y, ignored = target.to(logits.dtype), torch.zeros_like(logits[:, 0], dtype=torch.bool)
else:
    ignored = target == {ignore_index}
    index = target.long().masked_fill(ignored, 0)
    y = nn.functional.one_hot(index, logits.shape[1]).movedim(-1, 1).to(logits.dtype)"""
_CHANNEL = """\
if logits.shape[1:2] == (1,) and target.ndim == logits.ndim - 1:
    target = target.unsqueeze(1)
"""
_ONE_SHAPE = """\
if {output}.shape != target.shape:
    raise ValueError(f"Expected one shape, got {{{output}.shape}} and {{target.shape}}.")
y = target.to({output}.dtype)"""
_PER_SAMPLE = "(per_entry.flatten(1).{reduction}(dim=1) if per_entry.ndim > 1 else per_entry)"
