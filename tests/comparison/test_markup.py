"""Any name stands in Markdown and LaTeX as it is."""

import re
from html import unescape

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_lossmeta.comparison import Report, Row, with_p_values
from lightning_lossmeta.comparison.markup import latex, markdown, one_line

ODD = r"a\b^c~d<e>f|g&h%i_j#k$l{m}n[o]p" + "\N{MINUS SIGN}1 \N{PLUS-MINUS SIGN}"
COMMANDS = {
    r"\textbackslash{}": "\\",
    r"\textasciicircum{}": "^",
    r"\textasciitilde{}": "~",
    r"\textless{}": "<",
    r"\textgreater{}": ">",
    r"\textbar{}": "|",
    r"$\pm$": "\N{PLUS-MINUS SIGN}",
    "$-$": "\N{MINUS SIGN}",
    "{[}": "[",
    "{]}": "]",
    **{f"\\{c}": c for c in "&%_#${}"},
    "~": "\N{NO-BREAK SPACE}",
}


def _read_latex(text):
    """What LaTeX prints."""
    pattern = "|".join(map(re.escape, sorted(COMMANDS, key=len, reverse=True)))
    outside = re.sub(pattern, "", text)
    assert not set(outside) & set("\\^~<>|&%_#${}[]"), outside
    return re.sub(pattern, lambda match: COMMANDS[match[0]], text)


def _read_cell(text):
    """What Markdown prints."""
    return re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", text)


@given(st.text(alphabet=st.sampled_from(ODD + "xy")))
def test_latex_prints_the_text(text):
    assert _read_latex(latex(text)) == one_line(text)


@given(st.text(alphabet=st.sampled_from(ODD + "`*")))
def test_markdown_prints_the_text(text):
    written = markdown(text)
    assert _read_cell(written) == one_line(text)
    assert not re.search(r"(?<!\\)(\\\\)*[|`*<]", written)


@pytest.mark.parametrize("odd", ["a\nb", "a\r\nb", "a\tb", "a\x0bb", "a\x1b[31mb", "a\u2028b"])
def test_one_line_is_one(odd):
    assert len(one_line(odd).splitlines()) == 1
    assert one_line(odd).isprintable()
    assert one_line(unescape("a&nbsp;b")) == "a\N{NO-BREAK SPACE}b"


def test_odd_names_leave_tables_in_shape(tmp_path):
    rows = [
        Row(name, 1.0, False, scores, task=task, failures={1: f"{ODD}\nand\nmore"})
        for task in (ODD, "plain")
        for name, scores in (("CE", (0.1, 0.2)), (ODD, (0.3, float("nan"))), ("x\ny", (0.2, 0.3)))
    ]
    report = Report(with_p_values(rows, "CE"), "score", "CE")
    report.write(tmp_path)
    for line in report.markdown().splitlines():
        if line.startswith("|"):
            assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", line)) in (3, 4)
    body = [line for line in report.latex().splitlines() if line.endswith(r"\\")]
    assert len(body) == 2 * 4
    assert {len(re.findall(r"(?<!\\)&", line)) for line in body} == {2}
