"""What evaluators ask of every architecture: stacking, and new weights by a seed."""

import copy

import pytest
import pytorch_lightning as pl
import torch
from architectures import ARCHITECTURES, make_reduced, name_of

from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.task import Task


def _made(cls):
    torch.manual_seed(0)
    return make_reduced(cls)


def _inputs(count):
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(7))


def _train(module, batch):
    optimizer = torch.optim.SGD(module.parameters(), lr=0.01)
    for step in range(2):
        torch.manual_seed(step)
        out = module.train().training_step(batch, step)
        optimizer.zero_grad()
        (out if isinstance(out, torch.Tensor) else out["loss"]).backward()
        optimizer.step()


@pytest.mark.parametrize("cls", ARCHITECTURES, ids=name_of)
def test_a_population_trains_as_each_network_alone(cls):
    batch = _inputs(6), torch.arange(6)
    template = SupervisedModule(_made(cls))
    losses = [CrossEntropy(), MeanSquaredError()]
    population = PopulationModule(template, losses, ["CE", "MSE"])
    _train(population, batch)
    for index, loss in enumerate(losses):
        alone = SupervisedModule(copy.deepcopy(template.network), loss)
        _train(alone, batch)
        before, stacked = template.network.state_dict(), population.state_of(index)
        for name, value in alone.network.state_dict().items():
            torch.testing.assert_close(stacked[name], value, rtol=1e-4, atol=2e-5, msg=name)
            if name.endswith(("weight", "running_mean", "num_batches_tracked")):
                assert not torch.equal(value, before[name]), name


@pytest.fixture(scope="module", params=ARCHITECTURES, ids=name_of)
def networks(request):
    """One as it was constructed and then run, and what tasks draw out of it by seeds 3, 3 and 4."""
    network = _made(request.param)
    network(_inputs(4))
    module = SupervisedModule(network)
    tasks = [Task(module, pl.LightningDataModule(), seed=seed) for seed in (3, 3, 4)]
    return network, [task.fresh_module().network for task in tasks]


def test_a_task_draws_weights_by_its_seed(networks):
    constructed, (one, again, other) = networks
    for name, value in one.named_parameters():
        assert torch.equal(value, again.get_parameter(name)), name
        if value.dim() > 1:
            assert not torch.equal(value, other.get_parameter(name)), name
            assert not torch.equal(value, constructed.get_parameter(name)), name


def test_weights_drawn_again_are_distributed_as_at_first(networks):
    constructed, (one, *_) = networks
    for name, first in constructed.state_dict().items():
        again = one.state_dict()[name]
        if name.endswith("weight") and first.numel() >= 2000:
            assert float(again.std() / first.std()) == pytest.approx(1, abs=0.12), name
            # Tells uniform numbers from normal ones of the same deviation.
            largest = float(again.abs().max() / first.abs().max())
            assert largest == pytest.approx(1, abs=0.35), name
        elif name.endswith(("weight", "bias")) and (first == first.mean()).all():
            assert torch.equal(again, first), name


def test_statistics_of_batches_start_again(networks):
    constructed, (one, *_) = networks
    for name, value in one.named_buffers():
        if name.endswith("running_var"):
            assert (value == 1).all(), name
        else:
            assert not value.any(), name
        assert not torch.equal(value, constructed.get_buffer(name)), name
