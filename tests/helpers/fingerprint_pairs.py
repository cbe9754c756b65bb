"""Things of every kind that a user may hold, in pairs that differ in one respect."""

import collections
import dataclasses
import datetime
import decimal
import enum
import fractions
import functools
import re
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn.utils import parametrizations


class Colour(enum.Enum):
    RED = 1
    BLUE = 2


class Named(str, enum.Enum):
    ONE = "one"
    TWO = "two"


@dataclasses.dataclass
class Point:
    x: float
    y: object = None


@dataclasses.dataclass(frozen=True, slots=True)
class SlottedPoint:
    x: float


class Slotted:
    __slots__ = ("a", "b")

    def __init__(self, a):
        self.a = a


class Plain:
    def __init__(self, **values):
        vars(self).update(values)

    def method(self, x):
        return x

    @functools.cached_property
    def derived(self):
        return 1


class Ordered(list):
    pass


Pair = collections.namedtuple("Pair", "a b")


class Weighted(nn.Module):
    """Settings of every sort, none of them printed."""

    def __init__(self, weight=1.0, scale=1.0, shift=0.0, mask=None, trained=True):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight), requires_grad=trained)
        self.register_buffer("shift", torch.tensor(shift))
        self.register_buffer("hidden", torch.tensor(shift), persistent=False)
        self.scale = scale
        self.mask = mask

    def forward(self, output, target):
        return (output * self.weight * self.scale + self.shift).mean()


def one(x):
    return x


def two(x):
    return x


def _tied(tie):
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    with torch.no_grad():
        for parameter in net.parameters():
            parameter.fill_(1.0)
    if tie:
        net[1].weight = net[0].weight
    return net


def _hooked(hook):
    net = nn.Identity()
    if hook is not None:
        net.register_forward_hook(hook)
    return net


def hook_one(module, inputs, output):
    return output


def hook_two(module, inputs, output):
    return 2 * output


def _layers(*names):
    return nn.ModuleDict({name: nn.Identity() for name in names})


def _sgd(groups=1, kind=torch.optim.SGD, **settings):
    net = _tied(False)
    parts = [net] if groups == 1 else [net[0], net[1]]
    given = [{"params": list(part.parameters())} for part in parts]
    return kind(given, **{"lr": 0.1, **settings})


def _schedule(kind=torch.optim.lr_scheduler.StepLR, **settings):
    return kind(_sgd(), **{"step_size": 3, **settings})


def _parametrized(groups):
    torch.manual_seed(0)
    layer = nn.Linear(2, 2)
    return parametrizations.weight_norm(layer, dim=groups)


_FLOATS = [1.0, 2.0, 3.0, 4.0]

