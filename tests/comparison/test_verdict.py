"""What a comparison says in words."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from lightning_lossmeta.comparison import Report, Row, verdict
from lightning_lossmeta.comparison.verdict import LEVEL, p_text

BASE = (0.80, 0.84, 0.82, 0.85)


def _row(name, gain, task="task", noise=(0.001, -0.001, 0.002, 0.0)):
    scores = tuple(b + gain + e for b, e in zip(BASE, noise, strict=True))
    return Row(name, 1.0, False, scores, task=task)


CE = Row("cross-entropy", 1.0, False, BASE)


def _p(row, alternative, base=CE):
    return stats.ttest_rel(row.scores, base.scores, alternative=alternative).pvalue


@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("gain", [0.05, 0.0, -0.05])
def test_a_learned_loss_against_the_usual_one(gain, mode):
    learned = _row("learned", gain)
    (sentence,) = verdict([learned, CE], "learned", mode, baseline_better=True)
    better, worse = ("greater", "less") if mode == "max" else ("less", "greater")
    upwards = gain if mode == "max" else -gain
    if gain == 0:
        p = _p(learned, better)
        expected = (
            f"No difference shown between learned and cross-entropy (p = {p:.2g}): keep "
            "cross-entropy."
        )
    elif upwards > 0:
        expected = f"learned is better than cross-entropy (p = {_p(learned, better):.2g})."
    else:
        p = _p(learned, worse)
        expected = f"learned is worse than cross-entropy (p = {p:.2g}): keep cross-entropy."
    assert sentence == expected


def test_a_learned_loss_against_several():
    rows = [_row("learned", 0.02), CE, _row("MSE", 0.02, noise=(0.0, 0.003, -0.002, 0.001))]
    better, equal = verdict(rows, "learned", baseline_better=True)
    assert better.startswith("learned is better than cross-entropy (p = ")
    assert "between learned and MSE (p = " in equal
    assert equal.endswith(": keep MSE.")


def test_several_losses_against_a_baseline():
    rows = [CE, _row("A", -0.05), _row("B", -0.07), _row("C", 0.0)]
    equal, worse = verdict(rows, "cross-entropy")
    assert equal.endswith("and cross-entropy: keep cross-entropy.")
    assert "A (p = " in worse
    assert " and B (p = " in worse
    assert worse.endswith(") are worse than cross-entropy: keep cross-entropy.")
    better, equal, _ = verdict([*rows, _row("D", 0.05)], "cross-entropy")
    assert better.endswith(") is better than cross-entropy.")
    assert "keep" not in equal, "a better one is there"


def test_holms_correction_counts_for_words_too():
    # Alone it is better; among many tests it is not.
    learned = _row("X", 0.004, noise=(0.002, -0.004, 0.003, 0.0025))
    assert _p(learned, "greater") < 0.05 < 4 * _p(learned, "greater")
    assert "better" in verdict([CE, learned], "cross-entropy")[0]
    others = [_row(name, 0.0, noise=(0.001 * i, -0.001, 0.0, -0.002 * i))
              for i, name in enumerate("abc", 1)]  # fmt: skip
    assert "better" not in "".join(verdict([CE, learned, *others], "cross-entropy"))


def test_what_was_not_tested():
    lost = Row("lost", 1.0, False, (0.9, math.nan, 0.9, math.nan))
    assert verdict([CE, lost], "cross-entropy") == [
        "Not tested against cross-entropy: lost (lost has 2 of 4 scores)."
    ]
    one = [Row(name, 1.0, False, (0.5,)) for name in ("a", "b")]
    assert verdict(one, "a") == ["Not tested against a: b (fewer than two scores)."]
    assert verdict([CE], "cross-entropy") == []


def test_every_task_has_sentences_of_its_own():
    rows = [
        _row(name, gain, task)
        for task, gains in {"one": (0.0, 0.05), "two": (0.0, -0.05)}.items()
        for name, gain in zip(("CE", "X"), gains, strict=True)
    ]
    first, second = verdict(rows, "CE")
    assert first.startswith("one: X (p = ")
    assert "worse than CE" in second
    assert f"- {first}" in Report(rows, "score", "CE").markdown()


@given(st.one_of(st.floats(0, 1), st.floats(0.049, 0.051)))
def test_a_printed_p_value_lies_on_its_side_of_the_level(p_value):
    assert (float(p_text(p_value)) < LEVEL) == (p_value < LEVEL)
    assert float(p_text(p_value)) == pytest.approx(p_value, rel=0.06)


@pytest.mark.parametrize("nearest", [math.nextafter(0.05, 0), math.nextafter(0.05, 1)])
def test_even_the_float_next_to_the_level(nearest):
    assert (float(p_text(nearest)) < LEVEL) == (nearest < LEVEL)
