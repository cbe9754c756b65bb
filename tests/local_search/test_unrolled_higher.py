import pytest
import torch
from torch import nn
from unrolled_toys import LOSSES, OTHERS, SGDS, make_episode, make_network, theta_of

from lightning_lossmeta.local_search.higher_backend import higher_obstacle, meta_loss_by_higher
from lightning_lossmeta.local_search.unrolled import meta_gradient, meta_loss


@pytest.mark.parametrize("optimizer", SGDS)
@pytest.mark.parametrize("name", LOSSES)
def test_agrees_with_the_other_back_end(name, optimizer):
    episode, task_loss = make_episode(name, optimizer)
    assert higher_obstacle(episode.rules) is None
    loss, theta = LOSSES[name], theta_of(LOSSES[name])
    values = [back(episode, loss, theta, task_loss) for back in (meta_loss, meta_loss_by_higher)]
    torch.testing.assert_close(values[1], values[0], rtol=1e-12, atol=1e-13)
    slopes = [meta_gradient(value, theta) for value in values]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-11, atol=1e-12)
    assert slopes[0].abs().max() > 1e-4


def test_agrees_with_frozen_parameters_and_batch_norm():
    network = make_network(nn.BatchNorm1d(4), nn.Tanh())
    network[0].weight.requires_grad_(False)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    episode, task_loss = make_episode(optimizer="nesterov", network=network)
    loss, theta = LOSSES["taylor"], theta_of(LOSSES["taylor"])
    slopes = [
        meta_gradient(back(episode, loss, theta, task_loss), theta)
        for back in (meta_loss, meta_loss_by_higher)
    ]
    torch.testing.assert_close(slopes[1], slopes[0], rtol=1e-11, atol=1e-12)
    for name, value in network.state_dict().items():
        assert torch.equal(value, before[name])


@pytest.mark.parametrize("optimizer", OTHERS)
def test_adam_is_refused(optimizer):
    episode, task_loss = make_episode(optimizer=optimizer)
    loss = LOSSES["taylor"]
    with pytest.raises(TypeError, match=r"wrong in size and sign\. Use the back end 'func'"):
        meta_loss_by_higher(episode, loss, loss.theta, task_loss)
