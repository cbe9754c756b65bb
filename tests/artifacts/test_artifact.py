import builtins
import importlib
import json
import math
import os
import pickle
import struct
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import NamedLosses
from lightning_lossmeta.families import Normalisation, NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import CrossEntropy

THETA = (0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8)
finite = st.floats(allow_nan=False, allow_infinity=False)
positive = st.floats(min_value=0, exclude_min=True, allow_infinity=False)


def _artifact(**changes):
    given = {"family": TaylorFamily(), "candidate": Candidate(None, THETA)}
    return Artifact(**(given | changes))


def _content(**changes):
    return (
        json.loads(_artifact(normalisation=Normalisation(2.0, -0.1, 1.0, 10)).to_json()) | changes
    )


def _refusal(content):
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(ArtifactError) as caught:
        Artifact.from_json(text)
    message = str(caught.value)
    assert "xpected" in message, message
    assert "got" in message, message
    assert len(message) < 1000
    return message


def _bits(*values):
    return [struct.pack("<d", value) for value in values]


@given(
    theta=st.lists(finite, min_size=8, max_size=8),
    scale=positive,
    offset=finite,
    eta=positive,
    start=st.lists(finite, min_size=8, max_size=8),
)
@settings(max_examples=100, deadline=None)
def test_every_float_comes_back_to_the_last_bit(theta, scale, offset, eta, start):
    artifact = Artifact(
        TaylorFamily(start=start),
        Candidate(None, tuple(theta)),
        Normalisation(scale, offset, eta, 10),
    )
    read = Artifact.from_json(artifact.to_json())
    assert _bits(*read.candidate.theta) == _bits(*theta)
    assert _bits(*read.family.start) == _bits(*start)
    found = read.normalisation
    assert _bits(found.scale, found.offset, found.eta) == _bits(scale, offset, eta)
    assert read.family.read(read.build().loss).theta == tuple(theta)


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
@pytest.mark.parametrize("normalised", [False, True])
def test_file_gives_the_same_loss(tmp_path, reduction, normalised):
    family = TaylorFamily(4, "robust")
    if normalised:
        family = NormalisedFamily(family, 3, eta=2.0)
    candidate = Candidate(None, tuple(0.1 * i for i in range(12)))
    artifact = Artifact.of(family, candidate, {"fitness": 0.1, "tasks": [{"name": "a"}]})
    artifact = Artifact(
        artifact.family, candidate, artifact.normalisation, reduction, artifact.provenance
    )
    artifact.save(tmp_path / "best.json")
    read = Artifact.load(tmp_path / "best.json")
    assert read == artifact
    logits = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    target = torch.tensor([0, 1, 2, 0, 1])
    expected = family.build(candidate)
    expected.reduction = reduction
    assert torch.equal(read.build()(logits, target), expected(logits, target))
    assert read.formula() == family.formula(candidate)


def test_signs_in_the_formula():
    artifact = _artifact(normalisation=Normalisation(2.0, -0.1, 1.0, 10))
    assert artifact.formula().endswith("] + 0.1 )")
    assert json.loads(artifact.to_json())["formula"] == artifact.formula()


def test_what_can_not_be_stored_is_refused_at_once():
    with pytest.raises(ValueError, match="`family` to be serializable, got NormalisedFamily"):
        _artifact(family=NormalisedFamily(TaylorFamily(), 3))
    with pytest.raises(ValueError, match="`family` to be serializable, got NamedLosses"):
        _artifact(family=NamedLosses({"CE": CrossEntropy()}))
    with pytest.raises(ValueError, match=r"`reduction` to be .* got 'max'"):
        _artifact(reduction="max")
    with pytest.raises(ValueError, match="JSON compliant"):
        _artifact(provenance={"fitness": math.nan}).to_json()


def test_truncated_anywhere():
    text = json.dumps(_content())
    for end in range(1, len(text) - 1):
        assert "truncated" in _refusal(text[:end]), text[:end]
    assert "empty file" in _refusal("")
    assert "empty file" in _refusal(" \n")


