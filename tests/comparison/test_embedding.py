import math

import numpy as np
import pytest
import torch

from lightning_lossmeta.comparison.embedding import silhouette, tsne


def blobs(classes=3, each=20, features=60, distance=20.0):
    generator = np.random.default_rng(0)
    centres = distance * generator.normal(size=(classes, features)) / math.sqrt(features)
    labels = np.repeat(np.arange(classes), each)
    return centres[labels] + generator.normal(size=(len(labels), features)), labels


def silhouette_by_hand(x, labels):
    distances = np.linalg.norm(x[:, None] - x[None], axis=-1)
    values = []
    for i, own in enumerate(labels):
        same = (labels == own) & (np.arange(len(x)) != i)
        a = distances[i, same].mean()
        b = min(distances[i, labels == other].mean() for other in set(labels) - {own})
        values.append((b - a) / max(a, b))
    return np.mean(values)


@pytest.mark.parametrize("features", [2, 60, 500])
def test_clusters_stay_together_and_the_seed_decides(features):
    x, labels = blobs(features=features)
    first = tsne(x, seed=1)
    assert first.shape == (60, 2)
    assert np.isfinite(first).all()
    distances = np.linalg.norm(first[:, None] - first[None], axis=-1)
    np.fill_diagonal(distances, np.inf)
    assert (labels[distances.argmin(axis=1)] == labels).mean() > 0.9
    np.testing.assert_array_equal(first, tsne(x, seed=1))


def test_features_are_not_standardised():
    # One unit of 20 tells the classes apart; scaled to unit variance it would be one among many.
    generator = np.random.default_rng(0)
    labels = np.repeat([0, 1], 30)
    x = 0.1 * generator.normal(size=(60, 20))
    x[:, 0] += 10 * labels
    points = tsne(x, seed=0)
    assert silhouette(points, labels) > 0.4
    scaled = (x - x.mean(axis=0)) / x.std(axis=0)
    assert silhouette(scaled, labels) < 0.3 < 0.9 < silhouette(x, labels)


def test_tensors_and_few_samples():
    x = torch.randn(4, 8, generator=torch.Generator().manual_seed(0))
    np.testing.assert_array_equal(tsne(x, 0), tsne(x.double().numpy(), 0))


def test_a_collapsed_network_lies_on_one_point():
    np.testing.assert_array_equal(tsne(np.full((10, 64), 0.1), 0), np.zeros((10, 2)))
    assert silhouette(np.full((10, 64), 0.1), [0, 1] * 5) == 0


def test_units_that_are_dead_do_no_harm():
    x, _ = blobs(features=2)
    dead = np.concatenate([x, np.zeros((60, 100))], axis=1)
    assert np.isfinite(tsne(dead, 0)).all()


def test_silhouette_is_its_definition():
    x, labels = blobs(classes=4, each=7, features=5, distance=2.0)
    assert silhouette(x, labels) == pytest.approx(silhouette_by_hand(x, labels))
    assert silhouette(1e6 * x, labels) == pytest.approx(silhouette(x, labels))
    mixed = np.random.default_rng(1).permutation(labels)
    assert silhouette(x, mixed) < 0.05 < silhouette(x, labels)


def test_silhouette_is_undefined():
    assert math.isnan(silhouette(np.eye(4), [2, 2, 2, 2]))
    assert math.isnan(silhouette(np.eye(4), [0, 1, 2, 3]))


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_diverged_network_is_refused(value):
    x = np.zeros((10, 3))
    x[3, 1] = value
    with pytest.raises(ValueError, match="leave out a network whose training diverged"):
        tsne(x, 0)
    with pytest.raises(ValueError, match="leave out a network whose training diverged"):
        silhouette(x, [0, 1] * 5)


@pytest.mark.parametrize("shape", [(3, 5), (10, 1)])
def test_tsne_needs_samples_and_features(shape):
    with pytest.raises(ValueError, match="at least 4 samples of at least 2 features, got shape"):
        tsne(np.ones(shape), 0)


def test_shapes_are_checked():
    with pytest.raises(ValueError, match=r"of shape \(N, D\), got \(2, 3, 4\); flatten them"):
        tsne(np.ones((2, 3, 4)), 0)
    with pytest.raises(ValueError, match=r"`labels` to be of shape \(5,\), got \(4,\)"):
        silhouette(np.ones((5, 2)), [0, 1, 0, 1])
