"""Noise that depends on the sample, against the published algorithm in NumPy."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr, truncnorm

from lightning_lossmeta.data import InstanceNoise, Split
from lightning_lossmeta.data.noise.instance import _other_class


def _split(sizes, features=6, seed=0):
    generator = torch.Generator().manual_seed(seed)
    targets = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    return Split(torch.randn(len(targets), features, generator=generator), targets)


@given(
    sizes=st.lists(st.integers(0, 30), min_size=2, max_size=6).filter(any),
    rate=st.one_of(st.sampled_from([0.0, 1e-9, 0.999]), st.floats(0, 1, exclude_max=True)),
    std=st.sampled_from([1e-6, 0.1, 3.0]),
    seed=st.integers(0, 2**32 - 1),
)
def test_exactly_as_many_flip(sizes, rate, std, seed):
    split = _split(sizes)
    noisy = InstanceNoise(rate, std).apply(split, len(sizes), seed)
    assert int(noisy.flipped.sum()) == round(rate * len(split.targets))


@pytest.mark.parametrize("scale", [0.0, 1.0, 1e6])
def test_inputs_of_any_size(scale):
    split = _split([50] * 5)
    split = Split(split.inputs * scale, split.targets)
    assert int(InstanceNoise(0.4).apply(split, 5, 0).flipped.sum()) == 100


def test_equal_samples_of_a_class_go_the_same_way_and_classes_go_their_own():
    """With far inputs the softmax is all on one class, which the own class's projection decides."""
    inputs = 1e5 * torch.randn(1, 20, generator=torch.Generator().manual_seed(1))
    split = Split(inputs.expand(300, -1), torch.arange(300) % 3)
    ways = set()
    for seed in range(6):
        noisy = InstanceNoise(0.5).apply(split, 3, seed)
        for label in range(3):
            went = noisy.targets[noisy.flipped & (split.targets == label)].unique().tolist()
            assert len(went) == 1
            ways.add((label, *went))
    assert len(ways) > 3


def test_other_classes_are_drawn_from_the_softmax_without_the_own():
    scores = torch.tensor([0.5, -1.0, 2.0, 0.0])
    drawn = _other_class(scores.repeat(60_000, 1), 2, torch.Generator().manual_seed(0))
    expected = np.exp([0.5, -1.0, -np.inf, 0.0])
    found = drawn.bincount(minlength=4).numpy() / 60_000
    assert np.allclose(found, expected / expected.sum(), atol=0.01)


def test_the_samples_rates_are_those_of_the_published_draw():
    """The share of seeds in which a sample flips has the mean of the rates, and their order."""
    size, rate, std = 2000, 0.3, 0.1
    rates, lead = [], []
    for seed in range(40):
        generator = torch.Generator().manual_seed(seed)
        chosen = InstanceNoise(rate, std)._chosen(size, generator)
        own = torch.empty(size, dtype=torch.float64)
        torch.nn.init.trunc_normal_(
            own, rate, std, 0.0, 1.0, generator=torch.Generator().manual_seed(seed)
        )
        rates.append(own.numpy())
        lead.append(np.isin(np.arange(size), chosen.numpy()))
    rates, lead = np.concatenate(rates), np.concatenate(lead)
    law = truncnorm(-rate / std, (1 - rate) / std, loc=rate, scale=std)
    assert abs(rates.mean() - law.mean()) < 0.002
    assert abs(rates.std() - law.std()) < 0.002
    edges = np.quantile(rates, np.linspace(0, 1, 9))
    part = np.clip(np.searchsorted(edges, rates) - 1, 0, 7)
    shares = [lead[part == k].mean() for k in range(8)]
    means = [rates[part == k].mean() for k in range(8)]
    assert np.allclose(shares, means, atol=0.02)  # P(flip) = q, although the count is exact
    assert spearmanr(rates, lead).statistic > 0.1


@pytest.mark.parametrize("std", [0, -1.0, float("inf"), float("nan"), True])
def test_spreads_that_are_none_are_refused(std):
    with pytest.raises(ValueError, match="`std` to be above 0 and finite"):
        InstanceNoise(0.2, std)
