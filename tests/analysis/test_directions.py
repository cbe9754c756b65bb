"""Filter normalisation against NumPy, and the width of curves whose width is known."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from lightning_lossmeta.analysis.directions import (
    alphas_of,
    filter_normalised_direction,
    flatness,
)


def network(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten(), nn.Linear(12, 4)
    )


def test_each_filter_is_as_long_as_the_networks_own():
    module = network()
    found = filter_normalised_direction(module, torch.Generator().manual_seed(5))
    assert list(found) == ["0.weight", "4.weight"]  # neither biases nor BatchNorm's parameters
    generator = torch.Generator().manual_seed(5)
    for name, direction in found.items():
        own = module.get_parameter(name).detach().numpy().astype(np.float64)
        drawn = torch.randn(own.shape, generator=generator).numpy().astype(np.float64)
        for j in range(len(own)):
            expected = drawn[j] / np.sqrt((drawn[j] ** 2).sum()) * np.sqrt((own[j] ** 2).sum())
            np.testing.assert_allclose(direction[j].numpy(), expected, rtol=2e-6)


def test_networks_of_one_seed_go_the_same_way():
    first, second = (
        filter_normalised_direction(network(seed), torch.Generator().manual_seed(1))
        for seed in (0, 1)
    )
    ratio = first["4.weight"] / second["4.weight"]
    assert (ratio > 0).all()
    torch.testing.assert_close(ratio, ratio[:, :1].expand_as(ratio))
    other = filter_normalised_direction(network(), torch.Generator().manual_seed(2))
    assert not torch.equal(other["4.weight"].sign(), first["4.weight"].sign())


def test_a_filter_of_zeros_stays_and_global_random_state_too():
    module = nn.Linear(3, 2)
    nn.init.zeros_(module.weight)
    state = torch.get_rng_state()
    found = filter_normalised_direction(module, torch.Generator().manual_seed(0))
    assert torch.equal(found["weight"], torch.zeros(2, 3))
    assert torch.equal(torch.get_rng_state(), state)


def test_parts_that_are_no_layers_are_left_out():
    module = nn.ModuleDict({"network": nn.Linear(3, 2), "loss": nn.Linear(5, 5)})
    found = filter_normalised_direction(module, torch.Generator().manual_seed(0), [module["loss"]])
    assert list(found) == ["network.weight"]


def test_a_network_of_biases_alone_is_refused():
    with pytest.raises(ValueError, match="BatchNorm1d to have weights of at least two axes"):
        filter_normalised_direction(nn.BatchNorm1d(3), torch.Generator())


@given(st.floats(0.01, 0.99), st.floats(-0.9, 0.9))
def test_the_width_of_a_triangle(level, place):
    """1 - |x| is at level or above in an interval of width 2 (1 - level), whatever the grid."""
    x = np.union1d(alphas_of(41, 1.0), [place])
    found = flatness(x, 1 - np.abs(x), level)
    assert found.width == pytest.approx(2 * (1 - level))
    assert found.low == pytest.approx(level - 1)
    assert not found.at_edge


def test_the_width_of_a_parabola_beside_its_peak():
    """0.8 - (x - 0.1)^2 is at 90% of 0.8 between 0.1 -+ sqrt(0.08)."""
    x = alphas_of(2001, 1.0)
    found = flatness(x, 0.8 - (x - 0.1) ** 2)
    assert found.low == pytest.approx(0.1 - np.sqrt(0.08), abs=1e-6)
    assert found.high == pytest.approx(0.1 + np.sqrt(0.08), abs=1e-6)


def test_only_the_interval_around_zero_counts():
    x = [-2.0, -1.0, 0.0, 1.0, 2.0]
    assert flatness(x, [1.0, 0.0, 1.0, 0.0, 1.0], 0.5).width == pytest.approx(1.0)
    assert flatness(x, [0.0, 0.0, 0.5, 1.0, 1.0]) == (0.0, 0.0, 0.0, False)
    assert flatness(x, [0.5] * 5) == (4.0, -2.0, 2.0, True)
    assert flatness(x, [0.0, 0.0, 1.0, 1.0, 1.0], 0.5).at_edge


@pytest.mark.parametrize(
    ("alphas", "accuracy", "level", "message"),
    [
        ([0.0], [1.0], 0.9, "of one shape"),
        ([-1.0, 0.0, 1.0], [1.0, 1.0], 0.9, "of one shape"),
        ([-1.0, 1.0], [1.0, 1.0], 0.9, "to hold 0, got"),
        ([1.0, 0.0], [1.0, 1.0], 0.9, "to rise"),
        ([-1.0, 0.0], [np.nan, 1.0], 0.9, "finite"),
        ([-1.0, 0.0], [1.0, 1.0], 0.0, "`level` to be above 0"),
    ],
)
def test_curves_without_a_width_are_refused(alphas, accuracy, level, message):
    with pytest.raises(ValueError, match=message):
        flatness(alphas, accuracy, level)


def test_points_lie_around_the_trained_network():
    points = alphas_of(21, 0.3)
    assert points[10] == 0
    assert points[0] == -points[-1] == -0.3
    with pytest.raises(ValueError, match="odd number of at least 3"):
        alphas_of(20, 1.0)
    with pytest.raises(ValueError, match="`reach` to be a positive number, got nan"):
        alphas_of(3, float("nan"))
