"""How much of the objectives' space a front dominates."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lightning_lossmeta.evaluation import Evaluation

Point = tuple[float, ...]


def hypervolume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume that points dominate above a reference point, where more is better.

    It is ::

        HV = volume of the union of [r_1, a_1] x ... x [r_m, a_m] over all points a

    Exact, by slices along the last objective (Zitzler 2001): n log n operations for two objectives,
    and up to n times as many for each further one. Points that are not above the reference in every
    objective add nothing.

    Args:
        points: Objectives, as of an :class:`~lightning_lossmeta.evaluation.Evaluation`.
        reference: A point r of as many objectives.

    Raises:
        ValueError: If a point and the reference differ in length.

    >>> hypervolume([(3.0, 1.0), (1.0, 2.0)], (0.0, 0.0))
    4.0
    """
    above: list[Point] = []
    for point in points:
        if len(point) != len(reference):
            raise ValueError(
                f"Expected points of {len(reference)} objectives, as the reference has, got "
                f"{tuple(point)}."
            )
        if all(value > least for value, least in zip(point, reference, strict=True)):
            above.append(
                tuple(value - least for value, least in zip(point, reference, strict=True))
            )
    return _volume(above)


def reference_point(history: Sequence[Sequence[Evaluation]]) -> Point | None:
    """The worst of each objective in the first generation that has scores.

    It follows from a search's history, and stays as it is from then on.

    Args:
        history: Evaluations, generation by generation.

    Returns:
        ``None`` if no candidate has a score.
    """
    for generation in history:
        scored = [item.objectives for item in generation if item.trained and item.objectives]
        if scored:
            return tuple(min(column) for column in zip(*scored, strict=True))
    return None


def _volume(points: list[Point]) -> float:
    """The volume above the origin of points that are positive in each objective."""
    if not points:
        return 0.0
    if len(points[0]) == 1:
        return max(point[0] for point in points)
    if len(points[0]) == 2:
        return _area(points)
    order = sorted(points, key=lambda point: -point[-1])
    total = 0.0
    for number, point in enumerate(order):
        lower = order[number + 1][-1] if number + 1 < len(order) else 0.0
        if point[-1] > lower:
            slab = _volume([other[:-1] for other in order[: number + 1]])
            total += (point[-1] - lower) * slab
    return total


def _area(points: list[Point]) -> float:
    """The volume of two objectives: a staircase, from the best of the first downwards."""
    total = height = 0.0
    for x, y in sorted(points, reverse=True):
        if y > height:
            total += x * (y - height)
            height = y
    return total
