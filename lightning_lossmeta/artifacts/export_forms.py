"""Losses as symbolic expressions of one class or entry, the common source of all exports."""

from __future__ import annotations

import operator
from dataclasses import dataclass, field, replace
from functools import singledispatch
from typing import Any, Literal, NamedTuple

import sympy
from sympy import Abs, Expr, Float, Max, Min, Symbol, log

from lightning_lossmeta import losses
from lightning_lossmeta.artifacts.export_error import ExportError, check_exportable
from lightning_lossmeta.artifacts.zoo import ReadyLoss
from lightning_lossmeta.families import HandMadeFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.links import Identity, Link, Softmax


class Symbols(NamedTuple):
    """The variables of an expression of probabilities.

    ``rest`` stands for 1 - h: where h is near 1, code has to compute it from log h.
    """

    h: Symbol
    y: Symbol
    n: Symbol
    rest: Symbol


@dataclass(frozen=True)
class ClosedForm:
    """A loss written entry by entry: ``scale * (mean or sum over k of entry - offset)``.

    Args:
        entry: An expression of the :data:`SYMBOLS`, or of the link's, evaluated at entry k.
        over: How the entries, of which each class has one, are put together.
        scale: What a normalised loss is multiplied by.
        offset: What a normalised loss is lowered by.
        link: Says whether predictions are probabilities of classes, of labels, or numbers.
    """

    entry: Expr
    over: Literal["mean", "sum"] = "mean"
    scale: float = 1.0
    offset: float = 0.0
    link: Link = field(default_factory=Softmax)


def _symbols() -> Symbols:
    h, y = Softmax().symbols()
    return Symbols(h, y, Symbol("n", positive=True), Symbol("r", nonnegative=True))


SYMBOLS = _symbols()
_H, _Y, _N, _REST = SYMBOLS
_ERROR = operator.sub(*Identity().symbols())


def closed_form(ready: ReadyLoss) -> ClosedForm:
    """The expression of a loss.

    Args:
        ready: A learned loss, whose family is asked, or a hand-made one.

    Raises:
        ExportError: If the loss is not written class by class or entry by entry.

    >>> from lightning_lossmeta.artifacts.zoo import find_loss
    >>> closed_form(find_loss("mse")).entry
    (h - y)**2
    """
    check_exportable(ready.name, ready.loss)
    artifact = ready.artifact
    try:
        if artifact is None:
            return _baseline_form(ready.loss)
        if isinstance(artifact.family, HandMadeFamily):
            return _baseline_form(ready.loss)
        expression = artifact.family.expression(artifact.candidate)
    except NotImplementedError:
        raise ExportError(
            f"'{ready.name}' is not a mean or sum over classes, each by itself, as this format "
            "needs it: try --format onnx."
        ) from None
    form = ClosedForm(expression, link=ready.loss.link)
    if artifact.normalisation is None:
        return form
    return replace(form, scale=artifact.normalisation.scale, offset=artifact.normalisation.offset)


@singledispatch
def _baseline_form(loss: LossFunction) -> ClosedForm:
    raise NotImplementedError


def _target_only(expression: Any) -> ClosedForm:
    """The form sum_k y_k f(h_k), of losses that look at the target class alone."""
    return ClosedForm(_Y * expression, "sum")


@_baseline_form.register
def _(loss: losses.CrossEntropy) -> ClosedForm:
    return _target_only(-log(_H))


@_baseline_form.register
def _(loss: losses.BinaryCrossEntropy) -> ClosedForm:
    return ClosedForm(-_Y * log(_H) - (1 - _Y) * log(_REST), link=loss.link)


@_baseline_form.register
def _(loss: losses.RegressionSquaredError) -> ClosedForm:
    return ClosedForm(_ERROR**2, link=loss.link)


@_baseline_form.register
def _(loss: losses.RegressionAbsoluteError) -> ClosedForm:
    return ClosedForm(Abs(_ERROR), link=loss.link)


