"""Checks of text that anyone may have written."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

MAX_BYTES = 16 * 2**20
MAX_DEPTH = 100
_KEYS_SHOWN = 6

_MAGIC = (
    (b"PK\x03\x04", "a zip archive, as PyTorch checkpoints are"),
    (b"\x80", "a pickle"),
    (b"\x89PNG", "a PNG picture"),
    (b"\x1f\x8b", "a gzip archive"),
)
_TEXTS = (
    (r"\s*<(!doctype|html|\?xml|svg)", "a web page (HTML)"),
    (r"(\s*#[^\n]*\n)*\s*(---|[\w.\-]+:(\s|$))", "YAML, as configuration files are"),
    (r"[^\n{}\[\]]*,[^\n{}\[\]]*(\n|$)", "a table (CSV)"),
)
_KINDS = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}


class ArtifactError(ValueError):
    """A file is not a learned loss that this version can read; says what is wrong with it."""


def read_text(file: Path) -> str:
    """The text of a JSON file.

    Raises:
        ArtifactError: If it is too large, binary or no UTF-8.
    """
    size = file.stat().st_size
    with file.open("rb") as stream:
        content = stream.read(MAX_BYTES)
    kind = next((kind for magic, kind in _MAGIC if content.startswith(magic)), None)
    if kind is not None:
        raise ArtifactError(f"expected JSON text, got what looks like {kind}.")
    if size > MAX_BYTES:
        raise ArtifactError(
            f"expected a learned loss of at most {MAX_BYTES // 2**20} MiB, got "
            f"{size / 2**20:.1f} MiB."
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise ArtifactError("expected JSON text in UTF-8, got a binary file.") from None


def parse(text: str) -> dict[str, Any]:
    """The JSON object in a text.

    Raises:
        ArtifactError: If it is no JSON object, is nested deeply, or holds a number that is not
            finite.
    """
    try:
        content = json.loads(text, parse_constant=_finite, parse_float=_finite)
    except ArtifactError:
        raise
    except RecursionError:
        raise ArtifactError(_TOO_DEEP) from None
    except json.JSONDecodeError as error:
        raise ArtifactError(_not_json(text, error)) from None
    except ValueError as error:  # an integer of thousands of digits
        raise ArtifactError(f"expected JSON, got a number that can't be read: {error}.") from None
    _check_depth(content)
    return expect_mapping("the file", content)


def expect_keys(
    where: str, content: Any, needed: set[str], optional: frozenset[str] = frozenset()
) -> dict[str, Any]:
    """Check that content is a JSON object with these keys and no others, and return it.

    Raises:
        ArtifactError: If it is no object, a key is missing, or there is one too many.
    """
    mapping = expect_mapping(where, content)
    if missing := needed - set(mapping):
        raise ArtifactError(
            f"expected {where} to have {sorted(missing)}, got only {shown(sorted(mapping))}."
        )
    if extra := set(mapping) - needed - optional:
        raise ArtifactError(
            f"expected {where} to have only {sorted(needed | optional)}, got also "
            f"{shown(sorted(extra))}."
        )
    return mapping


def expect_mapping(where: str, value: Any) -> dict[str, Any]:
    """Check that a value is a JSON object, and return it.

    Raises:
        ArtifactError: If it is anything else.
    """
    if not isinstance(value, dict):
        raise ArtifactError(f"expected {where} to be a JSON object, got {_KINDS[type(value)]}.")
    return value


def expect_number(where: str, value: Any) -> float:
    """Check that a value is a finite number, and return it as a float.

    Raises:
        ArtifactError: If it is anything else.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArtifactError(f"expected {where} to be a number, got {shown(value)}.")
    try:
        return float(value)
    except OverflowError:
        raise ArtifactError(f"expected {where} to be finite, got {shown(value)}.") from None


def expect_numbers(where: str, value: Any) -> tuple[float, ...]:
    """Check that a value is a list of finite numbers, and return them as floats.

    Raises:
        ArtifactError: If it is anything else.
    """
    if not isinstance(value, list):
        raise ArtifactError(f"expected {where} to be a list of numbers, got {_KINDS[type(value)]}.")
    return tuple(expect_number(f"{where}[{i}]", item) for i, item in enumerate(value))


def some_keys(mapping: dict[str, Any]) -> str:
    """What an object holds, as messages show it.

    >>> some_keys({"epoch": 1, "state_dict": {}})
    "the keys 'epoch', 'state_dict'"
    """
    if not mapping:
        return "no keys"
    named = ", ".join(f"{key[:40]!r}" for key in list(mapping)[:_KEYS_SHOWN])
    more = len(mapping) - _KEYS_SHOWN
    return f"the keys {named}" + (f" and {more} more" if more > 0 else "")


def shown(value: Any) -> str:
    """A value as messages show it."""
    text = repr(value)
    return text if len(text) <= 200 else f"{text[:200]}..."


_TOO_DEEP = f"expected at most {MAX_DEPTH} levels of nesting, got more."


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ArtifactError(f"expected finite numbers, got {text:.80}.")
    return number


def _check_depth(content: Any) -> None:
    level = [content]
    for _ in range(MAX_DEPTH + 1):
        level = [item for item in level if isinstance(item, (dict, list))]
        if not level:
            return
        level = [
            value for item in level for value in (item.values() if isinstance(item, dict) else item)
        ]
    raise ArtifactError(_TOO_DEEP)


def _not_json(text: str, error: json.JSONDecodeError) -> str:
    stripped = text.strip()
    where = f"(line {error.lineno}, column {error.colno}: {error.msg})"
    if not stripped:
        return "expected a JSON object, got an empty file."
    if stripped.startswith("{"):
        cut = not stripped.endswith("}") or error.pos >= len(text.rstrip())
        what = "ends early: it is truncated" if cut else "is damaged"
        return f"expected a JSON object, got one that {what} {where}."
    kind = next((kind for pattern, kind in _TEXTS if re.match(pattern, text[:4096], re.I)), None)
    return f"expected JSON, got what looks like {kind or 'other text'} {where}."
