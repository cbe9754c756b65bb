"""What features a loss led a network to: on the plane, and how far its classes lie apart."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score

_COMPONENTS = 50
_PERPLEXITY = 30.0


def tsne(features: npt.ArrayLike, seed: int) -> npt.NDArray[np.float64]:
    """Features of a network on the plane, by PCA to 50 components and then t-SNE.

    Features are centred but not standardised: units that hardly vary would count as much as those
    that tell the classes apart. Perplexity is 30, or a third of the other points if there are few.
    The same seed gives the same points on the same machine. Features that are all alike, of a
    collapsed network, come to lie on one point.

    Args:
        features: ``(N, D)``, N at least 4 and D at least 2; an array, or a tensor on the CPU that
            needs no gradient.
        seed: At least 0.

    Returns:
        ``(N, 2)``. Its axes have no meaning, and neither have distances between far clusters.

    Raises:
        ValueError: If the shape is another, or a feature is not finite.

    Source: Van der Maaten & Hinton (2008); figure 12 of Raymond et al. (2024).
    """
    table = _features(features)
    if table.shape[0] < 4 or table.shape[1] < 2:
        raise ValueError(
            "Expected argument `features` to hold at least 4 samples of at least 2 features, got "
            f"shape {table.shape}."
        )
    if not np.ptp(table, axis=0).any():
        return np.zeros((len(table), 2))
    if table.shape[1] > _COMPONENTS:
        components = min(_COMPONENTS, len(table))
        table = PCA(components, svd_solver="full").fit_transform(table)
    perplexity = min(_PERPLEXITY, (len(table) - 1) / 3)
    model = TSNE(perplexity=perplexity, init="pca", learning_rate="auto", random_state=seed)
    return np.asarray(model.fit_transform(table), dtype=np.float64)


def silhouette(features: npt.ArrayLike, labels: npt.ArrayLike) -> float:
    """How much nearer samples lie to their own class than to the next: the mean silhouette.

    With a the mean distance of a sample to its class, and b that to the nearest other class ::

        s = mean (b - a) / max(a, b)

    from -1 to 1; 0 for features that are all alike. Of the features themselves, not of their t-SNE,
    whose distances mean little, and not standardised, as in :func:`tsne`.

    Args:
        features: ``(N, D)``, as for :func:`tsne`.
        labels: True classes ``(N,)``.

    Returns:
        s, or NaN if it is not defined: with one class alone, or as many classes as samples.

    Raises:
        ValueError: If the shapes don't fit, or a feature is not finite.

    Source: Rousseeuw (1987).

    >>> round(silhouette([[0.0], [1.0], [9.0], [10.0]], [0, 0, 1, 1]), 4)
    0.8885
    """
    table, target = _features(features), np.asarray(labels)
    if target.shape != (len(table),):
        raise ValueError(
            f"Expected argument `labels` to be of shape ({len(table)},), got {target.shape}."
        )
    if not 1 < len(np.unique(target)) < len(table):
        return math.nan
    return float(silhouette_score(table, target))


def _features(features: npt.ArrayLike) -> npt.NDArray[np.float64]:
    table = np.asarray(features, dtype=np.float64)
    if table.ndim != 2:
        raise ValueError(
            f"Expected argument `features` to be of shape (N, D), got {table.shape}; flatten them."
        )
    if not np.isfinite(table).all():
        raise ValueError(
            "Expected argument `features` to hold finite numbers, got some that are not; leave out "
            "a network whose training diverged."
        )
    return table