@_baseline_form.register
def _(loss: losses.RegressionHuber) -> ClosedForm:
    small = Min(Abs(_ERROR), _number(loss.delta))
    return ClosedForm(small * (Abs(_ERROR) - small / 2), link=loss.link)


@_baseline_form.register
def _(loss: losses.LabelSmoothing) -> ClosedForm:
    return ClosedForm(-(_Y * Float(1 - loss.xi) + Float(loss.xi) / _N) * log(_H), "sum")


@_baseline_form.register
def _(loss: losses.Focal) -> ClosedForm:
    return _target_only(-(_REST ** _number(loss.gamma)) * log(_H))


@_baseline_form.register
def _(loss: losses.Poly1) -> ClosedForm:
    return _target_only(-log(_H) + _number(loss.epsilon) * _REST)


@_baseline_form.register
def _(loss: losses.MeanSquaredError) -> ClosedForm:
    return ClosedForm((_H - _Y) ** 2, "mean")


@_baseline_form.register
def _(loss: losses.MeanAbsoluteError) -> ClosedForm:
    return ClosedForm(Abs(_H - _Y), "sum")


@_baseline_form.register
def _(loss: losses.GeneralizedCrossEntropy) -> ClosedForm:
    return _target_only((1 - _H ** _number(loss.q)) / _number(loss.q))


@_baseline_form.register
def _(loss: losses.TruncatedGeneralizedCrossEntropy) -> ClosedForm:
    base = Max(_H, Float(loss.k))
    return _target_only((1 - base ** _number(loss.q)) / _number(loss.q))


@_baseline_form.register
def _(loss: losses.AsymmetricGeneralizedCrossEntropy) -> ClosedForm:
    a, q = _number(loss.a), _number(loss.q)
    return _target_only(((a + 1) ** q - (a + _H) ** q) / q)


@_baseline_form.register
def _(loss: losses.AsymmetricUnhinged) -> ClosedForm:
    a, q = _number(loss.a), _number(loss.q)
    return _target_only(((a - _H) ** q - (a - 1) ** q) / q)


@_baseline_form.register
def _(loss: losses.SymmetricCrossEntropy) -> ClosedForm:
    reverse = -_H * Max(log(_Y), _number(loss.log_zero))
    return ClosedForm(-_number(loss.alpha) * _Y * log(_H) + _number(loss.beta) * reverse, "sum")


@_baseline_form.register
def _(loss: losses.BootstrapSoft) -> ClosedForm:
    mixture = Float(loss.beta) * _Y + Float(1 - loss.beta) * _H
    return ClosedForm(-mixture * log(_H), "sum")


@_baseline_form.register
def _(loss: losses.Baikal) -> ClosedForm:
    return ClosedForm(-log(_H) + _Y / _H, "mean")


@_baseline_form.register
def _(loss: losses.AbsoluteCrossEntropy) -> ClosedForm:
    return _target_only(_number(loss.phi0) * Abs(log(_H) + log(_number(loss.phi1)).evalf()))


@_baseline_form.register
def _(loss: losses.SparseLabelSmoothing) -> ClosedForm:
    share, others = _share(loss.xi), _log_of_others(loss.eps)
    return _target_only((share - 1) * log(_H) - share * others)


@_baseline_form.register
def _(loss: losses.FocalSparseLabelSmoothing) -> ClosedForm:
    share, others, gamma = _share(loss.xi), _log_of_others(loss.eps), _number(loss.gamma)
    return _target_only(_REST**gamma * (share - 1) * log(_H) - _H**gamma * share * others)


def _share(xi: float) -> Any:
    return Float(xi) * (_N - 1) / _N


def _log_of_others(eps: float) -> Any:
    return log(_REST + Float(eps)) - log(_N - 1)


def _number(value: float) -> Any:
    """A number, whole ones as integers: powers of them are products, a factor 1 is left out."""
    return sympy.Integer(int(value)) if float(value).is_integer() else Float(value)
