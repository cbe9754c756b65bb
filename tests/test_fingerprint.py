"""Fingerprints: what differs, what is equal, what is refused, and how small they are."""

import functools
import io
import json
import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from fingerprint_pairs import DIFFERENT, EQUAL, Plain, Weighted, one
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torchmetrics.classification import MulticlassAccuracy

from lightning_lossmeta._fingerprint import (
    MAX_CHARACTERS,
    FingerprintError,
    changed_keys,
    digest,
    fingerprint,
)


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_differs_has_another_fingerprint(kind):
    first, second = DIFFERENT[kind]
    assert digest(fingerprint(first())) != digest(fingerprint(second()))
    deep = [fingerprint(Plain(deep=[make()])) for make in (first, second)]
    assert digest(deep[0]) != digest(deep[1])


@pytest.mark.parametrize("kind", DIFFERENT)
def test_what_is_made_alike_has_the_same_fingerprint(kind):
    for make in DIFFERENT[kind]:
        value = fingerprint(make())
        assert value == fingerprint(make())
        assert json.loads(json.dumps(value, allow_nan=False)) == value


@pytest.mark.parametrize("kind", EQUAL)
def test_what_is_equal_has_the_same_fingerprint(kind):
    first, second = EQUAL[kind]
    assert digest(fingerprint(first())) == digest(fingerprint(second()))


_CODE = """
import json
from fingerprint_pairs import DIFFERENT, EQUAL
from lightning_lossmeta._fingerprint import digest, fingerprint
pairs = {**DIFFERENT, **EQUAL}
print(json.dumps({kind: digest(fingerprint(pair[0]())) for kind, pair in pairs.items()}))
"""


def test_every_process_gives_the_same_fingerprint_whatever_its_hash_seed():
    environment = {
        **os.environ,
        "PYTHONHASHSEED": "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1",
        "PYTHONPATH": os.pathsep.join(item for item in sys.path if item),
    }
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", _CODE],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    here = {kind: digest(fingerprint(pair[0]())) for kind, pair in {**DIFFERENT, **EQUAL}.items()}
    assert json.loads(done.stdout) == here


def _scaled(factor):
    def inner(x):
        return factor * x

    return inner


@functools.wraps(one)
def _decorated(x):
    return 3 * x


def _local_class(factor):
    class Local(nn.Module):
        def forward(self, output, target):
            return factor * output.sum()

    return Local()


@pytest.mark.parametrize(
    "make",
    [
        lambda: lambda x: x,
        lambda: _scaled(2.0),
        lambda: _decorated,
        lambda: functools.partial(_scaled(2.0), 1),
        lambda: _local_class(2.0),
        lambda: (x for x in range(3)),
        threading.Lock,
        lambda: io.TextIOWrapper(io.BytesIO()),
        lambda: np.array([lambda x: x]),
        lambda: functools.reduce(lambda inner, _: [inner], range(5000), None),
    ],
    ids=lambda make: "",
)
def test_what_no_other_process_could_know_again_is_refused(make):
    with pytest.raises(FingerprintError, match="Expected"):
        fingerprint(make())


def test_a_refusal_says_where_and_what_to_do():
    loss = Weighted(scale=Plain(link=[1, lambda x: x]))
    with pytest.raises(FingerprintError, match=r"`scale\.link\.1`.*top level of a module.*lambda"):
        fingerprint(loss)


def test_a_class_in_a_function_is_known_by_its_name():
    class Local(nn.Module):
        def __init__(self, scale):
            super().__init__()
            self.scale = scale

    assert fingerprint(Local(1)) == fingerprint(Local(1)) != fingerprint(Local(2))


def test_cycles_end():
    ring = [Plain(name=number) for number in range(50)]
    for item in ring:
        item.others = ring  # every object leads to every other
    assert fingerprint(ring) == fingerprint(ring)
    loop = {"a": []}
    loop["a"].append(loop)
    assert fingerprint(loop) == {"a": [{"levels up": 2}]}
    net = nn.Sequential(nn.Linear(2, 2))
    vars(net[0])["parent"] = net
    assert "levels up" in json.dumps(fingerprint(net))


