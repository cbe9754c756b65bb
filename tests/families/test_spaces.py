import random

import numpy as np
import pytest
import torch
from walking import concrete_subclasses

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import NamedLosses
from lightning_lossmeta.families import (
    ExpressionFamily,
    FiniteSpace,
    MetaLossNetworkFamily,
    NetworkFamily,
    NetworkSpace,
    NormalisedFamily,
    Space,
    TaylorFamily,
    VectorSpace,
)
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError

FAMILIES = [
    TaylorFamily(start="mse"),
    TaylorFamily(order=4, convention="robust", problem="regression"),
    NetworkFamily([3, 2]),
    MetaLossNetworkFamily(start="random"),
    ExpressionFamily(),
    ExpressionFamily(max_height=1, max_nodes=3),
    ExpressionFamily("regression", max_height=3, max_nodes=9, progress=True),
    NormalisedFamily(TaylorFamily(), 3),
    NamedLosses({"CE": CrossEntropy(), "MSE": MeanSquaredError()}),
]


def _id(family):
    return type(family.space).__name__


def test_every_kind_of_space_is_here():
    assert {type(family.space) for family in FAMILIES} == set(concrete_subclasses(Space))


@pytest.mark.parametrize("family", FAMILIES, ids=_id)
def test_samples_belong_to_the_family(family):
    inner = getattr(family, "family", family)  # a random loss may be one that nothing normalises
    for seed in range(50):
        candidate = family.space.sample(seed)
        assert inner.read(inner.build(candidate)) == candidate
        assert all(type(value) is float for value in candidate.theta)
        assert len(family.space.theta_names(candidate)) == len(candidate.theta)


@pytest.mark.parametrize("family", FAMILIES, ids=_id)
def test_one_seed_is_one_sample_and_a_generator_goes_on(family):
    space = family.space
    assert space.sample(7) == space.sample(7) == space.sample(np.random.default_rng(7))
    assert len({space.sample(seed) for seed in range(40)}) > 1
    one, other = (np.random.default_rng(3) for _ in range(2))
    drawn = [space.sample(one) for _ in range(40)]
    assert drawn == [space.sample(other) for _ in range(40)]
    assert len(set(drawn)) > 1


@pytest.mark.parametrize("family", FAMILIES, ids=_id)
def test_global_random_state_is_left_alone(family):
    before = random.getstate(), np.random.get_state()[1].copy(), torch.get_rng_state()
    family.space.sample(0)
    family.space.sample(np.random.default_rng(0))
    assert random.getstate() == before[0]
    assert np.array_equal(np.random.get_state()[1], before[1])
    assert torch.equal(torch.get_rng_state(), before[2])


def test_a_vector_is_the_start_with_noise():
    space = VectorSpace(("a", "b"), (1.0, -2.0))
    noise = np.random.default_rng(5).standard_normal(2)
    expected = np.array([1.0, -2.0]) + 0.25 * noise
    assert space.sample(5, sigma=0.25) == Candidate(None, tuple(expected.tolist()))
    assert space.sample(5, sigma=0.0).theta == space.start


def test_a_network_is_as_it_is_initialised():
    space = NetworkSpace.of((2, 4, 1))
    seed = int(np.random.default_rng(5).integers(2**63))
    assert space.sample(5).theta == space.sample(5, sigma=9.0).theta == space.draw(seed)


def test_all_of_a_finite_space_come_up():
    space = FiniteSpace(("a", "b", "c"))
    counts = np.unique([space.sample(seed).structure for seed in range(600)], return_counts=True)[1]
    assert counts.min() > 150
    assert len(counts) == 3


def test_refuses():
    with pytest.raises(ValueError, match="one length, got 2 names of 1 coordinates"):
        VectorSpace(("a", "b"), (1.0,))
    with pytest.raises(ValueError, match="`structures` to hold at least one, got none"):
        FiniteSpace(())
