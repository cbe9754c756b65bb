"""What a loss does, in sentences."""

from __future__ import annotations

import math

import torch

from lightning_lossmeta.analysis import right_class_curve, summarise
from lightning_lossmeta.analysis.binary_curves import probability_curve
from lightning_lossmeta.analysis.loss_curves import loss_range
from lightning_lossmeta.analysis.regression_curves import error_curve
from lightning_lossmeta.losses import BinaryCrossEntropy, CrossEntropy
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.progress_dependent import depends_on_progress

# A probability that a network gives the label where it is sure of another class.
_SURELY_WRONG = 0.005
_SURELY_RIGHT = 0.99
# A share of a loss's range that counts for nothing.
_FLAT = 1e-6
# Losses within this share of each other are called alike.
_ALIKE = 0.05


def describe(loss: LossFunction, num_classes: int) -> list[str]:
    """Sentences on what a loss does to a training.

    Args:
        loss: Of any kind of problem.
        num_classes: n, of a loss for classes.

    >>> describe(CrossEntropy(), 10)[0]
    'It pulls every sample to its label, however sure the network is already.'
    """
    sentences = _DESCRIBE[loss.link.problem](loss, num_classes)
    if depends_on_progress(loss):
        sentences.append("It changes in the course of a training; this is how it starts.")
    return sentences


def _classes(loss: LossFunction, num_classes: int) -> list[str]:
    summary = summarise(loss, num_classes)
    return [
        _pull(loss, summary.pull_to_push, summary.trainable, num_classes),
        _mistakes(loss, num_classes),
        f"Over all confidences its gradient is {summary.gradient_typical:.3g} times that of "
        f"cross-entropy, for an untrained network {summary.gradient_untrained:.3g} times: steps "
        f"as large take a learning rate {summary.learning_rate_factor:.3g} times that of "
        "cross-entropy.",
    ]


def _pull(loss: LossFunction, turn: float | None, trainable: bool, num_classes: int) -> str:
    if not trainable:
        return (
            "It pushes the samples of an untrained network away from their labels, so that "
            "nothing can be learned by it from scratch."
        )
    if turn is None:
        return "It pulls every sample to its label, however sure the network is already."
    if turn < 1 / num_classes:
        return f"It pushes samples away from their labels at a probability of {turn:.2g}."
    text = f"{turn:.2f}" if turn < 0.995 else f"{turn:.4f}"
    points = torch.tensor([1 / num_classes, turn, _SURELY_RIGHT], dtype=torch.float64)
    guess, least, sure = right_class_curve(loss, points, num_classes).tolist()
    pushes = " and pushes back" if sure - least > _ALIKE * abs(guess - least) else ""
    return (
        f"It pulls a sample to its label until the network gives the label a probability of "
        f"{text}; then it lets go{pushes}, so that samples are not learned by heart."
    )


def _mistakes(loss: LossFunction, num_classes: int) -> str:
    """How a sure mistake, as a wrong label makes one, weighs against a guess."""
    if _sure_costs_more(loss, num_classes):
        return "To be sure of the target costs more than to guess: it wants doubt."
    own, usual = (_wrong_cost(item, num_classes) for item in (loss, CrossEntropy()))
    text = f"Being surely wrong costs {own:.2g} times what guessing does"
    if not math.isfinite(own):
        return "Being surely wrong costs no finite number."
    if own > usual * (1 + _ALIKE):
        return f"{text} (cross-entropy: {usual:.2g}): it holds wrong labels against a network more."
    if own < usual * (1 - _ALIKE):
        return f"{text} (cross-entropy: {usual:.2g}): it forgives wrong labels more."
    return f"{text}, as with cross-entropy."


def _wrong_cost(loss: LossFunction, num_classes: int) -> float:
    low, _ = loss_range(loss, num_classes)
    points = torch.tensor([_SURELY_WRONG, 1 / num_classes], dtype=torch.float64)
    wrong, guess = (right_class_curve(loss, points, num_classes) - low).tolist()
    return wrong / guess if guess > 0 else math.nan


def _sure_costs_more(loss: LossFunction, num_classes: int) -> bool:
    """Whether to be sure of the target costs more than to guess."""
    points = torch.tensor([1 / num_classes, _SURELY_RIGHT], dtype=torch.float64)
    guess, sure = right_class_curve(loss, points, num_classes).tolist()
    return bool(sure > guess)


def _binary(loss: LossFunction, num_classes: int) -> list[str]:
    grid = torch.linspace(0.001, 0.999, 999, dtype=torch.float64)
    least = [grid[probability_curve(loss, grid, y).argmin()].item() for y in (1.0, 0.0)]
    ends = _ratio(loss), _ratio(BinaryCrossEntropy())
    return [
        f"For yes it is least at a probability of {least[0]:.2f}, for no at {least[1]:.2f}.",
        f"Of a yes, being surely wrong costs {ends[0]:.2g} times what guessing does (binary "
        f"cross-entropy: {ends[1]:.2g}).",
    ]


def _ratio(loss: LossFunction) -> float:
    points = torch.tensor([_SURELY_WRONG, 0.5, 0.99], dtype=torch.float64)
    wrong, guess, right = probability_curve(loss, points, 1.0).tolist()
    return (wrong - right) / (guess - right) if guess != right else math.nan


def _regression(loss: LossFunction, num_classes: int) -> list[str]:
    grid = torch.linspace(-3, 3, 601, dtype=torch.float64)
    values = error_curve(loss, grid, 0.0)
    if not bool(values.isfinite().all()):
        return ["It is not finite for all errors up to three standard deviations."]
    low = values.min().item()
    flat = grid[values <= low + _FLAT * (values.max().item() - low)]
    first, last = (round(edge, 2) + 0.0 for edge in (flat[0].item(), flat[-1].item()))
    below, half, near, above = (values[place].item() - low for place in (100, 200, 400, 500))
    where = f"the error is {first:.2f}"
    if last - first > _ALIKE:
        where = f"the error is between {first:.2f} and {last:.2f}: it lets such errors be"
    sentences = [f"At the mean target it is least where {where}."]
    if above > 0 and below > 0 and max(above / below, below / above) > 1 + _ALIKE:
        more, less = ("above", "below") if above > below else ("below", "above")
        sentences.append(f"It punishes outputs {more} the target more than those {less} it.")
    if half + near > 0:
        growth = (below + above) / (half + near)
        sentences.append(
            f"Twice the error costs {growth:.2g} times as much (squared error: 4, absolute error: "
            "2)."
        )
    return sentences


_DESCRIBE = {"classification": _classes, "binary": _binary, "regression": _regression}
