"""What the shipped configurations come to stays what it was, figure by figure."""

import json
import math

import pytest
from guard.small_runs import RECORDED, RUNS, outcome

TOLERANCE = 1e-6


def differences(old, new, place=""):
    """Where two plain values differ by more than rounding."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in {**old, **new}:
            if key not in old or key not in new:
                yield f"{place}.{key}: {'new' if key in new else 'missing'}"
            else:
                yield from differences(old[key], new[key], f"{place}.{key}")
    elif isinstance(old, list) and isinstance(new, list):
        if len(old) != len(new):
            yield f"{place}: {len(old)} entries, now {len(new)}"
        for number, (one, other) in enumerate(zip(old, new, strict=False)):
            yield from differences(one, other, f"{place}[{number}]")
    elif not _same(old, new):
        yield f"{place}: {old!r}, now {new!r}"


def _same(old, new):
    if old == new:
        return True
    try:
        one, other = float(old), float(new)
    except (TypeError, ValueError):
        return False
    both_nan = math.isnan(one) and math.isnan(other)
    return both_nan or math.isclose(one, other, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


@pytest.mark.parametrize("name", RUNS)
def test_a_small_run_comes_out_as_recorded(name, tmp_path):
    recorded = json.loads((RECORDED / f"{name}.json").read_text("utf-8"))
    changed = list(differences(recorded, outcome(name, tmp_path / name)))
    assert not changed, "\n".join(changed[:20])


def test_a_figure_that_differs_is_seen():
    old = {"a": [1.0, {"b": "x"}], "c": "-inf"}
    assert list(differences(old, {"a": [1.0 + 1e-9, {"b": "x"}], "c": "-inf"})) == []
    assert list(differences(old, {"a": [1.1, {"b": "y"}], "d": 0}))
    assert list(differences(old, {"a": [1.00001, {"b": "x"}], "c": "-inf"})) == [
        ".a[0]: 1.0, now 1.00001"
    ]
