import itertools
import math
import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from lightning_lossmeta.comparison.statistics import (
    average_ranks,
    cliques,
    critical_difference,
    friedman,
    holm,
    paired,
    welch,
)

NAN = math.nan
# Table 6 of Demsar (2006): AUC of C4.5, C4.5+m, C4.5+cf and C4.5+m+cf on 14 data sets. The paper
# ranks the last two of "voting" as 2 and 3, though both print as 0.975.
DEMSAR = np.array(
    [
        [0.763, 0.768, 0.771, 0.798],
        [0.599, 0.591, 0.590, 0.569],
        [0.954, 0.971, 0.968, 0.967],
        [0.628, 0.661, 0.654, 0.657],
        [0.882, 0.888, 0.886, 0.898],
        [0.936, 0.931, 0.916, 0.931],
        [0.661, 0.668, 0.609, 0.685],
        [0.583, 0.583, 0.563, 0.625],
        [0.775, 0.838, 0.866, 0.875],
        [1.000, 1.000, 1.000, 1.000],
        [0.940, 0.962, 0.965, 0.962],
        [0.619, 0.666, 0.614, 0.669],
        [0.972, 0.981, 0.9751, 0.9749],
        [0.957, 0.978, 0.946, 0.970],
    ]
)
DEMSAR_RANKS = [3.143, 2.000, 2.893, 1.964]


@pytest.fixture(autouse=True)
def _warnings_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_welch_is_scipys(alternative, scale):
    generator = np.random.default_rng(0)
    first, second = generator.normal(0.92, 0.01, 5), generator.normal(0.91, 0.03, 12)
    expected = stats.ttest_ind(first, second, equal_var=False, alternative=alternative).pvalue
    assert welch(scale * first, scale * second, alternative) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("alternative", ["greater", "less", "two-sided"])
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_paired_is_scipys(alternative, scale):
    generator = np.random.default_rng(1)
    hard = generator.normal(0.9, 0.1, 6)
    first, second = hard + generator.normal(0.01, 0.01, 6), hard
    expected = stats.ttest_rel(first, second, alternative=alternative).pvalue
    assert paired(scale * first, scale * second, alternative) == pytest.approx(expected, rel=1e-9)


def test_pairs_show_what_the_spread_over_seeds_hides():
    hard = np.array([0.5, 0.9, 0.7, 0.2, 0.8])
    better = hard + np.array([0.011, 0.009, 0.012, 0.008, 0.010])
    assert paired(better, hard) < 1e-4
    assert welch(better, hard) > 0.4


def test_pairs_need_one_length():
    with pytest.raises(ValueError, match="of one length, got 2 and 3"):
        paired([1.0, 2.0], [1.0, 2.0, 3.0])


@pytest.mark.parametrize(
    ("gain", "expected"),
    [
        (0.0, {"greater": 1, "less": 1, "two-sided": 1}),
        (0.1, {"greater": 0, "less": 1, "two-sided": 0}),
        (-0.1, {"greater": 1, "less": 0, "two-sided": 0}),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-200, 1e200])
def test_differences_that_do_not_vary(gain, expected, scale):
    base = np.array([0.3, 0.7, 0.1, 0.9])  # differences vary by rounding alone
    for alternative, p in expected.items():
        assert paired(scale * (base + gain), scale * base, alternative) == p


def test_the_tails_add_up():
    first, second = [0.3, 0.5, 0.4], [0.35, 0.2, 0.1, 0.3]
    greater, less = welch(first, second), welch(first, second, "less")
    assert greater + less == pytest.approx(1)
    assert greater < 0.1
    assert welch(first, second, "two-sided") == pytest.approx(2 * greater)
    assert welch(second, first) == pytest.approx(less)


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        ([0.1] * 3, [0.1] * 5, {"greater": 1, "less": 1, "two-sided": 1}),
        ([0.3] * 3, [0.1] * 3, {"greater": 0, "less": 1, "two-sided": 0}),
        ([0.1] * 3, [0.3] * 3, {"greater": 1, "less": 0, "two-sided": 0}),
        ([0.0] * 2, [0.0] * 2, {"greater": 1, "less": 1, "two-sided": 1}),
    ],
)
@pytest.mark.parametrize("scale", [1.0, 1e-250, 1e250])
def test_samples_that_do_not_vary(first, second, expected, scale):
    first, second = np.multiply(scale, first), np.multiply(scale, second)
    for alternative, p in expected.items():
        assert welch(first, second, alternative) == p