#: By kind, makers of two objects that differ.
DIFFERENT = {
    "bool and int": (lambda: True, lambda: 1),
    "int and float": (lambda: 1, lambda: 1.0),
    "text and number": (lambda: "1", lambda: 1),
    "none and text": (lambda: None, lambda: "None"),
    "infinities": (lambda: float("inf"), lambda: float("-inf")),
    "infinity and its name": (lambda: float("inf"), lambda: "inf"),
    "close floats": (lambda: 0.1, lambda: 0.1 + 1e-16),
    "complex": (lambda: 1j, lambda: 2j),
    "decimals": (lambda: decimal.Decimal("0.1"), lambda: decimal.Decimal("0.10")),
    "fractions": (lambda: fractions.Fraction(1, 3), lambda: fractions.Fraction(2, 3)),
    "bytes": (lambda: b"a", lambda: b"b"),
    "lists": (lambda: [1, [2]], lambda: [1, 2]),
    "order of a list": (lambda: [1, 2], lambda: [2, 1]),
    "lists with attributes": (lambda: Ordered([1]), lambda: Ordered([2])),
    "named tuples": (lambda: Pair(1, 2), lambda: Pair(1, 3)),
    "keys of two types": (lambda: {1: "a"}, lambda: {"1": "a"}),
    "values of a dictionary": (lambda: {"a": 1}, lambda: {"a": 2}),
    "ordered dictionaries": (
        lambda: collections.OrderedDict(a=1, b=2),
        lambda: collections.OrderedDict(b=2, a=1),
    ),
    "default factories": (
        lambda: collections.defaultdict(list),
        lambda: collections.defaultdict(dict),
    ),
    "sets": (lambda: {1, 2}, lambda: {1, 3}),
    "a set and a list": (lambda: {1, 2}, lambda: [1, 2]),
    "long lists": (lambda: [*range(9000), 1], lambda: [*range(9000), 2]),
    "long texts": (lambda: "a" * 20_000 + "b", lambda: "a" * 20_000 + "c"),
    "enums": (lambda: Colour.RED, lambda: Colour.BLUE),
    "enums of texts": (lambda: Named.ONE, lambda: Named.TWO),
    "an enum and its text": (lambda: Named.ONE, lambda: "one"),
    "paths": (lambda: Path("a"), lambda: Path("b")),
    "dates": (lambda: datetime.datetime(2020, 1, 1), lambda: datetime.datetime(2020, 1, 2)),
    "patterns": (lambda: re.compile("a"), lambda: re.compile("a", re.IGNORECASE)),
    "ranges": (lambda: range(3), lambda: range(4)),
    "slices": (lambda: slice(1, 2), lambda: slice(1, 3)),
    "dataclasses": (lambda: Point(1.0), lambda: Point(1.0, [0])),
    "slotted dataclasses": (lambda: SlottedPoint(1.0), lambda: SlottedPoint(2.0)),
    "slots": (lambda: Slotted(1), lambda: Slotted(2)),
    "attributes": (lambda: Plain(a=1), lambda: Plain(a=2)),
    "private attributes": (lambda: Plain(_a=1), lambda: Plain(_a=2)),
    "names of attributes": (lambda: Plain(a=1), lambda: Plain(b=1)),
    "deep attributes": (lambda: Plain(a=Plain(b=[1])), lambda: Plain(a=Plain(b=[2]))),
    "classes of objects": (lambda: Plain(x=1.0, y=None), lambda: Point(1.0)),
    "classes": (lambda: nn.ReLU, lambda: nn.Tanh),
    "a class and its object": (lambda: nn.ReLU, lambda: nn.ReLU()),
    "functions": (lambda: one, lambda: two),
    "built-in functions": (lambda: torch.relu, lambda: torch.tanh),
    "ufuncs": (lambda: np.exp, lambda: np.log),
    "methods": (lambda: Plain(a=1).method, lambda: Plain(a=2).method),
    "functions of partials": (lambda: functools.partial(one, 1), lambda: functools.partial(two, 1)),
    "arguments of partials": (lambda: functools.partial(one, 1), lambda: functools.partial(one, 2)),
    "keywords of partials": (
        lambda: functools.partial(torch.optim.SGD, lr=0.1),
        lambda: functools.partial(torch.optim.SGD, lr=0.9),
    ),
    "types of numbers": (lambda: torch.float32, lambda: torch.float64),
    "devices": (lambda: torch.device("cpu"), lambda: torch.device("cuda:0")),
    "generators": (
        lambda: torch.Generator().manual_seed(1),
        lambda: torch.Generator().manual_seed(2),
    ),
    "generators of numpy": (lambda: np.random.default_rng(1), lambda: np.random.default_rng(2)),
    "numbers of numpy": (lambda: np.float32(1), lambda: np.float64(1)),
    "arrays": (lambda: np.array([1.0, 2.0]), lambda: np.array([1.0, 3.0])),
    "types of arrays": (lambda: np.zeros(2, np.float32), lambda: np.zeros(2, np.int32)),
    "shapes of arrays": (lambda: np.zeros((2, 3)), lambda: np.zeros((3, 2))),
    "arrays of objects": (
        lambda: np.array([Point(1.0), None]),
        lambda: np.array([Point(2.0), None]),
    ),
    "masks": (
        lambda: np.ma.array([1, 2], mask=[0, 1]),
        lambda: np.ma.array([1, 2], mask=[1, 0]),
    ),
    "an array and a tensor": (lambda: np.zeros(2, np.float32), lambda: torch.zeros(2)),
    "an array and a list": (lambda: np.array([1, 2]), lambda: [1, 2]),
    "tensors": (lambda: torch.tensor(_FLOATS), lambda: torch.tensor([*_FLOATS[:3], 5.0])),
    "scalars": (lambda: torch.tensor(1.0), lambda: torch.tensor(2.0)),
    "a scalar and a vector": (lambda: torch.tensor(1.0), lambda: torch.tensor([1.0])),
    "empty tensors": (lambda: torch.zeros(0, 2), lambda: torch.zeros(2, 0)),
    "bfloat16": (
        lambda: torch.tensor([1.0], dtype=torch.bfloat16),
        lambda: torch.tensor([2.0], dtype=torch.bfloat16),
    ),
    "complex tensors": (lambda: torch.tensor([1 + 1j]), lambda: torch.tensor([1 + 1j]).conj()),
    "sparse tensors": (
        lambda: torch.tensor([[0.0, 1.0]]).to_sparse(),
        lambda: torch.tensor([[1.0, 0.0]]).to_sparse(),
    ),
    "compressed tensors": (
        lambda: torch.tensor([[0.0, 1.0]]).to_sparse_csr(),
        lambda: torch.tensor([[0.0, 2.0]]).to_sparse_csr(),
    ),
    "quantised tensors": (
        lambda: torch.quantize_per_tensor(torch.ones(2), 0.5, 0, torch.qint8),
        lambda: torch.quantize_per_tensor(2 * torch.ones(2), 1.0, 0, torch.qint8),
    ),
    "meta tensors": (
        lambda: torch.empty(2, device="meta"),
        lambda: torch.empty(3, device="meta"),
    ),
    "lazy layers": (lambda: nn.LazyLinear(2), lambda: nn.LazyLinear(3)),
    "parameters": (lambda: Weighted(1.0), lambda: Weighted(-1.0)),
    "frozen parameters": (lambda: Weighted(), lambda: Weighted(trained=False)),
    "buffers": (lambda: Weighted(shift=1.0), lambda: Weighted(shift=2.0)),
    "attributes of modules": (lambda: Weighted(scale=1.0), lambda: Weighted(scale=2.0)),
    "tensors of modules": (
        lambda: Weighted(mask=torch.ones(2)),
        lambda: Weighted(mask=torch.zeros(2)),
    ),
    "delta": (lambda: nn.HuberLoss(delta=1.0), lambda: nn.HuberLoss(delta=0.1)),
    "label smoothing": (
        lambda: nn.CrossEntropyLoss(),
        lambda: nn.CrossEntropyLoss(label_smoothing=0.3),
    ),
    "sub-modules": (lambda: nn.Sequential(nn.ReLU()), lambda: nn.Sequential(nn.Tanh())),
    "order of layers": (lambda: _layers("a", "b"), lambda: _layers("b", "a")),
    "modes": (lambda: nn.Dropout(0.5), lambda: nn.Dropout(0.5).eval()),
    "tied weights": (lambda: _tied(False), lambda: _tied(True)),
    "hooks": (lambda: _hooked(None), lambda: _hooked(hook_one)),
    "other hooks": (lambda: _hooked(hook_one), lambda: _hooked(hook_two)),
    "parametrizations": (lambda: _parametrized(0), lambda: _parametrized(1)),
    "learning rates": (lambda: _sgd(lr=0.1), lambda: _sgd(lr=0.9)),
    "momenta": (lambda: _sgd(), lambda: _sgd(momentum=0.9)),
    "optimisers": (
        lambda: _sgd(kind=torch.optim.Adam),
        lambda: _sgd(kind=torch.optim.AdamW, weight_decay=0.0),
    ),
    "groups": (lambda: _sgd(1), lambda: _sgd(2)),
    "schedules": (lambda: _schedule(gamma=0.1), lambda: _schedule(gamma=0.5)),
    "functions of schedules": (
        lambda: torch.optim.lr_scheduler.LambdaLR(_sgd(), one),
        lambda: torch.optim.lr_scheduler.LambdaLR(_sgd(), two),
    ),
}

