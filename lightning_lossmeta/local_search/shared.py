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
class _GroupSlopes:
    """The slopes of several losses that differ in theta alone, at the same outputs.

    Args:
        searches: The C local searches that the losses belong to.
        thetas: Their parameters, (C, parameters).
        slopes: u = dM/df at w_0, (C, B, n), differentiable in ``thetas``.
    """

    searches: Sequence[LocalSearch]
    thetas: Tensor
    slopes: Tensor


def step_together(searches: Sequence[LocalSearch], episodes: Sequence[Episode]) -> None:
    """Take a step of each search: the same as one by one, in less time.

    Where the back end is :func:`~lightning_lossmeta.local_search.unrolled.meta_loss` and the
    episode one step of SGD of a network of linear layers, all share its pass through w_0.

    Args:
        searches: Local searches; those that have come to a verdict are passed over.
        episodes: The episodes of this step, one a task.

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
        search.prepare_losses(episode)
    seed_torch(episode.seed, device)
    linear = LinearEpisode(episode)
    by_task_loss: dict[int, list[_GroupSlopes]] = {}
    for group in _groups(searches):
        for slopes in _slopes(linear, group):
            by_task_loss.setdefault(id(slopes.searches[0].task_loss), []).append(slopes)
    for groups in by_task_loss.values():
        _add_meta_gradients(linear, groups)


def _groups(searches: Iterable[LocalSearch]) -> Iterable[list[LocalSearch]]:
    """Group the searches whose losses differ in theta alone and whose task loss is the same."""
    groups: dict[object, list[LocalSearch]] = {}
    for search in searches:
        groups.setdefault((search.code, id(search.task_loss)), []).append(search)
    return groups.values()


def _slopes(linear: LinearEpisode, group: Sequence[LocalSearch]) -> Iterator[_GroupSlopes]:
    """Yield the slopes of a group's losses, all together or, where that fails, one by one.

    Searches whose loss has no slope go through the episode alone; one whose loss raises comes to a
    verdict.
    """
    if len(group) > 1:
        try:
            slopes = _group_slopes(linear, group)
        except Exception:  # not all that can be run can be run by vmap
            for search in group:
                yield from _slopes(linear, [search])
            return
    else:
        slopes = None
        with group[0].guarded():
            slopes = _group_slopes(linear, group)
        if group[0].verdict is not None:
            return
    if slopes is not None:
        yield slopes
        return
    for search in group:
        search.go_through(linear.episode)


def _group_slopes(linear: LinearEpisode, group: Sequence[LocalSearch]) -> _GroupSlopes | None:
    """The slopes of a group's losses; ``None`` where M does not depend on f: no step is taken."""
    thetas = torch.stack([s.theta.detach() for s in group]).to(theta_of(group[0].loss))
    slopes = loss_slopes(linear, group[0].loss, thetas.requires_grad_())
    return None if slopes is None else _GroupSlopes(group, thetas, slopes)


def loss_slopes(linear: LinearEpisode, loss: LossFunction, thetas: Tensor) -> Tensor | None:
    """Differentiate a loss M in the outputs f at w_0: u = dM/df, for several theta.

    Args:
        linear: The episode, with its outputs at w_0.
        loss: A loss with a buffer ``theta``; several theta run as one ``vmap``.
        thetas: Parameters that take the place of the buffer, (C, parameters).

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


def _add_meta_gradients(linear: LinearEpisode, groups: Sequence[_GroupSlopes]) -> None:
    """Give each search its meta-loss L and dL/dtheta = (du/dtheta)' dL/du; all have one L."""
    slopes = torch.cat([group.slopes.detach() for group in groups])
    try:
        values, gradients = task_slopes(linear, slopes, groups[0].searches[0].task_loss)
    except Exception:  # not all that can be run can be run by vmap
        for search in (search for group in groups for search in group.searches):
            search.go_through(linear.episode)
        return
    sizes = [len(group.searches) for group in groups]
    for group, own_values, own_gradients in zip(
        groups, torch.split(values, sizes), torch.split(gradients, sizes), strict=True
    ):
        by_theta = torch.zeros_like(group.thetas)
        if group.slopes.requires_grad:
            try:
                (by_theta,) = torch.autograd.grad(
                    group.slopes,
                    group.thetas,
                    own_gradients,
                    allow_unused=True,
                    materialize_grads=True,
                )
            except Exception:  # go_through says whose fault it is
                for search in group.searches:
                    search.go_through(linear.episode)
                continue
        for search, value, slope in zip(group.searches, own_values.tolist(), by_theta, strict=True):
            search.add_slope(value, slope.to(search.theta))


def task_slopes(
    linear: LinearEpisode, slopes: Tensor, task_loss: LossFunction
) -> tuple[Tensor, Tensor]:
    """Compute the task losses L(f(x; w_1)) of several candidates, and differentiate them in u.

    Args:
        linear: The episode that all candidates share.
        slopes: u = dM/df of C candidates, (C, B, n).
        task_loss: The task loss L.

    Returns:
        The task losses, (C,), and dL/du, (C, B, n).
    """
    target = linear.episode.batches[0][1]
    side_by_side = max(1, _NUMBERS // (len(linear.outputs) * linear.width))
    values: list[Tensor] = []
    gradients: list[Tensor] = []
    for part in torch.split(slopes, side_by_side):
        point = part.detach().requires_grad_()
        outputs = linear.trained_outputs(point)
        if len(part) == 1:  # vmap alone takes longer than what it runs
            each = task_loss(outputs[0], target)[None]
        else:
            each = torch.vmap(task_loss, in_dims=(0, None))(outputs, target)
        gradients += torch.autograd.grad(each.sum(), point)
        values.append(each.detach())
    return torch.cat(values), torch.cat(gradients)