def test_one_sample_that_does_not_vary_is_held_against_the_other_alone():
    varied = [0.8, 0.9, 1.0, 0.7]
    expected = stats.ttest_1samp(varied, 0.7, alternative="greater").pvalue
    assert welch(varied, [0.7] * 6) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ([], [1.0, 2.0]),
        ([1.0], [1.0, 2.0]),
        ([1.0, 2.0], [1.0]),
        ([1.0, NAN, 2.0], [1.0, 2.0]),
        ([1.0, 2.0], [1.0, NAN]),
        ([1.0, 2.0], [1.0, -math.inf]),
    ],
)
def test_too_few_scores_or_a_diverged_one_tell_nothing(first, second):
    assert math.isnan(welch(first, second))
    if len(first) == len(second):
        assert math.isnan(paired(first, second))


def test_one_score_each_tells_nothing():
    assert math.isnan(paired([1.0], [0.0]))
    assert math.isnan(paired([], []))


@pytest.mark.parametrize("test", [welch, paired])
def test_tests_refuse(test):
    with pytest.raises(ValueError, match="one of greater, less, two-sided, got 'larger'"):
        test([1.0, 2.0], [1.0, 2.0], "larger")
    with pytest.raises(ValueError, match=r"`baseline` to be one-dimensional, got shape \(1, 2\)"):
        test([1.0, 2.0], [[1.0, 2.0]])


def test_holm_by_hand():
    # 4 x 0.01; 3 x 0.013 = 0.039, lifted to 0.04; 2 x 0.03; 0.8.
    np.testing.assert_allclose(holm([0.03, 0.01, 0.8, 0.013]), [0.06, 0.04, 0.8, 0.04])
    np.testing.assert_allclose(holm([0.6, 0.7]), [1, 1])
    assert holm([]).shape == (0,)


def test_tests_not_made_do_not_count():
    found = holm([NAN, 0.02, NAN, 0.01])
    np.testing.assert_allclose(found, [NAN, 0.02, NAN, 0.02])
    assert np.isnan(holm([NAN, NAN])).all()


def closed_testing(p):
    """Holm's procedure is the closure of Bonferroni's: the largest over all subsets with i."""
    count = len(p)
    subsets = [s for r in range(1, count + 1) for s in itertools.combinations(range(count), r)]
    return [
        max(min(1, len(s) * min(p[j] for j in s)) for s in subsets if i in s) for i in range(count)
    ]


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferroni(p):
    np.testing.assert_allclose(holm(p), closed_testing(p), rtol=1e-12)


@pytest.mark.parametrize("value", [-0.01, 1.01, math.inf])
def test_holm_refuses_what_is_no_probability(value):
    with pytest.raises(ValueError, match=r"`p_values` to hold numbers in \[0, 1\]"):
        holm([0.5, value])


def test_ranks_of_demsars_example():
    np.testing.assert_allclose(average_ranks(DEMSAR), DEMSAR_RANKS, atol=5e-4)
    # His chi-squared is without the correction for ties.
    squares = (average_ranks(DEMSAR) ** 2).sum()
    assert 12 * 14 / (4 * 5) * (squares - 4 * 5**2 / 4) == pytest.approx(9.28, abs=0.005)


def test_ties_share_their_ranks_and_diverged_ones_are_last():
    np.testing.assert_allclose(average_ranks([[0.5, 0.5, 0.5, 0.5]]), [2.5] * 4)
    np.testing.assert_allclose(average_ranks([[NAN, 0.1, NAN, -1e9]]), [3.5, 1, 3.5, 2])
    np.testing.assert_allclose(average_ranks([[NAN, -math.inf, 0.1]]), [2.5, 2.5, 1])
    np.testing.assert_allclose(average_ranks([[math.inf, 1.0], [NAN, NAN]]), [1.25, 1.75])


def test_friedman_is_scipys():
    assert friedman(DEMSAR) == pytest.approx(stats.friedmanchisquare(*DEMSAR.T).pvalue)
    table = np.random.default_rng(0).integers(0, 4, (20, 6))
    assert friedman(table) == pytest.approx(stats.friedmanchisquare(*table.T).pvalue)


