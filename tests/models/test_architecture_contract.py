"""What every architecture keeps: shapes, training, export."""

import pytest
import torch
from architectures import ARCHITECTURES, make, make_reduced, name_of
from torch.nn.functional import cross_entropy

from lightning_lossmeta import models

every_architecture = pytest.mark.parametrize("cls", ARCHITECTURES, ids=name_of)


def _made(cls):
    torch.manual_seed(0)
    return make_reduced(cls)


def _inputs(count):
    return torch.randn(count, 3, 16, 16, generator=torch.Generator().manual_seed(7))


def test_the_walk_finds_what_the_package_exports():
    assert {cls.__name__ for cls in ARCHITECTURES} == set(models.__all__) - {"penultimate"}


@every_architecture
@pytest.mark.parametrize(
    ("size", "channels", "num_classes"), [(28, 1, 10), (32, 3, 10), (32, 3, 100)]
)
def test_shapes_at_full_size(cls, size, channels, num_classes):
    with torch.device("meta"):
        network = make(cls, size, channels, num_classes)
        assert network(torch.empty(4, channels, size, size)).shape == (4, num_classes)


@every_architecture
def test_images_of_an_odd_size(cls):
    if cls is models.LeNet5:
        with pytest.raises(ValueError, match="multiple of 4"):
            make_reduced(cls, size=19)
        return
    with torch.device("meta"):
        network = make_reduced(cls, size=19, num_classes=1)
        assert network(torch.empty(2, 3, 19, 19)).shape == (2, 1)


@every_architecture
def test_trains(cls):
    network, inputs, target = _made(cls), _inputs(8), torch.arange(8)
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)

    def loss():
        torch.manual_seed(1)  # the same units are dropped each time
        return cross_entropy(network(inputs), target)

    first = loss()
    first.backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.any(), name
    for _ in range(5):
        optimizer.step()
        optimizer.zero_grad()
        last = loss()
        last.backward()
    assert last < 0.95 * first


@every_architecture
def test_torch_export_keeps_the_outputs(cls):
    network, inputs = _made(cls).eval(), _inputs(2)
    exported = torch.export.export(network, (inputs,)).module()
    torch.testing.assert_close(exported(inputs), network(inputs))


def test_saved_weights_are_plain_tensors(tmp_path):
    network, other = _made(models.PyramidNet), make_reduced(models.PyramidNet)
    torch.save(network.state_dict(), tmp_path / "weights.pt")
    other.load_state_dict(torch.load(tmp_path / "weights.pt", weights_only=True))
    assert torch.equal(network.eval()(_inputs(2)), other.eval()(_inputs(2)))
