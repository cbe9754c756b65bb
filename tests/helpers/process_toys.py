"""A tiny task whose losses misbehave on demand, importable in worker processes."""

import multiprocessing
import os
import time
from pathlib import Path

import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families.base import LossFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.task import Session, Task

GOOD = Candidate("train", (1.0,))
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
    """Cross-entropy with a mishap in its training."""

    def __init__(self, mishap, number, marker):
        super().__init__()
        self.mishap, self.number, self.marker = mishap, number, marker

    def per_sample(self, output, target):
        if self.mishap == "sleep":
            time.sleep(self.number / SESSION.steps)
        elif self.mishap == "exit":
            os._exit(3)
        elif self.mishap == "exit once" and not self.marker.exists():
            self.marker.touch()
            os._exit(3)
        elif self.mishap == "raise":
            raise RuntimeError("no such loss")
        scale = self.number if self.mishap == "train" else 1.0
        return scale * nn.functional.cross_entropy(output, target, reduction="none")


class ScriptedFamily(LossFamily):
    name = "scripted"
    space = None

    def __init__(self, marker=None):
        self.marker = marker

    def build(self, candidate):
        return ScriptedLoss(candidate.structure, candidate.theta[0], self.marker)

    def read(self, loss):
        return Candidate(loss.mishap, (loss.number,))

    def formula(self, candidate):
        return f"{candidate.structure} {candidate.theta}"

    def settings(self):
        return {}


def tiny_task(**changes):
    settings = {"module": TinyModule(), "data": TinyData(), "session": SESSION, "seed": 5}
    return Task(**{**settings, **changes})


class MarkedLoaderData(TinyData):
    """Its training data comes from a process, which leaves its number in a folder."""

    def __init__(self, folder):
        super().__init__()
        self.folder = folder

    def train_dataloader(self):
        return DataLoader(self.pairs, 16, num_workers=1, worker_init_fn=self.mark)

    def mark(self, worker):
        (self.folder / str(os.getpid())).touch()


def gone(pid):
    """Whether a process ends within some seconds."""
    for _ in range(100):
        try:
            os.kill(pid, 0)
            # One that has ended stays visible until whoever started it has asked for its exit code.
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.05)
    return False


def worker_pids():
    return {process.pid for process in multiprocessing.active_children()}
