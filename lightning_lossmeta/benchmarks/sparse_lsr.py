"""Time of label smoothing and of its sparse form against the number of classes.

Redraws figure 14 of Raymond et al. (2024): random logits of a batch of 100, with and without the
log-softmax, forward alone and with backward. Without it, all are given log-probabilities but
``F.cross_entropy(label_smoothing=)``, which has no such form; its time is that with the log-softmax.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812 - torch's own convention
from rich.console import Console
from rich.table import Table
from torch import Tensor
from torch.utils.benchmark import Timer

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.losses import LabelSmoothing, SparseLabelSmoothing

CLASSES = [3, 10, 30, 100, 300, 1000, 3000, 10_000, 30_000, 100_000]
XI = 0.1
Loss = Callable[[Tensor, Tensor], Tensor]
Row = dict[str, float | int | str | bool]


def losses() -> dict[tuple[str, bool], Loss]:
    """What is timed, by name and whether it includes the log-softmax."""
    dense, sparse = LabelSmoothing(XI), SparseLabelSmoothing(XI)
    return {
        ("F.cross_entropy", True): partial(F.cross_entropy, label_smoothing=XI),
        ("LabelSmoothing", True): dense,
        ("SparseLabelSmoothing", True): sparse,
        ("LabelSmoothing", False): partial(_mean_of_log_probabilities, dense),
        ("SparseLabelSmoothing", False): partial(_mean_of_log_probabilities, sparse),
    }


def measure(
    classes: int, batch: int = 100, seed: int = 0, device: str = "cpu", seconds: float = 0.3
) -> list[Row]:
    """Median times at one number of classes.

    Args:
        classes: n.
        batch: B.
        seed: Of logits and targets.
        device: Where.
        seconds: How long each is timed, after a warm-up.

    Returns:
        A row a loss, with times in seconds.
    """
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(batch, classes, generator=generator).to(device)
    target = torch.randint(classes, (batch,), generator=generator).to(device)
    rows: list[Row] = []
    for (name, softmax), loss in losses().items():
        point = (logits if softmax else logits.log_softmax(1)).requires_grad_()
        row: Row = {"classes": classes, "loss": name, "softmax": softmax}
        for kind, step in (("forward", _forward), ("forward_backward", _forward_backward)):
            timer = Timer(
                "step(loss, point, target)",
                globals={"step": step, "loss": loss, "point": point, "target": target},
                num_threads=torch.get_num_threads(),
            )
            row[kind] = timer.blocked_autorange(min_run_time=seconds).median
        rows.append(row)
        logits = logits.detach()
    return rows


def table(rows: list[Row]) -> Table:
    """Microseconds a call, and the sparse form's lead over ``F.cross_entropy``."""
    result = Table(title="Microseconds, forward / forward and backward; lead of SparseLSR")
    result.add_column("classes", justify="right")
    columns = list(losses())
    for name, softmax in columns:
        result.add_column(name + (" with softmax" if softmax else " without"), justify="right")
    result.add_column("lead with", justify="right")
    result.add_column("lead without", justify="right")
    for classes in sorted({int(row["classes"]) for row in rows}):
        found = {
            (str(row["loss"]), bool(row["softmax"])): (
                float(row["forward"]),
                float(row["forward_backward"]),
            )
            for row in rows
            if row["classes"] == classes
        }
        cells = [f"{found[c][0] * 1e6:.0f} / {found[c][1] * 1e6:.0f}" for c in columns]
        base = found["F.cross_entropy", True]
        for softmax in (True, False):
            sparse = found["SparseLabelSmoothing", softmax]
            cells.append(f"{base[0] / sparse[0]:.1f} / {base[1] / sparse[1]:.1f}")
        result.add_row(f"{classes:,}", *cells)
    return result


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--classes", type=int, nargs="+", default=CLASSES)
    parser.add_argument("--batch", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--seconds", type=float, default=0.3)
    given = parser.parse_args()
    rows: list[Row] = []
    for classes in given.classes:
        rows += measure(classes, given.batch, given.seed, given.device, given.seconds)
    console = Console()
    console.print(table(rows))
    path = save("sparse_lsr", rows, seed=given.seed, batch=given.batch, device=given.device)
    console.print(f"Written to {path.name}.")


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