def test_a_metric_is_known_by_its_settings_and_used_ones_by_their_state():
    one_class, other = (MulticlassAccuracy(3, top_k=k) for k in (1, 2))
    assert fingerprint(one_class) == fingerprint(one_class.clone()) != fingerprint(other)


@pytest.mark.parametrize(
    "value",
    [
        torch.zeros(5000, 784),
        np.zeros((5000, 784)),
        list(range(100_000)),
        {str(number): number for number in range(100_000)},
        nn.Sequential(*(nn.Linear(3, 3) for _ in range(500))),
        "text" * 10_000,
    ],
    ids=lambda value: type(value).__name__,
)
def test_large_things_have_small_fingerprints(value):
    holder = fingerprint(Plain(size=7, content=value))
    assert len(json.dumps(holder)) < MAX_CHARACTERS + 200
    assert holder["size"] == 7


def test_of_a_large_module_the_settings_stay_readable():
    layers = nn.Sequential(*(nn.Linear(3, 3) for _ in range(100)))
    values = [fingerprint(Plain(net=Plain(layers=layers, rate=rate))) for rate in (0.1, 0.2)]
    assert changed_keys(*values) == ["net.rate: 0.1 -> 0.2"]


def test_drawn_weights_count_by_shape_and_size():
    first, second = nn.Linear(30, 40), nn.Linear(30, 40)
    wide = nn.Linear(30, 40)
    with torch.no_grad():
        second.weight.copy_(-first.weight)
        second.bias.copy_(first.bias)
        wide.weight.copy_(2 * first.weight)
        wide.bias.copy_(first.bias)
    drawn = [fingerprint(layer, [layer.weight]) for layer in (first, second, wide)]
    assert drawn[0] == drawn[1] != drawn[2]
    assert fingerprint(first) != fingerprint(second)


def test_parameters_of_an_optimiser_have_the_names_of_its_module():
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    ways = [
        fingerprint({"net": net, "optimizer": torch.optim.SGD(layer.parameters(), lr=0.1)})
        for layer in net
    ]
    (change, _) = changed_keys(*ways)
    assert "'net.0.weight' -> 'net.1.weight'" in change


@pytest.mark.parametrize("other", [{"a": 1}, {"a": 1.5, "b": [1]}, {"a": 1, "b": [1, 2]}])
def test_digests_differ_with_the_values(other):
    assert digest({"a": 1, "b": [1]}) != digest(other)


@pytest.mark.parametrize(
    ("new", "expected"),
    [
        ({"a": {"b": 3}, "c": [1]}, ["a.b: 1 -> 3"]),
        ({"a": {"b": 1}, "c": [1, 2]}, ["c.1: absent -> 2"]),
        ({"a": {}, "c": [1]}, ["a: {'b': 1} -> {}"]),
        ({"c": [1]}, ["a: {'b': 1} -> absent"]),
        ({"a": {"b": 1}, "c": None}, ["c: [1] -> None"]),
        ({"a": {"class": "X", "d": 1}, "c": [1]}, ["a.class: absent -> 'X'"]),
    ],
)
def test_changes_are_named(new, expected):
    assert changed_keys({"a": {"b": 1}, "c": [1]}, new) == expected


_LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
_JSON = st.recursive(
    _LEAVES, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner)
)


@given(_JSON, _JSON)
def test_plain_values_are_equal_where_their_json_is(one_value, other):
    def text(value):
        return json.dumps(value, sort_keys=True)

    equal = fingerprint(one_value) == fingerprint(other)
    same_digest = digest(fingerprint(one_value)) == digest(fingerprint(other))
    assert same_digest == (text(one_value) == text(other))
    assert equal or not same_digest
