import pytest
import pytorch_lightning as pl
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import PopulationModule, StackedLosses, SupervisedModule

OPTIMIZERS = {
    "SGD": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, weight_decay=1e-3),
    "Adam": lambda p: torch.optim.Adam(p, lr=0.01),
    "RMSprop": lambda p: torch.optim.RMSprop(p, lr=0.01),
}


def _network(seed=0):
    torch.manual_seed(seed)
    # No bias before the normalisation: its gradient is nothing but rounding.
    return nn.Sequential(
        nn.Conv1d(1, 2, 2, bias=False), nn.BatchNorm1d(2), nn.Flatten(), nn.ReLU(), nn.Linear(10, 3)
    )


def _losses():
    family = TaylorFamily()
    taylor = [
        family.build(Candidate(None, (0.1, -0.1, 0.2, -scale, 0.1, 2 * scale, 0.0, 0.3)))
        for scale in (0.5, 1.0, 4.0)
    ]
    return [taylor[0], CrossEntropy(), taylor[1], MeanSquaredError(), taylor[2]]


KEYS = ["taylor", "CE", "taylor", "MSE", "taylor"]


def _pairs(count=40):
    generator = torch.Generator().manual_seed(2)
    inputs = torch.randn(count, 1, 6, generator=generator)
    return inputs, inputs[:, 0, :3].argmax(1)


def _loader(batch_size=10):
    return DataLoader(TensorDataset(*_pairs()), batch_size)


def _template(optimizer="SGD", schedule=None):
    return SupervisedModule(
        _network(), optimizer=OPTIMIZERS[optimizer], lr_scheduler=schedule, lr_interval="step"
    )


def _fit(module, epochs=2):
    trainer = pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, _loader(), _loader(15))
    return trainer


def _decay(optimizer):
    return torch.optim.lr_scheduler.ExponentialLR(optimizer, 0.9)


@pytest.mark.parametrize(
    ("optimizer", "schedule"), [("SGD", None), ("Adam", _decay), ("RMSprop", None)]
)
def test_trains_each_network_as_if_it_were_alone(optimizer, schedule):
    losses = _losses()
    population = PopulationModule(_template(optimizer, schedule), losses, KEYS)
    _fit(population)
    metrics = population.candidate_metrics()
    for index, loss in enumerate(losses):
        alone = _template(optimizer, schedule)
        alone.loss_fn = loss
        trainer = _fit(alone)
        found = population.state_of(index)
        for name, expected in alone.network.state_dict().items():
            torch.testing.assert_close(
                found[name], expected, rtol=1e-4, atol=1e-5, msg=lambda m, n=name: f"{n}: {m}"
            )
        for name in ("val_loss", "val_accuracy"):
            value = trainer.callback_metrics[name].item()
            assert metrics[name][index] == pytest.approx(value, abs=1e-4)


def test_outputs_are_those_of_each_network():
    population = PopulationModule(_template(), _losses(), KEYS)
    _fit(population, 1)
    population.eval()
    population.validation_step(next(iter(_loader())), 0)  # puts the networks in its mode
    inputs, _ = _pairs()
    shared = population(inputs)
    own = population(torch.stack([inputs * scale for scale in range(5)]), per_candidate=True)
    assert shared.shape == own.shape == (5, 40, 3)
    for index in range(5):
        network = _network().eval()
        network.load_state_dict(population.state_of(index))
        torch.testing.assert_close(shared[index], network(inputs), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(own[index], network(inputs * index), rtol=1e-4, atol=1e-5)


def test_one_that_diverges_does_not_spoil_the_others():
    family = TaylorFamily()
    explosive = family.build(Candidate(None, (0.0, 0.0, 1e30, *[1e38] * 5)))
    good = family.build(Candidate(None, (0.0, 0.0, 0.0, -1.0, 0.0, 2.0, 0.0, 0.0)))
    population = PopulationModule(_template(), [good, explosive, good], ["taylor"] * 3)
    _fit(population)
    assert population.finite() == [True, False, True]
    one, other = population.state_of(0), population.state_of(2)
    for name in one:
        torch.testing.assert_close(one[name], other[name])


def test_starts_again_as_a_new_one():
    losses = _losses()
    used = PopulationModule(_template(), losses, KEYS)
    _fit(used)
    other = _template()
    with torch.no_grad():
        for value in other.parameters():
            value.add_(0.1)
    others = [losses[index] for index in (4, 1, 0, 3, 2)]
    used.reset(other, StackedLosses(others, KEYS))
    new = PopulationModule(other, others, KEYS)
    _fit(used)
    _fit(new)
    for index in range(5):
        for name, value in new.state_of(index).items():
            torch.testing.assert_close(used.state_of(index)[name], value, msg=name)
    for name, values in new.candidate_metrics().items():
        assert used.candidate_metrics()[name] == pytest.approx(values, abs=1e-5)


def test_frozen_weights_stay():
    template = _template()
    template.network[0].weight.requires_grad_(False)
    before = template.network[0].weight.clone()
    population = PopulationModule(template, _losses(), KEYS)
    _fit(population, 1)
    for index in range(5):
        assert torch.equal(population.state_of(index)["0.weight"], before)
        assert not torch.equal(population.state_of(index)["4.weight"], template.network[4].weight)


def test_candidates_of_one_loss_share_their_random_numbers():
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Dropout(0.5), nn.Linear(6, 3))
    population = PopulationModule(
        SupervisedModule(network), [CrossEntropy() for _ in range(3)], ["CE"] * 3
    )
    _fit(population, 1)
    for name, value in population.state_of(0).items():
        for index in (1, 2):
            torch.testing.assert_close(population.state_of(index)[name], value)


def test_the_template_is_left_as_it_was():
    template = _template()
    before = {name: value.clone() for name, value in template.state_dict().items()}
    _fit(PopulationModule(template, _losses(), KEYS), 1)
    assert type(template.network[4]) is nn.Linear
    assert all(torch.equal(template.state_dict()[name], value) for name, value in before.items())


def test_scores_are_averaged_over_samples():
    population = PopulationModule(_template(), _losses(), KEYS)
    population.on_validation_epoch_start()
    population.validation_step(next(iter(_loader())), 0)
    population.add_scores("val_extra", torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0]), 30)
    population.add_scores("val_extra", torch.tensor([4.0, 3.0, 2.0, 1.0, 0.0]), 10)
    assert population.candidate_metrics()["val_extra"] == [1.0, 1.5, 2.0, 2.5, 3.0]
    population.on_validation_epoch_start()
    population.validation_step(next(iter(_loader())), 0)
    assert "val_extra" not in population.candidate_metrics()