def test_friedman_of_two_losses_is_the_sign_test_in_its_normal_form():
    # 9 wins of 10: z = (9 - 5) / sqrt(10 / 4).
    table = [[1.0, 0.0]] * 9 + [[0.0, 1.0]]
    assert friedman(table) == pytest.approx(2 * stats.norm.sf(4 / math.sqrt(2.5)))


def test_friedman_at_its_ends():
    assert friedman(np.ones((5, 3))) == 1
    assert friedman(np.full((5, 3), NAN)) == 1
    assert friedman([[1, 2, 3], [2, 3, 1], [3, 1, 2]]) == pytest.approx(1)
    assert friedman([[0.1, 0.2, 0.3, NAN]] * 30) < 1e-15


@pytest.mark.parametrize("function", [average_ranks, friedman])
@pytest.mark.parametrize("shape", [(0, 3), (4, 1), (3,)])
def test_a_table_is_needed(function, shape):
    with pytest.raises(ValueError, match="at least one task and two losses, got"):
        function(np.zeros(shape))


# Table 5 (a) of Demsar (2006).
@pytest.mark.parametrize(
    ("losses", "q"),
    zip(
        range(2, 11),
        [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
        strict=True,
    ),
)
def test_critical_values_are_those_published(losses, q):
    tasks = 7
    found = critical_difference(losses, tasks) / math.sqrt(losses * (losses + 1) / (6 * tasks))
    assert found == pytest.approx(q, abs=1.1e-3)


def test_critical_difference_of_demsars_example():
    assert critical_difference(4, 14) == pytest.approx(1.25, abs=0.005)
    assert critical_difference(4, 14, alpha=0.10) == pytest.approx(1.12, abs=0.005)
    # Two losses: q is the two-sided normal quantile.
    expected = stats.norm.isf(0.005) * math.sqrt(1 / 9)
    assert critical_difference(2, 9, alpha=0.01) == pytest.approx(expected, rel=1e-6)


def test_critical_difference_refuses():
    with pytest.raises(ValueError, match="`losses` to be an integer of at least 2, got 1"):
        critical_difference(1, 5)
    with pytest.raises(ValueError, match="`tasks` to be an integer of at least 1, got 0"):
        critical_difference(3, 0)
    for alpha in (0, 1, NAN):
        with pytest.raises(ValueError, match=r"`alpha` to be in \(0, 1\)"):
            critical_difference(3, 5, alpha=alpha)


def test_cliques_of_demsars_example():
    # Figure 1 (a) of the paper joins all four; a shorter difference splits them.
    assert cliques(DEMSAR_RANKS, 1.25) == [(3, 1, 2, 0)]
    assert cliques(DEMSAR_RANKS, 1.0) == [(3, 1, 2), (2, 0)]
    assert cliques(DEMSAR_RANKS, 0.02) == []


def test_ranks_as_far_apart_as_the_difference_differ():
    assert cliques([1.0, 2.0], 1.0) == []
    assert cliques([1.0, 2.0], 1.001) == [(0, 1)]
    assert cliques([1.5, 1.5], 1e-9) == [(0, 1)]
    assert cliques([1.5], 1.0) == []


@settings(max_examples=80, deadline=None)
@given(st.lists(st.integers(1, 40), min_size=2, max_size=9), st.integers(1, 20))
def test_cliques_are_the_largest_sets_without_a_difference(ranks, cd):
    alike = [
        set(s)
        for r in range(2, len(ranks) + 1)
        for s in itertools.combinations(range(len(ranks)), r)
        if max(ranks[i] for i in s) - min(ranks[i] for i in s) < cd
    ]
    expected = [s for s in alike if not any(s < other for other in alike)]
    found = cliques(ranks, cd)
    assert sorted(map(sorted, found)) == sorted(map(sorted, expected))
    bests = [ranks[group[0]] for group in found]
    assert bests == sorted(bests)


def test_cliques_refuse():
    with pytest.raises(ValueError, match="`ranks` to hold finite numbers"):
        cliques([1.0, NAN], 1.0)
    for cd in (0.0, -1.0, NAN):
        with pytest.raises(ValueError, match="`cd` to be positive"):
            cliques([1.0, 2.0], cd)
