import re
from dataclasses import replace
from functools import partial

import pytest
import torch
from inner_fits import make_task
from strangers import BlobsData, StrangersNet
from torch import nn
from torch.optim import SGD, RMSprop

from lightning_lossmeta.local_search.episodes import Episodes, task_rules, unrolling_obstacle
from lightning_lossmeta.local_search.optimizers import UnrolledSGD
from lightning_lossmeta.modules import SupervisedModule

MOMENTUM = partial(SGD, lr=0.05, momentum=0.9)


class _Augmented(BlobsData):
    """Training batches are doubled where they are trained on."""

    def on_after_batch_transfer(self, batch, dataloader_idx):
        inputs, target = batch
        return (2 * inputs if self.trainer.training else inputs), target


class _Empty(BlobsData):
    def train_dataloader(self):
        return []


def _drawn(task, count=4, base_steps=2):
    """First weights and inputs of some episodes."""
    episodes = Episodes(task, base_steps, None)
    found = [episodes.next(number) for number in range(count)]
    weights = [next(item.network.parameters()).detach() for item in found]
    return weights, [inputs for item in found for inputs, _ in item.batches]


def test_weights_and_batches_depend_on_the_seed_alone():
    torch.manual_seed(1)
    weights, inputs = _drawn(make_task(seed=3))
    torch.manual_seed(2)
    again = _drawn(make_task(seed=3))
    other = _drawn(make_task(seed=4))
    assert all(map(torch.equal, weights + inputs, again[0] + again[1]))
    assert not any(map(torch.equal, weights + inputs, other[0] + other[1]))


def test_each_episode_begins_anew_and_epochs_follow_each_other():
    weights, inputs = _drawn(make_task(), count=9)
    assert not any(torch.equal(weights[0], later) for later in weights[1:])
    first, second = torch.cat(inputs[:9]), torch.cat(inputs[9:])
    assert first.shape == (180, 6)
    assert not torch.equal(first, second)
    assert torch.equal(first.sort(dim=0).values, second.sort(dim=0).values)


def test_batches_do_not_depend_on_what_is_drawn_between():
    episodes = Episodes(make_task(), 1, None)
    found = []
    for number in range(12):
        found.append(episodes.next(number).batches[0][0])
        torch.rand(number)
    assert all(map(torch.equal, found, _drawn(make_task(), 12, 1)[1]))


def test_networks_are_in_training_mode_and_batches_augmented():
    episode = Episodes(make_task(data=_Augmented()), 1, None).next(0)
    plain = Episodes(make_task(), 1, None).next(0)
    assert episode.network.training
    assert torch.equal(episode.batches[0][0], 2 * plain.batches[0][0])


def test_as_few_images_as_the_inner_fit():
    _, inputs = _drawn(make_task(train_samples=40), count=5)
    assert len(torch.cat(inputs).unique(dim=0)) == 40


def test_double_precision():
    episode = Episodes(make_task(precision="64-true"), 1, None).next(0)
    assert next(episode.network.parameters()).dtype is torch.float64
    inputs, target = episode.batches[0]
    assert (inputs.dtype, target.dtype) == (torch.float64, torch.int64)


def test_no_batches():
    with pytest.raises(ValueError, match="Expected training batches of task 'task', got none"):
        Episodes(make_task(data=_Empty()), 1, None).next(0)


def test_step_length_and_factor():
    task = make_task(optimizer=MOMENTUM, learning_rate_factor=3.0)
    module = task.fresh_module()
    names = {name for name, _ in module.network.named_parameters()}
    rules = task_rules(module, task, None)
    assert set(rules) == names
    assert set(rules.values()) == {UnrolledSGD(0.05 * 3.0, momentum=0.9)}
    assert set(task_rules(module, task, 4.0).values()) == {UnrolledSGD(4.0, momentum=0.9)}


class _OwnStep(SupervisedModule):
    def training_step(self, batch, batch_idx):
        return 2 * super().training_step(batch, batch_idx)


class _OwnScores(SupervisedModule):
    def validation_step(self, batch, batch_idx):
        return super().validation_step(batch, batch_idx)


def _frozen():
    network = nn.Linear(6, 3)
    for parameter in network.parameters():
        parameter.requires_grad_(False)
    return SupervisedModule(network)


@pytest.mark.parametrize(
    ("module", "session", "message"),
    [
        (StrangersNet(), {}, "expected a SupervisedModule, .* got StrangersNet; wrap its network"),
        (_OwnStep(nn.Linear(6, 3)), {}, "_OwnStep overrides training_step"),
        (
            SupervisedModule(nn.Linear(6, 3), optimizer=partial(RMSprop, lr=0.1)),
            {},
            "RMSprop can't be unrolled",
        ),
        (SupervisedModule(nn.Linear(6, 3)), {"gradient_clip_val": 1.0}, "clipped gradients"),
        (_frozen(), {}, "the optimiser of SupervisedModule trains no parameter"),
    ],
)
def test_why_not(module, session, message):
    reason = unrolling_obstacle(module, replace(make_task().session, **session))
    assert reason is not None
    assert re.search(message, reason)


def test_own_scores_are_no_obstacle():
    assert unrolling_obstacle(_OwnScores(nn.Linear(6, 3)), make_task().session) is None
