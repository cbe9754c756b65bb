"""A tiny task whose losses misbehave on demand, importable in worker processes."""

import multiprocessing
import os
import signal
import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from waiting import wait_for

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.task import Session, Task

GOOD = Candidate("train", (1.0,))
HANGING = Candidate("hang", (0.0,))
WAITING = Candidate("wait", (0.0,))
SESSION = Session(steps=6, validations=2, accelerator="cpu")


class TinyModule(pl.LightningModule):
    """Logs also which process it is in."""

    def __init__(self, loss_fn=None, rate=0.2):
        super().__init__()
        self.net = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 3))
        self.loss_fn = CrossEntropy() if loss_fn is None else loss_fn
        self.rate = rate

    def training_step(self, batch, batch_idx):
        return self.loss_fn(self.net(batch[0]), batch[1])

    def validation_step(self, batch, batch_idx):
        output = self.net(batch[0])
        self.log("val_loss", nn.functional.cross_entropy(output, batch[1]))
        self.log("val_accuracy", (output.argmax(1) == batch[1]).float().mean())
        self.log("pid", torch.tensor(float(os.getpid()), dtype=torch.float64))

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), self.rate)


class TinyData(pl.LightningDataModule):
    def __init__(self):
        super().__init__()
        self.prepared = 0

    def prepare_data(self):
        self.prepared += 1

    def setup(self, stage):
        generator = torch.Generator().manual_seed(3)
        inputs = torch.randn(90, 8, generator=generator)
        self.pairs = TensorDataset(inputs, inputs[:, :3].argmax(1))

    def train_dataloader(self):
        return DataLoader(self.pairs, batch_size=16, shuffle=True)

    def val_dataloader(self):
        return DataLoader(self.pairs, batch_size=90)


class ScriptedLoss(LossFunction):
    """Cross-entropy with a mishap in its training.

    Losses and tests tell each other by files in a folder where training is: a loss that hangs or
    waits leaves one named after its process.
    """

    def __init__(self, mishap, number, folder):
        super().__init__()
        self.mishap, self.number, self.folder = mishap, number, folder

    def hang(self):
        (self.folder / str(os.getpid())).touch()
        time.sleep(600)

    def wait(self):
        (self.folder / str(os.getpid())).touch()
        wait_for((self.folder / "go").exists)

    def go(self):
        (self.folder / "go").touch()

    def exit(self):
        os._exit(int(self.number))

    def kill(self):
        kill_this_process()

    def exit_once(self):
        if not (self.folder / "once").exists():
            (self.folder / "once").touch()
            os._exit(3)

    def fail(self):
        raise RuntimeError("no such loss")

    def per_sample(self, output, target):
        scale = 1.0
        if self.mishap == "train":
            scale = self.number
        else:
            getattr(self, self.mishap)()
        return scale * nn.functional.cross_entropy(output, target, reduction="none")


class ScriptedFamily(LossFamily):
    name = "scripted"
    space = None

    def __init__(self, folder=None):
        self.folder = folder

    def build(self, candidate):
        return ScriptedLoss(candidate.structure, candidate.theta[0], self.folder)

    def read(self, loss):
        return Candidate(loss.mishap, (loss.number,))

    def formula(self, candidate):
        return f"{candidate.structure} {candidate.theta}"

    def settings(self):
        return {}


def tiny_task(**changes):
    settings = {"module": TinyModule(), "data": TinyData(), "session": SESSION, "seed": 5}
    return Task(**{**settings, **changes})


class KillingData(TinyData):
    """Its first setups in other processes end these, as too little memory does."""

    def __init__(self, folder, times, end):
        super().__init__()
        self.folder, self.times, self.end = folder, times, end
        self.maker = os.getpid()

    def setup(self, stage):
        if os.getpid() != self.maker and len(list(self.folder.iterdir())) < self.times:
            (self.folder / str(os.getpid())).touch()
            self.end()
        super().setup(stage)


def kill_this_process():
    os.kill(os.getpid(), signal.SIGKILL)


class LoaderProcessData(TinyData):
    """Its training data come from a process."""

    def train_dataloader(self):
        return DataLoader(self.pairs, 16, num_workers=1)


class StuckLoaderData(TinyData):
    """Its training data come from a process that hangs, so that it sees no end of its parent.

    Each such process leaves a file, named after its parent and itself, in a folder.
    """

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def train_dataloader(self):
        return DataLoader(self.pairs, 16, num_workers=1, worker_init_fn=self.hang)

    def hang(self, worker):
        (self.folder / f"{os.getppid()} {os.getpid()}").touch()
        time.sleep(600)


def gone(pid):
    """Whether a process ends."""
    return wait_for(lambda: _ended(pid))


def _ended(pid):
    try:
        os.kill(pid, 0)
        # One that has ended stays visible until whoever started it has asked for its exit code.
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (ProcessLookupError, FileNotFoundError):
        return True


def worker_pids():
    return {process.pid for process in multiprocessing.active_children()}