#: Makers of objects that are equal each time, though made in another way or order.
EQUAL = {
    "order of keys": (lambda: {"a": 1, "b": 2}, lambda: {"b": 2, "a": 1}),
    "order of a set": (lambda: {*"abcdefgh"}, lambda: {*"hgfedcba"}),
    "layout in memory": (
        lambda: torch.arange(6.0).view(2, 3),
        lambda: torch.arange(6.0).view(2, 3).t().contiguous().t(),
    ),
    "layout of an array": (
        lambda: np.arange(6).reshape(2, 3),
        lambda: np.asfortranarray(np.arange(6).reshape(2, 3)),
    ),
    "views": (lambda: torch.ones(3), lambda: torch.ones(1).expand(3)),
    "one object or two": (lambda: [Point(1.0)] * 2, lambda: [Point(1.0), Point(1.0)]),
    "a cached property": (lambda: Plain(a=1), lambda: _looked_at(Plain(a=1))),
    "a hook removed": (lambda: nn.Identity(), lambda: _unhooked()),
    "a schedule attached": (lambda: _known_rates(_sgd()), lambda: _schedule().optimizer),
}


def _looked_at(value):
    assert value.derived == 1
    return value


def _unhooked():
    net = nn.Identity()
    net.register_forward_hook(hook_one).remove()
    return net


def _known_rates(optimizer):
    for group in optimizer.param_groups:
        group["initial_lr"] = group["lr"]
    return optimizer
