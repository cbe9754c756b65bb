"""Whether the invariant tells which losses train, on 600 random third-order losses.

Each parameter is drawn from N(0, 1.2). A 64-64-10 network is trained on scikit-learn's digits for
400 steps at two learning rates; a loss is trainable if at one of them the validation accuracy
passes 30%. Counted are the share that each test keeps, the share of the trainable losses that it
keeps (recall), and the share of the kept losses that are trainable (precision).

For 2 classes the digits are told apart as 0 to 4 and 5 to 9. For 100 classes two random
digits are put side by side (128 inputs, label 10 a + b), and training takes 2,000 steps, which MSE
needs. 30% is 2/9 of the way from chance to perfect, and so far it must come for other class counts
too. A loss that is a mean over n classes moves an untrained network's target logit by
(n - 1)/n^3 times its difference of gammas; the learning rates are scaled by the inverse of that.
At 2 classes the two tests are the same inequality.
"""

from __future__ import annotations

import argparse
import time
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.func import functional_call, vmap

from lightning_lossmeta.benchmarks.record import save
from lightning_lossmeta.families import TaylorLoss
from lightning_lossmeta.theory import trainable

LEARNING_RATES = (0.1, 1.0)
STEPS = {2: 400, 10: 400, 100: 2000}
TRAINING_IMAGES = 1297
BATCH = 100


class Digits(NamedTuple):
    """Inputs and labels for training and validation."""

    inputs: Tensor
    labels: Tensor
    validation_inputs: Tensor
    validation_labels: Tensor


def digits(num_classes: int, seed: int) -> Digits:
    """Scikit-learn's digits as 2, 10 or 100 classes, split at random."""
    source = load_digits()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(source.target), generator=generator)
    images = torch.tensor(source.data / 16, dtype=torch.float32)[order]
    labels = torch.tensor(source.target)[order]
    parts: list[Tensor] = []
    for part, pairs in ((slice(TRAINING_IMAGES), 10_000), (slice(TRAINING_IMAGES, None), 1_000)):
        x, y = images[part], labels[part]
        if num_classes == 100:
            a, b = torch.randint(len(x), (2, pairs), generator=generator)
            parts += [torch.cat([x[a], x[b]], dim=1), 10 * y[a] + y[b]]
        else:
            parts += [x, (y >= 5).long() if num_classes == 2 else y]
    return Digits(*parts)


def train(
    thetas: Tensor, data: Digits, num_classes: int, learning_rate: float, seed: int, steps: int
) -> Tensor:
    """Validation accuracy of one network a loss, all from the same weights and batches.

    Args:
        thetas: Parameters of the losses ``(C, 8)``.
        data: What they learn.
        num_classes: The number of classes, n.
        learning_rate: The learning rate of plain gradient descent.
        seed: Draws weights and batches.
        steps: How many training steps are taken.

    Returns:
        The accuracies, ``(C,)``.
    """
    torch.manual_seed(seed)
    first, second = nn.Linear(data.inputs.shape[1], 64), nn.Linear(64, num_classes)
    weights = [
        parameter.detach().expand(len(thetas), *parameter.shape).clone().requires_grad_()
        for layer in (first, second)
        for parameter in layer.parameters()
    ]
    loss = TaylorLoss([0.0] * 8)

    def total(logits: Tensor, target: Tensor) -> Tensor:
        def one(theta: Tensor, output: Tensor) -> Tensor:
            return functional_call(loss, {"theta": theta}, (output, target))  # type: ignore[no-any-return]

        return vmap(one)(thetas, logits).sum()

    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        batch = torch.randint(len(data.inputs), (BATCH,), generator=generator)
        value = total(_outputs(weights, data.inputs[batch]), data.labels[batch])
        gradients = torch.autograd.grad(value, weights)
        with torch.no_grad():
            for weight, gradient in zip(weights, gradients, strict=True):
                weight -= learning_rate * gradient
    with torch.no_grad():
        predicted = _outputs(weights, data.validation_inputs).argmax(dim=-1)
        return (predicted == data.validation_labels).float().mean(dim=1)


