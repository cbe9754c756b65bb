import numpy as np
import pytest

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.searchers.hypervolume import hypervolume, reference_point
from lightning_lossmeta.searchers.knee import knee

LOSS = Candidate(None, (1.0,))


@pytest.mark.parametrize("objectives", [1, 2, 3, 4])
def test_equals_the_share_of_random_points_that_are_dominated(objectives):
    generator = np.random.default_rng(objectives)
    points = generator.uniform(size=(12, objectives))
    samples = generator.uniform(size=(200_000, objectives))
    dominated = np.zeros(len(samples), dtype=bool)
    for point in points:
        dominated |= (samples <= point).all(axis=1)
    share = dominated.mean()
    deviation = np.sqrt(share * (1 - share) / len(samples))
    assert abs(hypervolume(points, (0.0,) * objectives) - share) <= 5 * deviation + 1e-12


@pytest.mark.parametrize("objectives", [2, 3, 5])
def test_equals_another_program(objectives):
    moocore = pytest.importorskip("moocore")
    for seed in range(5):
        points = np.random.default_rng(seed).normal(size=(20, objectives))
        expected = moocore.hypervolume(-points, ref=np.full(objectives, 1.5))
        assert hypervolume(points, (-1.5,) * objectives) == pytest.approx(expected, rel=1e-9)


def test_by_hand():
    assert hypervolume([], (0.0, 0.0)) == 0.0
    assert hypervolume([(2.0, 3.0)], (1.0, 1.0)) == 2.0
    assert hypervolume([(2.0, 3.0), (2.0, 3.0), (1.5, 2.0)], (1.0, 1.0)) == 2.0
    assert hypervolume([(9.0, 1.0), (0.0, 9.0)], (1.0, 1.0)) == 0.0, "not above the reference"
    assert hypervolume([(2.0, 1.0, 1.0), (1.0, 2.0, 1.0)], (0.0, 0.0, 0.0)) == 3.0


def test_other_lengths_are_refused():
    with pytest.raises(ValueError, match=r"points of 2 objectives, .*\(1\.0, 2\.0, 3\.0\)"):
        hypervolume([(1.0, 2.0, 3.0)], (0.0, 0.0))


def test_the_reference_is_the_worst_of_the_first_generation_with_scores():
    lost = Evaluation(LOSS, status=Status.DIVERGED)
    first = [lost, Evaluation.scored(LOSS, 1.0, 5.0), Evaluation.scored(LOSS, 2.0, 4.0)]
    later = [Evaluation.scored(LOSS, -9.0, -9.0)]
    assert reference_point([[lost], first, later]) == (1.0, 4.0)
    assert reference_point([[lost], []]) is None


@pytest.mark.parametrize(
    ("points", "place"),
    [
        ([(0.9, 0.1), (0.8, 0.7), (0.1, 0.75)], 1),
        ([(1000.0, -3.0), (990.0, -1.0), (0.0, -0.99)], 1),
        ([(0.0, 1.1), (0.4, 0.4), (1.0, 0.0)], 0),
        ([(0.0, 1.0), (0.5, 0.5), (1.0, 0.0)], 1),
        ([(0.3, 0.2)], 0),
        ([(1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0), (0.6, 0.6, 0.6)], 3),
        ([(1.0, 0.0, 7.0), (0.9, 0.9, 7.0), (0.0, 1.0, 7.0)], 1),
    ],
    ids=["plain", "scales", "bends inwards", "straight", "one", "three", "one is constant"],
)
def test_the_knee(points, place):
    assert knee(points) == place


def test_the_knee_is_the_furthest_from_the_line_between_the_ends():
    """By the usual formula of a point's distance from a line, on scaled objectives."""
    angle = np.sort(np.random.default_rng(0).uniform(0, np.pi / 2, 30))
    points = np.stack([5 + 2 * np.cos(angle), -3 + 0.1 * np.sin(angle) ** 3], axis=1)
    scaled = (points - points.min(axis=0)) / np.ptp(points, axis=0)
    (x1, y1), (x2, y2) = scaled[0], scaled[-1]
    away = (y2 - y1) * scaled[:, 0] - (x2 - x1) * scaled[:, 1] + x2 * y1 - y2 * x1
    assert knee(points.tolist()) == int(away.argmax())


def test_of_two_ends_that_of_the_larger_fitness_is_taken():
    ends = [(0.98, -0.27), (0.97, -0.01)]
    assert knee(ends) == 1
    assert knee(ends, [0.98 - 0.01 * 0.27, 0.97 - 0.01 * 0.01]) == 0


def test_no_front_has_no_knee():
    with pytest.raises(ValueError, match="at least one"):
        knee([])
