"""The knee of a front: the compromise that gives up the least."""

from __future__ import annotations

from collections.abc import Sequence


def knee(points: Sequence[Sequence[float]], fitness: Sequence[float] | None = None) -> int:
    """The point that lies furthest beyond the line between a front's ends.

    That is ::

        u_ij = (a_ij - min_k a_kj) / (max_k a_kj - min_k a_kj),   knee = argmax_i sum_j u_ij

    With each objective scaled to [0, 1] on the front, the ends of two objectives are (1, 0) and
    (0, 1), and the sum grows with the distance from the line between them; of more objectives it is
    the hyperplane through the unit points. An objective in which all are equal does not count. Of
    points at one distance, that with the largest least gain ``min_j u_ij`` is taken, then that with
    the largest fitness: a front that bends inwards throughout, or has two members, has no knee but
    its ends.

    Args:
        points: Objectives of the front's members, where more is better.
        fitness: Their weighted sums; by default all weights are one.

    Returns:
        The position of the knee.

    Raises:
        ValueError: If there is no point.

    >>> knee([(1.0, 0.0), (0.9, 0.8), (0.0, 1.0)])
    1
    """
    if not points:
        raise ValueError("Expected argument `points` to hold at least one, got none.")
    worth = [sum(point) for point in points] if fitness is None else fitness
    bounds = [(min(column), max(column)) for column in zip(*points, strict=True)]

    def merit(place: int) -> tuple[float, float, float]:
        scaled = [
            (value - low) / (high - low)
            for value, (low, high) in zip(points[place], bounds, strict=True)
            if high > low
        ]
        return round(sum(scaled), 12), min(scaled, default=0.0), worth[place]

    return max(range(len(points)), key=merit)
