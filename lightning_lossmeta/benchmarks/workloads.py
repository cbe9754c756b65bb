"""What the benchmarks of evaluators train: networks, random data, and a plain loop beside them."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data.base import Split, Splits, TensorDataModule
from lightning_lossmeta.data.loader import BatchLoader
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.models import MLP, LeNet5, LogisticRegression
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

BATCH = 100
FAMILY = TaylorFamily(order=3, start="mse")
Clock = Callable[[], float]
DTYPES = {"32-true": torch.float32, "bf16-mixed": torch.bfloat16}


class RandomData(TensorDataModule):
    """Noise in the shape of images, on a device.

    Args:
        side: Height and width of an image.
        device: Where the tensors lie.
    """

    num_classes = 10
    mean = (0.0,)
    std = (1.0,)

    def __init__(self, side: int, device: str) -> None:
        super().__init__(batch_size=BATCH)
        self.side = side
        self.place = device

    def load(self) -> Splits:
        """Draw 10,000 training samples and 1,000 of each other split."""
        generator = torch.Generator().manual_seed(0)

        def split(count: int) -> Split:
            inputs = torch.randn(count, 1, self.side, self.side, generator=generator)
            targets = torch.randint(self.num_classes, (count,), generator=generator)
            return Split(inputs.to(self.place), targets.to(self.place))

        return Splits(split(10_000), split(1000), split(1000))


@dataclass(frozen=True)
class Workload:
    """A network and the size of its images.

    Args:
        name: As the command line and the tables have it.
        network: Makes the network.
        side: Height and width of an image.
    """

    name: str
    network: Callable[[], nn.Module]
    side: int

    def task(self, precision: str, device: str) -> Task:
        """The training of the network by SGD with momentum; its session gets its steps later."""
        optimizer = partial(torch.optim.SGD, lr=0.01, momentum=0.9)
        module = SupervisedModule(self.network(), optimizer=optimizer)
        accelerator = "gpu" if device == "cuda" else "cpu"
        session = Session(validations=1, precision=precision, accelerator=accelerator)
        return Task(module, RandomData(self.side, device), session, name=self.name)

    def flops(self) -> int:
        """Floating-point operations of a training step, taken as three forward passes."""
        with FlopCounterMode(display=False) as counter, torch.no_grad():
            self.network()(torch.zeros(BATCH, 1, self.side, self.side))
        return 3 * int(counter.get_total_flops())


WORKLOADS = {
    item.name: item
    for item in (
        Workload("digits-MLP", partial(MLP, 64, [64], 10), 8),
        Workload("MNIST-logistic", partial(LogisticRegression, 784, 10), 28),
        Workload("784-256-10", partial(MLP, 784, [256], 10), 28),
        Workload("MLP-1000", partial(MLP, 784, [1000], 10), 28),
        Workload("LeNet-5", LeNet5, 28),
    )
}


def candidates(count: int) -> list[Candidate]:
    """Draw losses near the squared error: its Taylor coefficients with normal noise of 0.1."""
    noise = np.random.default_rng(0).normal(scale=0.1, size=(count, FAMILY.space.dimension))
    start = np.asarray(FAMILY.space.start)
    return [Candidate(None, tuple(map(float, start + row))) for row in noise]


class PlainLoop:
    """What a candidate's training is without Lightning: the same steps in a bare loop.

    Args:
        task: The task of a :class:`Workload`.
        device: Where to train.
        clock: Gives seconds, as ``time.perf_counter`` does.
    """

    def __init__(self, task: Task, device: str, clock: Clock) -> None:
        self.device = device
        self.clock = clock
        self._module = cast(SupervisedModule, task.fresh_module())
        self._data = task.data
        self._dtype = DTYPES[task.session.precision]
        self._candidate = candidates(1)[0]

    def fit(self, steps: int) -> float:
        """Train a copy of the network, score it, and return the seconds that both took."""
        started = self.clock()
        network = copy.deepcopy(self._module.network).to(self.device)
        loss_fn = FAMILY.build(self._candidate).to(self.device)
        optimizer = self._module.optimizer(network.parameters())
        lower = self._dtype is not torch.float32
        batches = self._batches()
        for _ in range(steps):
            inputs, target = next(batches)
            optimizer.zero_grad()
            with torch.autocast(self.device, self._dtype, enabled=lower):
                loss = loss_fn(network(inputs), target)
            loss.backward()
            optimizer.step()
        network.eval()
        correct = 0
        with torch.no_grad(), torch.autocast(self.device, self._dtype, enabled=lower):
            for inputs, target in self._data.val_dataloader():
                correct += int((network(inputs).argmax(dim=1) == target).sum())
        return self.clock() - started

    def _batches(self) -> Iterator[tuple[Tensor, Tensor]]:
        loader: BatchLoader = self._data.train_dataloader()
        while True:
            yield from loader


def matmul_rate(dtype: torch.dtype, device: str, clock: Clock) -> float:
    """Measure how many floating-point operations a second products of square matrices reach.

    PyTorch uses as many threads as it is set to.

    Args:
        dtype: Number format of the matrices.
        device: Where they are multiplied.
        clock: Gives seconds, as ``time.perf_counter`` does.
    """
    size, repeats = (8192, 20) if device == "cuda" else (1024, 4)
    first, second = (torch.randn(size, size, device=device).to(dtype) for _ in range(2))
    first @ second
    synchronize(device)
    started = clock()
    for _ in range(repeats):
        first @ second
    synchronize(device)
    return 2 * size**3 * repeats / (clock() - started)


def synchronize(device: str) -> None:
    """Wait until a GPU has done what it was given."""
    if device == "cuda":
        torch.cuda.synchronize()
