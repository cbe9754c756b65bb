"""The hand-made losses of each link, which learned ones are held against."""

from __future__ import annotations

from functools import singledispatch

from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.binary import BinaryCrossEntropy
from lightning_lossmeta.losses.cross_entropy import CrossEntropy
from lightning_lossmeta.losses.distance import MeanSquaredError
from lightning_lossmeta.losses.links import Identity, Link, Sigmoid, Softmax
from lightning_lossmeta.losses.regression import (
    RegressionAbsoluteError,
    RegressionHuber,
    RegressionSquaredError,
)


@singledispatch
def baseline_losses(link: Link) -> dict[str, LossFunction]:
    """The losses that learned ones of a link are held against, by name; the default comes first.

    Raises:
        TypeError: If no baselines are known of such a link.

    >>> list(baseline_losses(Softmax())), list(baseline_losses(Sigmoid()))
    (['cross-entropy', 'MSE'], ['binary cross-entropy'])
    """
    raise TypeError(f"Expected a link that baselines are known of, got {link!r}.")


@baseline_losses.register
def _(link: Softmax) -> dict[str, LossFunction]:
    return {"cross-entropy": CrossEntropy(), "MSE": MeanSquaredError()}


@baseline_losses.register
def _(link: Sigmoid) -> dict[str, LossFunction]:
    return {"binary cross-entropy": BinaryCrossEntropy()}


@baseline_losses.register
def _(link: Identity) -> dict[str, LossFunction]:
    return {
        "squared error": RegressionSquaredError(),
        "absolute error": RegressionAbsoluteError(),
        "Huber": RegressionHuber(),
    }
