"""Numbers of parameters and of multiplications against those of the papers and of other code.

Sources of figures: (1) the paper that is named; (2) the tables of github.com/osmr/imgclsmob, an
independent implementation of most; (3) kuangliu's networks for CIFAR-10, as listed in many places;
(4) torchvision's own figures for ImageNet.
"""

from itertools import pairwise

import pytest
import torch
import torchvision
from architectures import ARCHITECTURES
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

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


def conv(size, *channels, bias=1):
    """Parameters of square convolutions in a row."""
    return sum((a * size**2 + bias) * b for a, b in pairwise(channels))


def fc(*widths):
    """Parameters of linear layers in a row."""
    return conv(1, *widths)


def norm(*channels):
    """Parameters of batch normalisations."""
    return 2 * sum(channels)


def _imagenet(weights, name="num_params"):
    return weights.IMAGENET1K_V1.meta[name]


def _kuangliu_vgg(count, channels):
    """His convolutions have biases before the normalisation, ours none."""
    return count - sum(channels)


VGG11_CHANNELS = [64, 128, 256, 256, *[512] * 4]
VGG16_CHANNELS = [64, 64, 128, 128, *[256] * 3, *[512] * 6]
SQUEEZENET_CHANNELS = [128, 128, 256, 256, 384, 384, 512, 512]
JOCOR_CHANNELS = [64, 64, 128, 128, 196, 196]
HEAD = 990 * 513  # of torchvision's 1,000 classes on 512 features, what 10 classes do without

