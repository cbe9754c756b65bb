"""Local searches side by side, which share what they can of an episode."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.func import functional_call

from lightning_lossmeta.local_search.linear import LinearEpisode, linear_obstacle
from lightning_lossmeta.local_search.search import LocalSearch, seed_torch, theta_of
from lightning_lossmeta.local_search.unrolled import Episode, meta_loss
from lightning_lossmeta.losses.base import LossFunction

#: Numbers of one kind that candidates side by side hold at the most.
_NUMBERS = 2**22


@dataclass(frozen=True)
class _Slopes:
    """Of searches whose losses differ in theta alone.

    Args:
        searches: C of them.
        thetas: (C, parameters).
        slopes: u = dM/df at w_0, (C, B, n), differentiable in them.
    """

    searches: Sequence[LocalSearch]
    thetas: Tensor
    slopes: Tensor


def step_together(searches: Sequence[LocalSearch], episodes: Sequence[Episode]) -> None:
    """A step of each search; the same as one by one, but for the time.

    Where the back end is :func:`~lightning_lossmeta.local_search.unrolled.meta_loss` and the
    episode one step of SGD of a network of linear layers, all share its pass through w_0.

    Args:
        searches: Some may have come to a verdict.
        episodes: One a task.

    Source: Raymond et al. (2024), algorithm 1, one step for all candidates of a generation.
    """
    for episode in episodes:
        linear = linear_obstacle(episode) is None
        sharing = [s for s in searches if linear and s.verdict is None and s.meta_loss is meta_loss]
        for search in searches:
            if search not in sharing:
                search.go_through(episode)
        if sharing:
            _go_through_together(sharing, episode)
    for search in searches:
        search.descend()


def _go_through_together(searches: Sequence[LocalSearch], episode: Episode) -> None:
    device = episode.batches[0][0].device
    for search in searches:
        search.enter(episode)
    seed_torch(episode.seed, device)
    linear = LinearEpisode(episode)
    found: dict[int, list[_Slopes]] = {}
    for group in _groups(searches):
        for item in _slopes(linear, group):
            found.setdefault(id(item.searches[0].task_loss), []).append(item)
    for items in found.values():
        _take(linear, items)


def _groups(searches: Iterable[LocalSearch]) -> Iterable[list[LocalSearch]]:
    """Those whose losses and task losses are of one code."""
    groups: dict[object, list[LocalSearch]] = {}
    for search in searches:
        groups.setdefault((search.code, id(search.task_loss)), []).append(search)
    return groups.values()


def _slopes(linear: LinearEpisode, group: Sequence[LocalSearch]) -> Iterator[_Slopes]:
    """Each loss's u; searches without one go alone, those that fail come to a verdict."""
    if len(group) > 1:
        try:
            found = _group_slopes(linear, group)
        except Exception:  # not all that can be run can be run by vmap
            for search in group:
                yield from _slopes(linear, [search])
            return
    else:
        found = None
        with group[0].guarded():
            found = _group_slopes(linear, group)
        if group[0].verdict is not None:
            return
    if found is not None:
        yield found
        return
    for search in group:
        search.go_through(linear.episode)


def _group_slopes(linear: LinearEpisode, group: Sequence[LocalSearch]) -> _Slopes | None:
    """``None`` where M does not depend on f, so that optimisers take no step."""
    thetas = torch.stack([s.theta.detach() for s in group]).to(theta_of(group[0].loss))
    slopes = loss_slopes(linear, group[0].loss, thetas.requires_grad_())
    return None if slopes is None else _Slopes(group, thetas, slopes)


def loss_slopes(linear: LinearEpisode, loss: LossFunction, thetas: Tensor) -> Tensor | None:
    """Slopes u = dM/df at w_0, for several theta.

    Args:
        linear: Where.
        loss: With a buffer ``theta``; several theta run as one ``vmap``.
        thetas: (C, parameters), in place of its own.

    Returns:
        (C, B, n), differentiable in ``thetas``; ``None`` where M does not depend on f.
    """
    target = linear.episode.batches[0][1]
    points = linear.outputs.expand(len(thetas), -1, -1).detach().requires_grad_()

    def value(theta: Tensor, output: Tensor) -> Tensor:
        return functional_call(loss, {"theta": theta}, (output, target))  # type: ignore[no-any-return]

    if len(thetas) == 1:
        values = value(thetas[0], points[0])
    else:
        values = torch.vmap(value)(thetas, points).sum()
    (slopes,) = torch.autograd.grad(values, points, create_graph=True, allow_unused=True)
    return slopes


def _take(linear: LinearEpisode, items: Sequence[_Slopes]) -> None:
    """Task losses, and their slopes in theta, of searches with one task loss."""
    slopes = torch.cat([item.slopes.detach() for item in items])
    try:
        values, found = task_slopes(linear, slopes, items[0].searches[0].task_loss)
    except Exception:  # not all that can be run can be run by vmap
        for search in (search for item in items for search in item.searches):
            search.go_through(linear.episode)
        return
    sizes = [len(item.searches) for item in items]
    for item, own, slope in zip(
        items, torch.split(values, sizes), torch.split(found, sizes), strict=True
    ):
        by_theta = torch.zeros_like(item.thetas)
        if item.slopes.requires_grad:
            try:
                (by_theta,) = torch.autograd.grad(
                    item.slopes, item.thetas, slope, allow_unused=True, materialize_grads=True
                )
            except Exception:  # go_through says whose fault it is
                for search in item.searches:
                    search.go_through(linear.episode)
                continue
        for search, value, row in zip(item.searches, own.tolist(), by_theta, strict=True):
            search.take(value, row.to(search.theta))


def task_slopes(
    linear: LinearEpisode, slopes: Tensor, task_loss: LossFunction
) -> tuple[Tensor, Tensor]:
    """Task losses L(f(x; w_1)), and dL/du.

    Args:
        linear: Of all.
        slopes: u of C candidates, (C, B, n).
        task_loss: L.

    Returns:
        (C,), (C, B, n).
    """
    target = linear.episode.batches[0][1]
    side_by_side = max(1, _NUMBERS // (len(linear.outputs) * linear.width))
    values: list[Tensor] = []
    found: list[Tensor] = []
    for part in torch.split(slopes, side_by_side):
        point = part.detach().requires_grad_()
        outputs = linear.trained_outputs(point)
        if len(part) == 1:  # vmap alone takes longer than what it runs
            each = task_loss(outputs[0], target)[None]
        else:
            each = torch.vmap(task_loss, in_dims=(0, None))(outputs, target)
        found += torch.autograd.grad(each.sum(), point)
        values.append(each.detach())
    return torch.cat(values), torch.cat(found)
