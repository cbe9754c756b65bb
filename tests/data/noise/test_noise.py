"""Noise by class: exact counts, fair targets, and nothing drawn from the global generators."""

import random

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare
from walking import concrete_subclasses, each_example

from lightning_lossmeta.data import (
    InstanceNoise,
    LabelFileNoise,
    LabelNoise,
    PairFlipNoise,
    Split,
    SymmetricNoise,
    TransitionNoise,
    empirical_transition,
)

RATES = st.one_of(
    st.sampled_from([0.0, 1e-9, 1e-4, 0.5, 0.999, 1 - 2**-53]), st.floats(0, 1, exclude_max=True)
)
SIZES = st.lists(st.integers(0, 40), min_size=2, max_size=8).filter(any)
each_noise = pytest.mark.parametrize("make", each_example(LabelNoise))


def make_split(sizes, seed=0):
    """Samples of as many classes as there are sizes, in any order."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.repeat_interleave(torch.arange(len(sizes)), torch.tensor(sizes))
    targets = targets[torch.randperm(len(targets), generator=generator)]
    return Split(torch.randn(len(targets), 5, generator=generator), targets)


@given(sizes=SIZES, rate=RATES, seed=st.integers(0, 2**32 - 1))
def test_symmetric_noise_flips_exactly_as_many_and_each_class_its_share(sizes, rate, seed):
    split = make_split(sizes)
    noisy = SymmetricNoise(rate).apply(split, len(sizes), seed)
    assert int(noisy.flipped.sum()) == round(rate * len(split.targets))
    by_class = split.targets[noisy.flipped].bincount(minlength=len(sizes)).tolist()
    for flipped, size in zip(by_class, sizes, strict=True):
        assert abs(flipped - rate * size) < 1 + 1e-9


@given(sizes=SIZES, rate=RATES, seed=st.integers(0, 2**32 - 1), data=st.data())
def test_pair_flips_go_to_the_partner_alone(sizes, rate, seed, data):
    split, n = make_split(sizes), len(sizes)
    listed = data.draw(st.sets(st.integers(0, n - 1), min_size=1))
    pairs = {k: (k + data.draw(st.integers(1, n - 1))) % n for k in listed}
    for noise, partner in (
        (PairFlipNoise(rate), {k: (k + 1) % n for k in range(n)}),
        (PairFlipNoise(rate, pairs), pairs),
    ):
        noisy = noise.apply(split, n, seed)
        assert int(noisy.flipped.sum()) == round(rate * sum(sizes[k] for k in partner))
        flips = split.targets[noisy.flipped].tolist(), noisy.targets[noisy.flipped].tolist()
        assert all(partner[old] == new for old, new in zip(*flips, strict=True))


@given(sizes=SIZES, seed=st.integers(0, 2**32 - 1), shares=st.lists(st.integers(0, 9), min_size=64))
def test_a_matrix_is_followed_to_within_one_sample_a_cell(sizes, seed, shares):
    n = len(sizes)
    matrix = np.array(shares[: n * n], dtype=float).reshape(n, n)
    matrix += np.eye(n) * (matrix.sum(axis=1, keepdims=True) == 0)
    matrix /= matrix.sum(axis=1, keepdims=True)
    split = make_split(sizes)
    noisy = TransitionNoise(matrix.tolist()).apply(split, n, seed)
    cells = np.zeros((n, n))
    np.add.at(cells, (split.targets.numpy(), noisy.targets.numpy()), 1)
    assert (np.abs(cells - matrix * np.array(sizes)[:, None]) < 1 + 1e-9).all()
    assert not cells[matrix == 0].any()


def test_the_targets_of_symmetric_flips_are_uniform():
    """Chi-square over the n (n - 1) ways to flip, on 18 seeds: each is a draw of its own."""
    split, counts = make_split([2000] * 4), torch.zeros(16)
    for seed in range(18):
        noisy = SymmetricNoise(0.5).apply(split, 4, seed)
        ways = split.targets * 4 + noisy.targets
        counts += ways[noisy.flipped].bincount(minlength=16)
    ways = counts[~torch.eye(4, dtype=torch.bool).flatten()]
    assert len(ways) == 12
    assert int(ways.sum()) == 18 * 4000
    assert chisquare(ways.numpy()).pvalue > 1e-3


def test_who_flips_is_uniform_too():
    """200 flips of 40 samples at rate 0.25: each sample flips 50 times, give or take."""
    split, counts = make_split([20, 20]), torch.zeros(40)
    for seed in range(200):
        counts += SymmetricNoise(0.25).apply(split, 2, seed).flipped
    # Without replacement the counts vary by 1 - rate of what independent ones would.
    statistic = float(((counts - 50) ** 2).sum() / 50 / 0.75)
    assert 15 < statistic < 75


@each_noise
def test_a_seed_fixes_the_labels_and_another_changes_them(make):
    split = make_split([50, 60, 70])
    one, same, other = (make().apply(split, 3, seed) for seed in (3, 3, 4))
    assert torch.equal(one.targets, same.targets)
    assert not torch.equal(one.targets, other.targets)


@each_noise
def test_the_global_generators_are_untouched(make):
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].copy()
    labels = []
    for seed in (0, 1):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        labels.append(make().apply(make_split([30, 30, 30]), 3, 5).targets)
        assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == before[1]
    assert (np.random.get_state()[1] == before[2]).all()
    assert torch.equal(*labels)
    torch.set_rng_state(before[0])


@each_noise
def test_old_labels_inputs_and_positions_are_kept(make):
    split = make_split([40, 40, 40])
    split = Split(split.inputs, split.targets.int(), indices=torch.arange(120))
    old = split.targets.clone()
    noisy = make().apply(split, 3, 0)
    assert torch.equal(split.targets, old)
    assert torch.equal(noisy.clean, old)
    assert noisy.targets.dtype == torch.int32
    assert noisy.inputs is split.inputs
    assert noisy.indices is split.indices
    assert torch.equal(noisy.flipped, noisy.targets != old)
    assert noisy.flipped.any()


def test_further_noise_keeps_the_first_labels():
    split = make_split([50, 50])
    first = SymmetricNoise(0.5).apply(split, 2, 0)
    second = SymmetricNoise(0.5).apply(first, 2, 1)
    assert torch.equal(second.clean, split.targets)
    assert int((second.targets != first.targets).sum()) == 50


def test_a_hundred_classes():
    split = make_split([50] * 100)
    noisy = SymmetricNoise(0.8).apply(split, 100, 0)
    assert torch.allclose(empirical_transition(noisy, 100).diagonal(), torch.tensor(0.2).double())


def test_every_noise_of_the_package_is_tested_here_or_reads_a_file():
    tested = {type(parameter.values[0]()) for parameter in each_example(LabelNoise)}
    assert set(concrete_subclasses(LabelNoise)) - tested == {LabelFileNoise}


@pytest.mark.parametrize("cls", [SymmetricNoise, PairFlipNoise, InstanceNoise])
@pytest.mark.parametrize("rate", [1, 1.5, -0.1, float("nan"), True, "0.2", None])
def test_rates_that_are_none_are_refused(cls, rate):
    with pytest.raises(ValueError, match=rf"`rate` to be in \[0, 1\), got {rate!r}"):
        cls(rate)


@pytest.mark.parametrize("pairs", [{}, {1: 1}, {-1: 0}, {0: -2}])
def test_pairs_that_are_none_are_refused(pairs):
    with pytest.raises(ValueError, match=r"`pairs` to take classes to other classes.*got \{"):
        PairFlipNoise(0.1, pairs)


def test_pairs_of_classes_that_are_not_there_are_refused():
    with pytest.raises(ValueError, match=r"`pairs` to name classes in \[0, 3\), got \[3, 7\]"):
        PairFlipNoise(0.1, {0: 3, 7: 1}).apply(make_split([9, 9, 9]), 3, 0)


@pytest.mark.parametrize(
    ("matrix", "message"),
    [
        ([[0.5, 0.5]], r"a square matrix, got shape \(1, 2\)"),
        ([], "a square matrix"),
        ([[0.5, 0.4], [0, 1]], "rows summing to 0.9 to 1"),
        ([[1.5, -0.5], [0, 1]], "entries from -0.5"),
        ([[float("nan"), 1], [0, 1]], "hold probabilities"),
        ([[1, 0], [1]], "rows of numbers"),
        ("matrix", "rows of numbers, got 'matrix'"),
        (None, "rows of numbers, got None"),
    ],
)
def test_matrices_that_are_none_are_refused(matrix, message):
    with pytest.raises(ValueError, match=message):
        TransitionNoise(matrix)


def test_a_matrix_of_another_number_of_classes_is_refused():
    with pytest.raises(ValueError, match=r"`matrix` to be 4 by 4 .* got 3 by 3"):
        TransitionNoise.example().apply(make_split([5] * 4), 4, 0)


@pytest.mark.parametrize(
    ("targets", "message"),
    [
        (torch.tensor([0, 3]), r"in \[0, 3\) for 3 classes, got 0 to 3"),
        (torch.tensor([0, -1]), "got -1 to 0"),
        (torch.tensor([0.0, 1.0]), "one class index a sample, got torch.float32"),
        (torch.tensor([[0], [1]]), r"of shape \(2, 1\)"),
        (torch.tensor([], dtype=torch.int64), "at least one, got none"),
    ],
)
def test_labels_that_are_no_classes_are_refused(targets, message):
    with pytest.raises(ValueError, match=message):
        SymmetricNoise(0.1).apply(Split(torch.zeros(len(targets), 1), targets), 3, 0)


def test_one_class_has_nothing_to_flip_to():
    with pytest.raises(ValueError, match="`num_classes` to be an integer of at least 2, got 1"):
        SymmetricNoise(0.1).apply(make_split([5]), 1, 0)


class _InPlace(LabelNoise):
    def corrupt(self, split, num_classes, seed):
        split.targets[0] = 1 - split.targets[0]
        return split.targets.clone()


class _Returns(LabelNoise):
    def __init__(self, labels):
        self.labels = labels

    def corrupt(self, split, num_classes, seed):
        return torch.tensor(self.labels)


@pytest.mark.parametrize(
    ("noise", "message"),
    [
        (_InPlace(), "changed the old ones"),
        (_Returns([0, 1]), r"to make 4 labels, got \(2,\)"),
        (_Returns([0, 1, 2, 0]), r"in \[0, 2\)"),
        (_Returns([0.0, 1.0, 1.0, 0.0]), "one class index a sample"),
    ],
)
def test_a_noise_that_breaks_its_contract_is_found_out(noise, message):
    with pytest.raises(RuntimeError, match=message):
        noise.apply(make_split([2, 2]), 2, 0)
