"""Small tasks, and the weights that inner fits end with."""

import copy

import torch
from strangers import BlobsData
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.session import run_session

FAMILY = TaylorFamily(order=3, start="mse")
MSE = Candidate(None, FAMILY.space.start)
OTHERS = (
    Candidate(None, (0.1, -0.2, -0.1, -1.2, 0.1, 1.7, 0.2, 0.1)),
    Candidate(None, (-0.3, 0.1, 0.2, -0.6, -0.1, 2.4, -0.3, 0.2)),
)
CANDIDATES = [MSE, *OTHERS]
EXPLOSIVE = Candidate(None, (0.0, 0.0, 0.0, 1e30, 1e38, 1e38, 1e38, 1e38))
UNBUILDABLE = Candidate(None, (1.0,))


def make_task(network=None, seed=3, data=None, module=None, **changes):
    """A task on blobs of six numbers and three classes."""
    session = {"steps": 12, "validations": 2, "accelerator": "cpu"}
    of_module = {
        name: changes.pop(name)
        for name in ("optimizer", "lr_scheduler", "lr_interval")
        if name in changes
    }
    if network is None:
        network = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3))
    if module is None:
        module = SupervisedModule(network, **of_module)
    return Task(module, data or BlobsData(), Session(**(session | changes)), seed=seed)


def weights_one_by_one(task, candidates=CANDIDATES):
    """Of a Lightning fit a candidate."""
    found = []
    for candidate in candidates:
        module = copy.deepcopy(task.fresh_module())
        module.loss_fn = FAMILY.build(candidate)
        run_session(module, task)
        found.append({name: value.clone() for name, value in module.network.state_dict().items()})
    return found


def weights_stacked(task, candidates=CANDIDATES, compile_mode=None):
    """Of one Lightning fit for all, and the module."""
    losses = [FAMILY.build(candidate) for candidate in candidates]
    module = PopulationModule(task.fresh_module(), losses, [0] * len(losses), compile_mode)
    run_session(module, task)
    return [module.state_of(index) for index in range(len(losses))], module


def largest_difference(some, others):
    return max(
        (one[name].double() - other[name].double()).abs().max().item()
        for one, other in zip(some, others, strict=True)
        for name in one
    )


def distance_moved(task, found):
    """How far training went at the least, so that equality says something."""
    start = task.fresh_module().network.state_dict()
    return min(
        max((state[name].double() - start[name].double()).abs().max().item() for name in state)
        for state in found
    )


def seeded(make):
    torch.manual_seed(0)
    return make()
