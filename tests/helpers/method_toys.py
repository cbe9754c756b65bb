"""Tasks whose modules are wrapped by a training method, importable in worker processes."""

from functools import partial

import torch
from strangers import BlobsData
from torch import nn
from walking import concrete_subclasses

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import NamedLosses
from lightning_lossmeta.data import DigitsDataModule
from lightning_lossmeta.evaluators import TrainerEvaluator
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.modules.methods import TrainingMethod
from lightning_lossmeta.task import Session, Task

CE = Candidate("cross-entropy")
METHODS = [method for cls in concrete_subclasses(TrainingMethod) for method in cls.examples()]
FAMILY = NamedLosses({"cross-entropy": CrossEntropy()})


def blobs_module(method=None, **changes):
    """A fresh module by the global generator, wrapped if there is a method."""
    module = SupervisedModule(MLP(6, [8], 3), **changes)
    return module if method is None else method.wrap(module)


def blobs_task(method=None, seed=3, of_module=None, **changes):
    """Six numbers, three classes, 24 steps."""
    session = Session(**({"steps": 24, "validations": 2, "accelerator": "cpu"} | changes))
    module = partial(blobs_module, method, **(of_module or {}))
    return Task(module, BlobsData(), session, seed=seed)


def digits_accuracy(method, noise, seed):
    """Test accuracy after 600 steps on noisy digits, 37 epochs."""
    session = Session(steps=600, validations=0, split="test", accelerator="cpu")
    data = DigitsDataModule(batch_size=64, noise=noise, noise_seed=seed)
    task = Task(partial(digits_module, method), data, session, seed=seed)
    return evaluate(task).fitness


def digits_module(method=None, **changes):
    settings = {"optimizer": partial(torch.optim.Adam, lr=3e-3)} | changes
    module = SupervisedModule(MLP(64, [128], 10), **settings)
    return module if method is None else method.wrap(module)


def evaluate(task):
    (evaluation,) = TrainerEvaluator().evaluate([CE], FAMILY, [task])
    return evaluation


def seeded_network(seed=0, *more):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), *more, nn.Tanh(), nn.Linear(5, 3))
