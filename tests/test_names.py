"""Names as parts of paths: none leads elsewhere, and no two become one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightning_lossmeta._names import safe_name, safe_names

HOSTILE = [
    "", " ", ".", "..", "../..", "/etc/passwd", "a/b", "a\\b", "C:\\x", "a\0b", "a\nb", "~",
    "~root", "-rf", ".hidden", "a.", "a ", "con", "NUL.txt", "COM1", "x" * 300, "\N{SNOWMAN}" * 90,
    "a:b", "a*b?", "$HOME", "a|b", "e\u0301", "\ud800", "a\N{RIGHT-TO-LEFT OVERRIDE}b", "x/../y",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_leads_elsewhere(name, tmp_path):
    made = tmp_path / safe_name(name)
    made.mkdir()
    assert [path.name for path in tmp_path.iterdir()] == [safe_name(name)]
    (made / "file").write_text("x")
    assert made.resolve().parent == tmp_path.resolve()


@given(st.text())
def test_any_text_is_one_short_printable_part(name):
    safe = safe_name(name)
    assert safe.isprintable()
    assert 0 < len(safe.encode()) <= 100
    assert not set(safe) & set('/\\:*?"<>|\0')
    assert safe[0] not in ".-~ "
    assert safe[-1] not in ". "


@given(st.lists(st.text(alphabet="aA.~/ -", max_size=4), unique=True))
def test_no_two_names_become_one_even_where_case_does_not_count(names):
    safe = safe_names(names)
    assert list(safe) == names
    assert len({each.casefold() for each in safe.values()}) == len(names)


def test_hostile_names_stay_apart():
    names = {*HOSTILE, *map(safe_name, HOSTILE)}
    assert len({safe_name(name) for name in names}) == len(names)


@pytest.mark.parametrize(
    "name", ["CE", "label smoothing", "MNIST, noise rate 0.6", "Taylor 4-1", "GP_LFL (b=2)", "\xe9"]
)
def test_plain_names_stay(name):
    assert safe_name(name) == name
    assert safe_names([name, "other"])[name] == name
