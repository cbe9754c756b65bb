"""Blocks against formulas, and what is refused."""

import pytest
import torch
from torch import nn
from torch.nn.functional import avg_pool2d, batch_norm, conv2d

from lightning_lossmeta.models import (
    CNN4,
    MLP,
    VGG,
    AlexNet,
    AllCNNC,
    JoCoRNet,
    LeNet5,
    LogisticRegression,
    PreActResNet,
    PyramidNet,
    ResNet18,
    SqueezeNet,
    WideResNet,
)
from lightning_lossmeta.models.preactivation import basic_block, bottleneck_block
from lightning_lossmeta.models.pyramid_net import PyramidBlock
from lightning_lossmeta.models.squeezenet import Fire


def _normalised(x):
    return batch_norm(x, None, None, training=True)


def _kernels(block):
    return [m.weight for m in block.residual.modules() if isinstance(m, nn.Conv2d)]


@pytest.mark.parametrize(("width", "stride"), [(4, 1), (6, 1), (4, 2), (8, 2)])
def test_basic_block(width, stride):
    block, x = basic_block(4, width, stride).double(), torch.randn(3, 4, 9, 9).double()
    one, two = _kernels(block)
    a = _normalised(x).relu()
    residual = conv2d(_normalised(conv2d(a, one, None, stride, 1)).relu(), two, None, 1, 1)
    shape_stays = (width, stride) == (4, 1)
    assert (block.shortcut is None) == shape_stays
    shortcut = x if shape_stays else conv2d(a, block.shortcut.weight, None, stride)
    torch.testing.assert_close(block(x), shortcut + residual)


@pytest.mark.parametrize(("width", "stride"), [(1, 1), (4, 1), (2, 2)])
def test_bottleneck_block(width, stride):
    block, x = bottleneck_block(4, width, stride).double(), torch.randn(3, 4, 8, 8).double()
    one, two, three = _kernels(block)
    a = _normalised(x).relu()
    h = _normalised(conv2d(a, one, None, stride)).relu()
    h = _normalised(conv2d(h, two, None, 1, 1)).relu()
    shape_stays = (width, stride) == (1, 1)
    shortcut = x if shape_stays else conv2d(a, block.shortcut.weight, None, stride)
    torch.testing.assert_close(block(x), shortcut + conv2d(h, three))


@pytest.mark.parametrize("stride", [1, 2])
def test_pyramid_block(stride):
    block, x = PyramidBlock(4, 7, stride).double(), torch.randn(3, 4, 8, 8).double()
    one, two = _kernels(block)
    h = _normalised(conv2d(_normalised(x), one, None, stride, 1)).relu()
    expected = _normalised(conv2d(h, two, None, 1, 1)).clone()
    expected[:, :4] += x if stride == 1 else avg_pool2d(x, 2)
    torch.testing.assert_close(block(x), expected)


def test_pyramid_widths_grow_by_little():
    blocks = [m for m in PyramidNet(20, 27).modules() if isinstance(m, PyramidBlock)]
    widths = [block.residual[1].out_channels for block in blocks]
    assert widths == [19, 22, 25, 28, 31, 34, 37, 40, 43]
    assert [block.residual[1].stride[0] for block in blocks] == [1, 1, 1, 2, 1, 1, 2, 1, 1]


def test_dropout_stands_where_the_papers_have_it():
    kinds = [(type(m).__name__, getattr(m, "p", None)) for m in AllCNNC()]
    assert [i for i, (kind, _) in enumerate(kinds) if kind == "Dropout"] == [0, 7, 14]
    assert [p for kind, p in kinds if kind == "Dropout"] == [0.2, 0.5, 0.5]
    block = WideResNet(10, 1, dropout=0.3)[1].residual
    assert [type(m).__name__ for m in block] == [
        "Conv2d",
        "BatchNorm2d",
        "ReLU",
        "Dropout",
        "Conv2d",
    ]
    assert not any(isinstance(m, nn.Dropout) for m in WideResNet(10, 1).modules())


@pytest.mark.parametrize(("before", "after"), [(16, 32), (32, 32)])
def test_fire(before, after):
    block, x = Fire(before, after).double(), torch.randn(3, before, 8, 8).double()
    squeezed = _normalised(conv2d(x, block.squeeze[0].weight)).relu()
    assert squeezed.shape[1] == after // 8
    one = _normalised(conv2d(squeezed, block.expand1x1[0].weight)).relu()
    three = _normalised(conv2d(squeezed, block.expand3x3[0].weight, padding=1)).relu()
    expected = torch.cat([one, three], dim=1)
    torch.testing.assert_close(block(x), expected + x if before == after else expected)


def test_squeezenet_adds_inputs_around_every_second_fire():
    fires = [layer for layer in SqueezeNet() if isinstance(layer, Fire)]
    assert [fire.bypass for fire in fires] == [False, True] * 4


@pytest.mark.parametrize("cls", [AllCNNC, SqueezeNet])
def test_a_linear_layer_on_the_average_is_the_average_of_class_maps(cls):
    torch.manual_seed(0)
    network = cls().eval()
    inputs = torch.randn(4, 3, 32, 32)
    features, last = nn.Sequential(*list(network)[:-3])(inputs), network[-1]
    maps = conv2d(features, last.weight[..., None, None], last.bias)
    torch.testing.assert_close(network(inputs), maps.mean(dim=(2, 3)), rtol=1e-4, atol=1e-5)
    assert (network(inputs) < 0).any()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LogisticRegression(0, 10), "`in_features`.*got 0"),
        (lambda: MLP(4, [0], 10), "`hidden`.*got 0"),
        (lambda: MLP(4, [3], 10, dropout=1.0), "`dropout`"),
        (lambda: LeNet5(0), "`num_classes`"),
        (lambda: LeNet5(image_size=30), "multiple of 4.*got 30"),
        (lambda: CNN4(image_size=15), "`image_size`.*at least 16, got 15"),
        (lambda: CNN4(0), "`num_classes`.*got 0"),
        (lambda: JoCoRNet(in_channels=0), "`in_channels`.*got 0"),
        (lambda: AlexNet(hidden=0), "`hidden`.*got 0"),
        (lambda: AlexNet(dropout=1), r"`dropout`.*\[0, 1\), got 1"),
        (lambda: AllCNNC(input_dropout=-0.1), r"`input_dropout`.*got -0.1"),
        (lambda: VGG(12), r"`depth` to be one of \[11, 13, 16, 19\], got 12"),
        (lambda: VGG(11, True), "`num_classes`.*got True"),
        (lambda: ResNet18(in_channels=-1), "`in_channels`.*got -1"),
        (lambda: SqueezeNet(dropout=float("nan")), "`dropout`.*got nan"),
        (lambda: PreActResNet(18), r"`depth` to be 6n \+ 2.*e.g. 20, got 18"),
        (lambda: PreActResNet(20.0), "`depth`.*integer.*got 20.0"),
        (lambda: PreActResNet(32, bottleneck=True), r"9n \+ 2.*e.g. 29, got 32"),
        (lambda: PreActResNet(2), r"n at least 1.*got 2"),
        (lambda: WideResNet(20, 2), r"6n \+ 4.*e.g. 22, got 20"),
        (lambda: WideResNet(width=0), "`width`.*got 0"),
        (lambda: PyramidNet(alpha=-1), "`alpha`.*got -1"),
        (lambda: PyramidNet(110, float("inf")), "`alpha`.*got inf"),
    ],
)
def test_bad_arguments_are_named(make, message):
    with pytest.raises(ValueError, match=message):
        make()
