"""Which rows are in which split."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.data.tables.rows import check_fractions, stratified_rows

_fraction = st.floats(0.05, 0.45)


@settings(deadline=None)
@given(st.lists(st.integers(3, 60), min_size=1, max_size=5), _fraction, _fraction, st.integers(0))
def test_each_split_has_its_share_of_each_class(sizes, val_fraction, test_fraction, seed):
    labels = np.random.default_rng(0).permutation(np.repeat(np.arange(len(sizes)), sizes))
    parts = stratified_rows(labels, val_fraction, test_fraction, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(labels)))
    _, val, test = (np.bincount(labels[rows], minlength=len(sizes)) for rows in parts)
    for counts, fraction in ((val, val_fraction), (test, test_fraction)):
        for size, count in zip(sizes, counts, strict=True):
            assert count >= 1
            assert count == 1 or abs(count - size * fraction) <= 0.5 + 1e-9


def test_the_seed_decides_and_nothing_else():
    labels = np.repeat([0, 1], 50)
    np.random.seed(0)
    one = stratified_rows(labels, 0.2, 0.2, seed=3)
    again, other = (stratified_rows(labels, 0.2, 0.2, seed) for seed in (3, 4))
    assert all(np.array_equal(a, b) for a, b in zip(one, again, strict=True))
    assert not np.array_equal(one[2], other[2])


@pytest.mark.parametrize("pair", [(0.0, 0.2), (0.2, 1.0), (-0.1, 0.2), (math.nan, 0.2), (0.5, 0.5)])
def test_fractions_that_leave_nothing_are_refused(pair):
    with pytest.raises(ValueError, match=r"Expected arguments? `val_fraction`|`test_fraction`"):
        check_fractions(*pair)