def test_damaged():
    text = json.dumps(_content())
    assert "damaged" in _refusal(text.replace(":", ";", 1))
    assert "line 1, column" in _refusal(text.replace(":", ";", 1))


@pytest.mark.parametrize("version", [0, 2, "1", None, 1.5, [1], 10**30])
def test_another_version(version):
    message = _refusal(_content(version=version))
    assert "expected version 1, got" in message
    assert "another release" in message


@pytest.mark.parametrize("found", ["lightning_lossmeta/search", None, 3, ["x"] * 10**5])
def test_another_format(found):
    assert "format 'lightning_lossmeta/loss', got format" in _refusal(_content(format=found))


def test_json_of_something_else():
    assert "got one with the keys 'loss'." in _refusal({"loss": 0.5})
    many = {"x" * 1000: 0, **{f"key{i}": i for i in range(50)}}
    assert f"keys '{'x' * 40}', 'key0', 'key1', 'key2', 'key3', 'key4' and 45 more." in _refusal(
        many
    )
    assert "got one with no keys." in _refusal({})
    for other, name in [("[1]", "a list"), ("3", "a number"), ('"x"', "text"), ("null", "null")]:
        assert f"the file to be a JSON object, got {name}" in _refusal(other)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "-1e999"])
@pytest.mark.parametrize("place", ["0.3,", '"eta": 1.0', "{}"])
def test_numbers_that_are_not_finite_anywhere(number, place):
    new = {"0.3,": f"{number},", '"eta": 1.0': f'"eta": {number}', "{}": f'{{"fitness": {number}}}'}
    text = json.dumps(_content()).replace(place, new[place], 1)
    assert f"expected finite numbers, got {number}" in _refusal(text)


@pytest.mark.parametrize("number", [10**400, -(10**400)])
def test_integers_that_are_no_floats(number):
    content = _content()
    content["candidate"]["theta"][3] = number
    assert "`theta`[3] to be finite" in _refusal(content)


def test_integers_of_too_many_digits():
    limit = sys.get_int_max_str_digits()
    text = json.dumps(_content()).replace("0.3,", "1" * (limit + 1) + ",", 1)
    assert "a number that can't be read" in _refusal(text)


@pytest.mark.parametrize("value", [None, True, "0.1", [0.1], {"value": 0.1}])
def test_parameters_that_are_no_numbers(value):
    content = _content()
    content["candidate"]["theta"][2] = value
    assert "`theta`[2] to be a number" in _refusal(content)


@pytest.mark.parametrize("theta", [None, {}, "0.1", 0.1, True])
def test_parameters_that_are_no_list(theta):
    content = _content()
    content["candidate"]["theta"] = theta
    assert "`theta` to be a list of numbers" in _refusal(content)


@pytest.mark.parametrize("theta", [[], [0.1] * 7, [0.1] * 9, [0.1] * 1000])
def test_missing_and_extra_parameters(theta):
    content = _content()
    content["candidate"]["theta"] = theta
    assert f"to have 8 entries for order 3, got {len(theta)}" in _refusal(content)


@pytest.mark.parametrize(
    "path",
    [
        *[(key,) for key in ("version", "family", "candidate", "normalisation", "reduction")],
        *[("family", key) for key in ("name", "settings")],
        *[("family", "settings", key) for key in ("order", "convention", "start")],
        *[("candidate", key) for key in ("structure", "theta")],
        *[("normalisation", key) for key in ("scale", "offset", "eta", "num_classes")],
    ],
)
def test_each_key_is_needed_and_no_other_allowed(path):
    content = _content()
    *parents, last = path
    inner = content
    for key in parents:
        inner = inner[key]
    inner[f"{last}_"] = 0
    assert f"got also ['{last}_']" in _refusal(content)
    del inner[f"{last}_"], inner[last]
    assert f"to have ['{last}']" in _refusal(content)


@pytest.mark.parametrize("key", ["family", "candidate", "normalisation", "provenance"])
@pytest.mark.parametrize("value", [[], "x", 3, True])
def test_objects_that_are_none(key, value):
    assert f"`{key}` to be a JSON object" in _refusal(_content(**{key: value}))


