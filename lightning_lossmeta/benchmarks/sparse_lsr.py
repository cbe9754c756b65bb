"""Time of label smoothing and of its sparse form against the number of classes.

Redraws figure 14 of Raymond et al. (2024): random logits of a batch of 100, with and without the
log-softmax, forward alone and with backward. Without it the losses are given log-probabilities;
``F.cross_entropy(label_smoothing=)`` has no such form and stands in both with its one time.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.benchmark import Timer

from lightning_lossmeta.analysis import check_picture, save_figure, timing_figure
from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.losses import LabelSmoothing, SparseLabelSmoothing

CLASSES = [3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]
XI = 0.1
Loss = Callable[[Tensor, Tensor], Tensor]
Row = dict[str, float | int | str | bool]


def losses() -> dict[tuple[str, bool], Loss]:
    """The losses that are timed, by name and whether they include the log-softmax."""
    dense, sparse = LabelSmoothing(XI), SparseLabelSmoothing(XI)
    return {
        ("F.cross_entropy", True): partial(F.cross_entropy, label_smoothing=XI),
        ("LabelSmoothing", True): dense,
        ("SparseLabelSmoothing", True): sparse,
        ("LabelSmoothing", False): partial(_mean_of_log_probabilities, dense),
        ("SparseLabelSmoothing", False): partial(_mean_of_log_probabilities, sparse),
    }


def measure(
    classes: int,
    batch: int = 100,
    seed: int = 0,
    device: str = "cpu",
    rounds: int = 15,
    seconds: float = 0.05,
) -> list[Row]:
    """Time every loss, forward and backward, at one number of classes.

    The losses take turns, and the best round of each counts, since other work on the machine can
    only add to a time.

    Args:
        classes: The number of classes, n.
        batch: How many samples a batch has.
        seed: Draws logits and targets.
        device: Where the losses are computed.
        rounds: How often each loss is timed.
        seconds: The least that one timing lasts; its calls are averaged.

    Returns:
        A row a loss, with times in seconds.
    """
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, generator=generator).to(device)
    target = torch.randint(classes, (batch,), generator=generator).to(device)
    points = {True: logits, False: logits.log_softmax(dim=1)}
    timers: dict[tuple[str, bool, str], Timer] = {}
    for (name, softmax), loss in losses().items():
        point = points[softmax].requires_grad_()
        for kind, step in (("forward", _forward), ("forward_backward", _forward_backward)):
            timers[name, softmax, kind] = Timer(
                "step(loss, point, target)",
                globals={"step": step, "loss": loss, "point": point, "target": target},
                num_threads=torch.get_num_threads(),
            )
    best = dict.fromkeys(timers, math.inf)
    for _ in range(rounds):
        for key, timer in timers.items():
            best[key] = min(best[key], timer.blocked_autorange(min_run_time=seconds).median)
    return [
        {
            "classes": classes,
            "loss": name,
            "softmax": softmax,
            "forward": best[name, softmax, "forward"],
            "forward_backward": best[name, softmax, "forward_backward"],
        }
        for name, softmax in losses()
    ]


def table(rows: list[Row], softmax: bool) -> Table:
    """Lay out microseconds a call, and how many times faster the sparse form is than the others.

    Args:
        rows: What :func:`measure` gave.
        softmax: Whether of the losses with the log-softmax.
    """
    kind = "with" if softmax else "without"
    result = Table(title=f"{kind} log-softmax: microseconds forward / forward and backward")
    names = ("F.cross_entropy", "LabelSmoothing", "SparseLabelSmoothing")
    for name in ("classes", *names, "lead on F", "lead on dense"):
        result.add_column(name, justify="right")
    for classes in sorted({int(row["classes"]) for row in rows}):
        times = {
            str(row["loss"]): (float(row["forward"]), float(row["forward_backward"]))
            for row in rows
            if row["classes"] == classes
            and (row["softmax"] == softmax or row["loss"] == "F.cross_entropy")
        }
        cells = ["{:.0f} / {:.0f}".format(*(1e6 * t for t in times[name])) for name in names]
        *others, sparse = (times[name] for name in names)
        leads = [f"{dense[0] / sparse[0]:.1f} / {dense[1] / sparse[1]:.1f}" for dense in others]
        result.add_row(f"{classes:,}", *cells, *leads)
    return result


def main() -> None:
    """Measure, print a table, write JSON and a picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--figure", help="draw it to this .png, .svg or .pdf")
    parser.add_argument("--from-json", help="show what this file holds instead of measuring")
    given = parser.parse_args()
    if given.figure is not None:
        try:
            check_picture("--figure", given.figure)
        except ValueError as error:
            parser.error(str(error))
    console = Console()
    if given.from_json is not None:
        stored = json.loads(Path(given.from_json).read_text())
        rows, batch = stored["figures"], stored["batch"]
    else:
        rows, batch = [], given.batch
        for classes in given.classes:
            rows += measure(classes, batch, given.seed, given.device, given.rounds)
        path = save("sparse_lsr", rows, seed=given.seed, batch=batch, device=given.device)
        console.print(f"Written to {path.name}.")
    console.print(table(rows, softmax=True))
    console.print(table(rows, softmax=False))
    if given.figure is not None:
        console.print(f"Drawn to {save_figure(timing_figure(rows, batch), given.figure)}.")


def _mean_of_log_probabilities(
    loss: LabelSmoothing | SparseLabelSmoothing, log_h: Tensor, target: Tensor
) -> Tensor:
    return loss.from_log_probabilities(log_h, target).mean()


def _forward(loss: Loss, point: Tensor, target: Tensor) -> Tensor:
    with torch.no_grad():
        return loss(point, target)


def _forward_backward(loss: Loss, point: Tensor, target: Tensor) -> Tensor:
    return torch.autograd.grad(loss(point, target), point)[0]


if __name__ == "__main__":
    main()