COUNTS = [
    (LogisticRegression, (784, 10), 7_850),
    (MLP, (784, [1000], 10), fc(784, 1000, 10)),  # MNIST, Raymond et al. 2024
    (MLP, (784, [256], 10), fc(784, 256, 10)),  # 2-layer MLP, Gao et al. 2021, table 6
    (MLP, (784, [256, 256], 10), fc(784, 256, 256, 10)),  # 3-layer MLP, the same
    (MLP, (64, [32, 16], 3, 0.5, True), fc(64, 32, 16, 3) + norm(32, 16)),
    (LeNet5, (), 61_706),  # as counted by LeCun et al. for 32x32 inputs
    (LeNet5, (7, 3, 32), conv(5, 3, 6, 16) + fc(16 * 36, 120, 84, 7)),
    (CNN4, (), conv(5, 1, 32, 64) + fc(1024, 1024, 10)),  # Gao et al. 2021, table 6
    (CNN4, (100, 3, 32), conv(5, 3, 32, 64) + fc(1600, 1024, 100)),
    (
        JoCoRNet,  # Gao et al. 2021, table 6
        (100,),
        conv(3, 3, *JOCOR_CHANNELS, bias=0) + norm(*JOCOR_CHANNELS) + fc(196, 100),
    ),
    (AlexNet, (), conv(3, 3, 64, 192, 384, 256, 256) + fc(1024, 4096, 4096, 10)),
    (AlexNet, (10, 1, 28), conv(3, 1, 64, 192, 384, 256, 256) + fc(1024, 4096, 4096, 10)),
    (AllCNNC, (), conv(3, 3, *[96] * 3, *[192] * 4) + conv(1, 192, 192, 10)),  # 1.4 M in the paper
    (
        AllCNNC,
        (10, 3, 0.5, 0.2, True),
        conv(3, 3, *[96] * 3, *[192] * 4, bias=0)
        + conv(1, 192, 192, bias=0)
        + norm(*[96] * 3, *[192] * 5)
        + fc(192, 10),
    ),
    (VGG, (11,), _kuangliu_vgg(9_231_114, VGG11_CHANNELS)),  # (3)
    (VGG, (16,), _kuangliu_vgg(14_728_266, VGG16_CHANNELS)),  # (3)
    (VGG, (16, 100, 3, False), conv(3, 3, *VGG16_CHANNELS) + fc(512, 100)),
    (ResNet18, (), 11_173_962),  # (3)
    (
        ResNet18,
        (),  # (4), less what a 7x7 stem and 1,000 classes take more
        _imagenet(torchvision.models.ResNet18_Weights) - (49 - 9) * 3 * 64 - HEAD,
    ),
    (ResNet18, (100,), 11_173_962 + 90 * 513),
    (PreActResNet, (20,), 272_282),  # (2); 0.27 M in He et al. 2015
    (PreActResNet, (110,), 1_730_522),  # (2); 1.7 M
    (PreActResNet, (164, 10, 3, True), 1_703_258),  # (2); 1.7 M in He et al. 2016
    (WideResNet, (16, 10), 17_116_634),  # (2); 17.1 M in Zagoruyko & Komodakis 2016
    (WideResNet, (28, 10), 36_479_194),  # (2); 36.5 M
    (WideResNet, (40, 8), 35_748_314),  # (2); 35.7 M
    (PyramidNet, (), 1_772_706),  # (2); 1.7 M in Han et al. 2017
    (PyramidNet, (110, 84), 3_904_446),  # (2); 3.8 M
    (PyramidNet, (110, 270), 28_485_477),  # (2); 28.3 M
    (
        SqueezeNet,
        (),  # (4), less what 7x7 and 1,000 classes take more, plus normalisation in place of biases
        _imagenet(torchvision.models.SqueezeNet1_0_Weights)
        - (49 - 9) * 3 * 96
        - HEAD
        + sum([96, *(width * 9 // 8 for width in SQUEEZENET_CHANNELS)]),
    ),
]


def _on_meta(cls, arguments):
    with torch.device("meta"):
        return cls(*arguments)


def _ids(value):
    return value.__name__ if isinstance(value, type) else None


def test_every_architecture_is_counted():
    assert {cls for cls, *_ in COUNTS} == set(ARCHITECTURES)


@pytest.mark.parametrize(("cls", "arguments", "count"), COUNTS, ids=_ids)
def test_parameters(cls, arguments, count):
    assert sum(p.numel() for p in _on_meta(cls, arguments).parameters()) == count


@pytest.mark.parametrize(("depth", "width", "millions"), [(16, 8, 11.0), (28, 10, 36.5)])
def test_wide_networks_of_the_paper(depth, width, millions):
    # Zagoruyko & Komodakis (2016), tables 4 and 9.
    network = _on_meta(WideResNet, (depth, width))
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 1) == millions


@pytest.mark.parametrize(("depth", "width"), [(16, 8), (28, 5), (28, 10)])
def test_wide_networks_by_hand(depth, width):
    n = (depth - 4) // 6
    channels = [16, 16 * width, 32 * width, 64 * width]
    count = conv(3, 3, 16, bias=0) + norm(channels[-1]) + fc(channels[-1], 10)
    for before, after in pairwise(channels):
        count += conv(3, before, *[after] * 2 * n, bias=0) + conv(1, before, after, bias=0)
        count += norm(before, *[after] * (2 * n - 1))
    assert sum(p.numel() for p in _on_meta(WideResNet, (depth, width)).parameters()) == count


def test_a_wide_network_of_width_one_is_the_ordinary_one():
    wide, ordinary = _on_meta(WideResNet, (22, 1)), _on_meta(PreActResNet, (20,))
    shapes = [{k: v.shape for k, v in net.state_dict().items()} for net in (wide, ordinary)]
    assert shapes[0] == shapes[1]


# Millions of multiplications for a 32x32 image: they tell where strides and pooling are.
MULTIPLICATIONS = [
    (VGG, (16,), 314),  # (3)
    (VGG, (11,), 153),  # (3)
    (ResNet18, (), 556),  # (3)
    (PreActResNet, (20,), 41.3),  # (2)
    (PreActResNet, (110,), 255.7),  # (2)
    (WideResNet, (28, 10), 5247),  # (2)
    (WideResNet, (16, 10), 2414),  # (2)
    (PyramidNet, (), 408.4),  # (2)
]


@pytest.mark.parametrize(("cls", "arguments", "millions"), MULTIPLICATIONS, ids=_ids)
def test_multiplications(cls, arguments, millions):
    network = _on_meta(cls, arguments).eval()
    with FlopCounterMode(display=False) as counter:
        network(torch.empty(1, 3, 32, 32, device="meta"))
    assert counter.get_total_flops() / 2e6 == pytest.approx(millions, rel=0.02)


def _sides(network, size):
    """Side of the output of each convolution, in the order they run."""
    sides = []
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            layer.register_forward_hook(lambda *call: sides.append(call[-1].shape[-1]))
    network(torch.empty(2, 3, size, size, device="meta"))
    return sides


def test_all_cnn_c_averages_over_six_by_six():
    network = _on_meta(AllCNNC, ())
    assert _sides(network, 32) == [32, 32, 16, 16, 16, 8, 6, 6]


def test_jocor_net_averages_over_eight_by_eight():
    assert _sides(_on_meta(JoCoRNet, ()), 32) == [32, 32, 16, 16, 8, 8]


def test_bottlenecks_reduce_the_image_in_their_first_convolution():
    sides = _sides(_on_meta(PreActResNet, (11, 10, 3, True)), 32)
    # The shortcut is computed before the residual branch.
    assert sides == [32, *[32] * 4, *[16] * 4, *[8] * 4]