@pytest.mark.parametrize("key", ["family", "candidate"])
def test_null_is_no_object(key):
    assert "got null" in _refusal(_content(**{key: None}))


@pytest.mark.parametrize("reduction", [None, "max", 1, [], {}, ["mean"]])
def test_reductions(reduction):
    assert "`reduction` to be 'mean', 'sum' or 'none', got" in _refusal(
        _content(reduction=reduction)
    )


@pytest.mark.parametrize("structure", [3, [], {}, True])
def test_structures(structure):
    assert "`structure` to be text or null, got" in _refusal(
        _content(candidate={"structure": structure, "theta": list(THETA)})
    )
    content = _content(candidate={"structure": "add h y", "theta": list(THETA)})
    assert "to be None, got 'add h y'" in _refusal(content)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("scale", 0),
        ("scale", -1.0),
        ("eta", 0.0),
        ("num_classes", 1),
        ("num_classes", 2.5),
        ("num_classes", True),
        ("num_classes", "10"),
        ("offset", None),
    ],
)
def test_normalisations(key, value):
    content = _content()
    content["normalisation"][key] = value
    assert f"`{key}` to be" in _refusal(content)


@pytest.mark.parametrize(
    "name",
    ["os.system", "builtins.eval", "normalised", "named", "", None, 3, ["taylor"], "x" * 10**6],
)
def test_families_that_are_not_known(name):
    message = _refusal(_content(family={"name": name, "settings": {}}))
    assert "expected a family out of [" in message
    assert "'taylor'" in message


@pytest.mark.parametrize(
    "settings_",
    [
        {"order": "3"},
        {"order": 10**9},
        {"order": None},
        {"convention": "os.system"},
        {"convention": ["robust"]},
        {"convention": {}},
        {"start": {}},
        {"start": None},
        {"start": [10**400] * 8},
        {"start": [[]] * 8},
        {"start": "__import__('os').system('true')"},
    ],
)
def test_settings_of_a_family(settings_):
    content = _content()
    content["family"]["settings"] |= settings_
    assert "its family 'taylor' can't be made" in _refusal(content)


def test_nothing_is_imported_evaluated_or_run(monkeypatch):
    def forbidden(*args, **kwargs):
        raise AssertionError(f"called with {args}")

    text = json.dumps(_content(family={"name": "os.system", "settings": {"command": "true"}}))
    known = set(sys.modules)
    with monkeypatch.context() as patched:
        patched.setattr(os, "system", forbidden)
        patched.setattr(pickle, "loads", forbidden)
        patched.setattr(importlib, "import_module", forbidden)
        for name in ("eval", "exec", "compile", "__import__"):
            patched.setattr(builtins, name, forbidden)
        message = ""
        try:
            Artifact.from_json(text)
        except ArtifactError as error:
            message = str(error)
    assert "got 'os.system'" in message
    assert set(sys.modules) == known


def test_a_family_of_ones_own_is_read_once_it_is_defined():
    settings_ = TaylorFamily().settings()
    content = _content(family={"name": "mine", "settings": settings_})
    assert "must be imported first" in _refusal(content)

    class Mine(TaylorFamily):
        name = "mine"

    class Unnamed(TaylorFamily):
        pass

    assert type(Artifact.from_json(json.dumps(content)).family) is Mine
    assert type(Artifact.from_json(json.dumps(_content())).family) is TaylorFamily
    del Mine, Unnamed


@pytest.mark.parametrize("depth", [10_000, 200])
def test_deep_nesting(depth):
    for opening, closing in (("[", "]"), ('{"a":', "}")):
        nested = opening * depth + "1" + closing * depth
        assert "nesting" in _refusal(nested)
        text = json.dumps(_content()).replace(
            '"provenance": {}', f'"provenance": {{"a": {nested}}}'
        )
        assert "nesting" in _refusal(text)
    assert "nesting" in _refusal("[" * 10_000)
