import pytest
import torch

from lightning_lossmeta.families.simplex import simplex_points


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_points_lie_on_the_simplex(classes):
    points = simplex_points(classes, samples=20)
    assert points.dtype == torch.float64
    assert points.min() >= 0
    torch.testing.assert_close(points.sum(1), torch.ones(len(points), dtype=torch.float64))


@pytest.mark.parametrize("classes", [2, 3, 10, 100])
def test_corners_edges_and_centre_are_among_them(classes):
    points = simplex_points(classes, samples=0)

    def contains(point):
        return (points - torch.tensor(point, dtype=torch.float64)).abs().sum(1).min() < 1e-12

    rest = [0.0] * (classes - 2)
    assert contains([1.0, 0.0, *rest])
    assert contains([0.0, 1.0, *rest])
    assert contains([0.5, 0.5, *rest])
    assert contains([1 / classes] * classes)


def test_the_same_at_each_call_whatever_the_global_state():
    before = torch.get_rng_state()
    first = simplex_points(5, 10)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(1)
    assert torch.equal(simplex_points(5, 10), first)