def _outputs(weights: list[Tensor], inputs: Tensor) -> Tensor:
    """Logits (C, B, n) of the stacked networks."""
    first, first_bias, second, second_bias = weights
    hidden = torch.baddbmm(
        first_bias.unsqueeze(1), inputs.expand(len(first), *inputs.shape), first.mT
    )
    return torch.baddbmm(second_bias.unsqueeze(1), hidden.relu(), second.mT)


def measure(
    num_classes: int, losses: int, seed: int, steps: int, chunk: int = 100
) -> dict[str, Any]:
    """Train random losses and compare with both tests.

    Args:
        num_classes: 2, 10 or 100.
        losses: How many losses are drawn.
        seed: Draws losses, data, weights and batches.
        steps: How many steps each training takes.
        chunk: How many networks train side by side.

    Returns:
        Shares, recall and precision of each test, and every loss's accuracies.
    """
    started = time.perf_counter()
    generator = torch.Generator().manual_seed(seed)
    thetas = 1.2 * torch.randn(losses, 8, generator=generator, dtype=torch.float64)
    data = digits(num_classes, seed)
    scale = (9 / 10**3) / ((num_classes - 1) / num_classes**3)
    rates = [rate * scale for rate in LEARNING_RATES]
    accuracies = torch.stack(
        [
            torch.cat([train(c, data, num_classes, rate, seed, steps) for c in thetas.split(chunk)])  # type: ignore[no-untyped-call]
            for rate in rates
        ]
    )
    threshold = 1 / num_classes + 2 / 9 * (1 - 1 / num_classes)
    trained = accuracies.amax(dim=0) > threshold
    result: dict[str, Any] = {
        "classes": num_classes,
        "losses": losses,
        "seed": seed,
        "steps": steps,
        "learning_rates": rates,
        "threshold": threshold,
        "trainable": trained.float().mean().item(),
    }
    built = [TaylorLoss(theta.tolist()) for theta in thetas]
    for test in ("exact", "published"):
        kept = torch.tensor([trainable(loss, num_classes, test) for loss in built])
        both = (kept & trained).sum().item()
        result[test] = {
            "kept": kept.float().mean().item(),
            "recall": both / max(1, int(trained.sum())),
            "precision": both / max(1, int(kept.sum())),
        }
    result["seconds"] = time.perf_counter() - started
    result["accuracies"] = [[round(a, 4) for a in row] for row in accuracies.tolist()]
    return result


def table(results: list[dict[str, Any]]) -> Table:
    """Lay out what :func:`measure` returned, one row for each class count and seed."""
    shown = Table(title="Random third-order losses: kept / recall / precision")
    for name in ("classes", "seed", "losses", "trainable", "exact", "published"):
        shown.add_column(name, justify="right")
    for row in results:
        tests = [
            " / ".join(f"{row[test][key]:.2f}" for key in ("kept", "recall", "precision"))
            for test in ("exact", "published")
        ]
        shown.add_row(
            str(row["classes"]),
            str(row["seed"]),
            str(row["losses"]),
            f"{row['trainable']:.2f}",
            *tests,
        )
    return shown


def main() -> None:
    """Measure, print a table, write JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--classes", type=int, nargs="+", default=[2, 10, 100], choices=STEPS)
    parser.add_argument("--losses", type=int, default=600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--steps", type=int, help="by default 400, or 2000 for 100 classes")
    given = parser.parse_args()
    results = [
        measure(classes, given.losses, seed, given.steps or STEPS[classes])
        for classes in given.classes
        for seed in given.seeds
    ]
    console = Console()
    console.print(table(results))
    path = save("invariant", results, seeds=given.seeds)
    console.print(f"Written to {path.name}.")


if __name__ == "__main__":
    main()
