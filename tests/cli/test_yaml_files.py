import time

import pytest
import yaml

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.cli import yaml_files
from lightning_lossmeta.cli.yaml_files import load_yaml, read_yaml

LAUGHS = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]\n" for i in range(1, 12)
)
MERGES = "a0: &a0 {k0: 1, l0: 1}\n" + "".join(
    f"a{i}: &a{i} {{p{i}: *a{i - 1}, q{i}: *a{i - 1}, r{i}: *a{i - 1}}}\n" for i in range(1, 30)
)
#: Content, line and column of the trouble, and what it is.
WRONG = {
    "a colon too many": (b"a: 1\nb: c: d\n", 2, 5, "mapping values"),
    "a bracket too few": (b"a: [1, 2\n", 2, 1, "did not find expected"),
    "a tab": (b"a:\n\tb: 1\n", 2, 1, "cannot start any token"),
    "an alias to nothing": (b"a: 1\nb: *c\n", 2, 4, "an alias to what is not there"),
    "an alias to itself": (b"a: &b\n  c: *b\n", 2, 6, "part of"),
    "a merge of itself": (b"a: &b {<<: *b}\n", 1, 12, "part of"),
    "a key twice": (b"a: 1\nb:\n  c: 1\n  d: 2\n  c: 3\n", 5, 3, "the key 'c' twice"),
    "a list as key": (b"? [a]\n: 1\n", 1, 3, "a key that is no name"),
    "two documents": (b"a: 1\n---\nb: 1\n", 2, 1, "document"),
    "no UTF-8": (b"a: 1\nb: \xff\n", 2, 4, "UTF-8"),
    "UTF-16": ("a: 1\n".encode("utf-16"), 1, 1, "UTF-8"),
    "a null byte": ("ä: 1\nb: \x00".encode(), 2, 4, "a control character"),
    "an object": (b"a: !!python/object/apply:os.system ['x']\n", 1, 4, "tag"),
    "a tag that fails": (b"a: !!timestamp 1\n", 1, 4, "tag"),
    "laughs": (LAUGHS.encode(), 6, 10, "more than 100,000 values"),
    "merges": (MERGES.encode(), 10, 14, "more than 100,000 values"),
    "a number of many digits": (b"a: " + b"9" * 5000, 1, 1, "digit"),
}


@pytest.mark.parametrize("name", WRONG)
def test_one_line_names_file_line_and_column(name, tmp_path):
    content, line, column, what = WRONG[name]
    path = tmp_path / "given.yaml"
    path.write_bytes(content)
    started = time.process_time()
    with pytest.raises(ValueError, match="Expected") as caught:
        read_yaml(path)
    said = str(caught.value)
    assert f"'{path}'" in said
    assert f"at line {line}, column {column}: " in said
    assert what in said
    assert "\n" not in said
    assert time.process_time() - started < 10


@pytest.mark.parametrize("opening", ["[", "{", "- ", "a: ", "? ", "[{a: ", "&a [", "!x ["])
def test_no_depth_is_too_much(opening):
    with pytest.raises(yaml.YAMLError):
        load_yaml(opening * 20_000)


def test_nesting_is_bounded_where_it_is_well_formed():
    assert load_yaml("[" * 60 + "]" * 60)
    with pytest.raises(yaml.YAMLError, match="more than 60 levels"):
        load_yaml("[" * 61 + "]" * 61)


@pytest.mark.parametrize("command", ["search", "fit", "test", "compare", "embed"])
@pytest.mark.parametrize("name", ["a bracket too few", "laughs", "no UTF-8"])
def test_every_command_says_so(command, name, tmp_path, capsys):
    path = tmp_path / "given.yaml"
    path.write_bytes(WRONG[name][0])
    assert main([command, "--config", str(path)]) == 2
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1
    assert f"'{path}' to be YAML that can be read, but at line" in said


def test_a_configuration_within_another_is_bounded_too(tmp_path, capsys):
    (tmp_path / "module.yaml").write_text(LAUGHS)
    with pytest.raises(SystemExit):
        main(["compare", "--model", str(tmp_path / "module.yaml")])
    assert len(capsys.readouterr().err) < 5000


def test_names_stay_names():
    text = "{yes: a, no: b, on: c, 1: d, 0x10: e, 1.50: f, null: g, 2026-01-01: h, ~: i, y: j}"
    names = ["yes", "no", "on", "1", "0x10", "1.50", "null", "2026-01-01", "~", "y"]
    assert list(load_yaml(text)) == names


def test_values_are_what_yaml_1_2_says():
    text = "[1e-3, 1E5, -.5, .5e3, 1_000, .inf, -.inf, 0x10, yes, null, 2026-01-01, 1.e1, e3, 1e]"
    expected = [1e-3, 1e5, -0.5, 500.0, 1000, float("inf"), -float("inf"), 16, True, None]
    assert load_yaml(text) == [*expected, "2026-01-01", 10.0, "e3", "1e"]


def test_anchors_within_bounds_are_put_in():
    assert load_yaml("a: &x {k: 1, l: 2}\nb: {<<: *x, l: 3}\nc: *x") == {
        "a": {"k": 1, "l": 2},
        "b": {"k": 1, "l": 3},
        "c": {"k": 1, "l": 2},
    }


def test_a_file_of_more_than_ten_megabytes_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr(yaml_files, "MAX_BYTES", 10)
    (tmp_path / "large.yaml").write_text("a: " + "x" * 20)
    with pytest.raises(ValueError, match="up to 10 MB, got 23 bytes"):
        read_yaml(tmp_path / "large.yaml")


def test_as_pyyaml_does_on_the_shipped_configurations():
    from pathlib import Path

    paths = sorted((Path(__file__).parents[2] / "configs").rglob("*.yaml"))
    assert len(paths) > 20
    for path in paths:
        assert read_yaml(path) == yaml.safe_load(path.read_text("utf-8"))
