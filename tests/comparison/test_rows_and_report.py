import csv
import json
import math

import numpy as np
import pytest
from rich.console import Console
from scipy import stats

from lightning_lossmeta.comparison import Report, Row, with_p_values
from lightning_lossmeta.comparison.rows import ranks
from lightning_lossmeta.comparison.statistics import holm

CE = Row("CE", 1.0, False, (0.80, 0.82, 0.81), tuning={1.0: 0.8})
GOOD = Row("good_one", 3.0, True, (0.90, 0.91, 0.92), tuning={3.0: 0.9})
POOR = Row("50% & poor", 0.1, False, (0.70, math.nan, 0.72), tuning={0.1: 0.7})
EVEN = Row("even", 1.0, False, (0.83, 0.81, 0.82), tuning={1.0: 0.8})


def _on(task, *rows):
    return [Row(r.name, r.factor, r.at_edge, r.scores, tuning=r.tuning, task=task) for r in rows]


def test_values_are_of_paired_one_tailed_tests_corrected_by_holm():
    rows = with_p_values([CE, GOOD, EVEN], "CE")
    raw = [stats.ttest_rel(r.scores, CE.scores, alternative="greater").pvalue for r in (GOOD, EVEN)]
    assert math.isnan(rows[0].p_value)
    assert rows[1].p_value == pytest.approx(2 * raw[0])
    assert rows[2].p_value == pytest.approx(raw[1])


@pytest.mark.parametrize("mode", ["max", "min"])
def test_the_baseline_can_be_what_is_asked_about(mode):
    better = "greater" if mode == "max" else "less"
    rows = with_p_values([GOOD, CE, EVEN], "good_one", mode, baseline_better=True)
    raw = [stats.ttest_rel(GOOD.scores, r.scores, alternative=better).pvalue for r in (CE, EVEN)]
    expected = holm(raw)
    assert [row.p_value for row in rows[1:]] == pytest.approx(expected)


@pytest.mark.parametrize("searches", [1, 3])
def test_samples_that_do_not_pair_are_tested_by_welch(searches):
    many = Row("many", 1.0, False, (0.9, 0.91, 0.92, 0.95, 0.93, 0.94), searches=searches)
    rows = with_p_values([CE, many], "CE")
    samples = np.array(many.scores) if searches == 1 else np.reshape(many.scores, (3, 2)).mean(1)
    expected = stats.ttest_ind(samples, CE.scores, equal_var=False, alternative="greater").pvalue
    assert rows[1].p_value == pytest.approx(expected)
    assert "Welch" in Report(rows, "score", "CE").markdown()


def test_the_caption_states_the_rule():
    for given in ({}, {"baseline_better": True}):
        text = Report(with_p_values([CE, GOOD], "CE", **given), "score", "CE", **given).markdown()
        assert "one-tailed t-test paired by seed, with Holm's correction" in text
        assert ("p (CE is better)" if given else "p (better than CE)") in text


def test_less_is_better_where_the_mode_says_so():
    rows = with_p_values([GOOD, CE], "good_one", mode="min")
    assert rows[1].p_value < 0.01
    assert with_p_values([GOOD, CE], "good_one")[1].p_value > 0.99


def test_an_unknown_baseline():
    with pytest.raises(ValueError, match="'MSE'"):
        with_p_values([CE, GOOD], "MSE")


def test_ranks_are_averaged_over_tasks():
    rows = _on("a", CE, GOOD, EVEN) + _on("b", GOOD, CE, EVEN)
    renamed = [Row(n, r.factor, False, r.scores, task=r.task)
               for r, n in zip(rows, ["x", "y", "z"] * 2, strict=True)]  # fmt: skip
    assert ranks(renamed) == {"x": 2.0, "y": 2.0, "z": 2.0}
    assert ranks(_on("a", CE, GOOD), mode="min") == {"CE": 1.0, "good_one": 2.0}


def test_a_diverged_loss_is_ranked_last():
    assert ranks(_on("a", POOR, CE, GOOD))["50% & poor"] == 3.0


@pytest.fixture
def report():
    rows = _on("first task", CE, GOOD, POOR) + _on("second", CE, GOOD, POOR)
    return Report(with_p_values(rows, "CE"), "test accuracy", "CE")


def test_the_table_says_what_a_reader_must_know(report, capsys):
    Console(width=120).print(report.table("Test data"))
    printed = capsys.readouterr().out
    for text in (
        "first task",
        "0.9100",
        "0.0100",
        "3 *",
        "edge of the grid",
        "Holm",
        "Average rank",
    ):
        assert text in printed
    assert "0.7100" in printed
    assert "(1 diverged)" in printed.replace("\n", "")


def test_files(report, tmp_path):
    report.write(tmp_path)
    with (tmp_path / "comparison.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 18
    assert float(rows[3]["test accuracy"]) == 0.90
    assert rows[3]["task"] == "first task"
    stored = json.loads((tmp_path / "comparison.json").read_text())
    assert stored[2]["scores"] == [0.70, None, 0.72]
    markdown = (tmp_path / "comparison.md").read_text()
    assert "**second**" in markdown
    assert "| good_one | 1.00 |" in markdown
    for line in markdown.splitlines():
        if line.startswith("|"):
            assert line.count("|") in (3, 5)


def test_latex_is_escaped_and_balanced(report):
    text = report.latex()
    assert r"50\% \& poor" in text
    assert r"good\_one" in text
    assert "$\\pm$" in text
    assert text.count(r"\begin{tabular}") == text.count(r"\end{tabular}") == 2
    body = [line for line in text.splitlines() if line.endswith(r"\\")]
    assert len({line.replace(r"\&", "").count("&") for line in body}) == 1


def test_one_task_has_no_ranks(capsys):
    report = Report(with_p_values([CE, GOOD], "CE"), "score", "CE")
    Console(width=100).print(report.table("Title"))
    assert "rank" not in capsys.readouterr().out
    assert "rank" not in report.markdown()
