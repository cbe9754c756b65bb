"""YAML as users and strangers write it: bounded, each key once, errors with their place.

The parser of every command reads configurations by :func:`load_yaml`, which :func:`register` tells
jsonargparse of.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import yaml
from jsonargparse import set_loader

#: Far beyond any configuration; aliases count as what they stand for.
MAX_NODES = 100_000
MAX_DEPTH = 60
MAX_BYTES = 10_000_000
_CORE = "tag:yaml.org,2002:"
#: What may be asked for by name; the others make objects, or fail in ways of their own.
_TAGS = {None, "!", *(_CORE + kind for kind in ("str", "seq", "map", "null"))}
_FLOAT = re.compile(
    r"[-+]?(?:[0-9][0-9_]*\.[0-9_]*(?:[eE][-+]?[0-9]+)?|[0-9][0-9_]*[eE][-+]?[0-9]+"
    r"|\.[0-9][0-9_]*(?:[eE][-+]?[0-9]+)?|\.(?:inf|Inf|INF))$|\.(?:nan|NaN|NAN)$"
)
_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _Loader(_Base):  # type: ignore[misc]  # one of two classes
    """Reads ``1e-3`` as a number, a date as text, and keys such as ``yes`` or ``1`` as names."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        """Make a dictionary whose keys are what stands in the file."""
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode) and key.tag != f"{_CORE}merge":
                key.tag = f"{_CORE}str"
        return super().construct_mapping(node, deep)  # type: ignore[no-any-return]


_Loader.yaml_implicit_resolvers = {
    first: [(tag, form) for tag, form in pairs if tag not in (f"{_CORE}timestamp", f"{_CORE}float")]
    for first, pairs in _Base.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(f"{_CORE}float", _FLOAT, list("-+0123456789."))


def read_yaml(path: Path) -> Any:
    """What a YAML file holds.

    Raises:
        OSError: If it can't be read.
        ValueError: If it is too large, not well-formed, or has a key twice in one place; one line
            that names the file, and the line and column in it.
    """
    if (size := path.stat().st_size) > MAX_BYTES:
        raise ValueError(f"Expected '{path}' to be a YAML file of up to 10 MB, got {size} bytes.")
    content = path.read_bytes()
    try:
        return load_yaml(content.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        before = content[: error.start]
        line, column = before.count(b"\n") + 1, error.start - before.rfind(b"\n")
        reason = "no UTF-8 text"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        reason = getattr(error, "problem", None) or str(error)
    raise ValueError(
        f"Expected '{path}' to be YAML that can be read, but at line {line}, column {column}: "
        f"{' '.join(str(reason).split())}."
    )


def load_yaml(text: str) -> Any:
    """What a YAML text holds.

    Args:
        text: With at most :data:`MAX_NODES` nodes, after aliases are put in.

    Raises:
        yaml.YAMLError: If it is not well-formed, too large, or has a key twice in one place.

    >>> load_yaml("{yes: 1e-3, 1: 2026-01-01}")
    {'yes': 0.001, '1': '2026-01-01'}
    """
    if control := yaml.reader.Reader.NON_PRINTABLE.search(text):
        before = text[: control.start()]
        line, column = before.count("\n"), len(before) - before.rfind("\n") - 1
        mark = yaml.Mark("", control.start(), line, column, None, 0)
        raise yaml.MarkedYAMLError(problem="found a control character", problem_mark=mark)
    _check_size(text)
    _check_keys(yaml.compose(text, Loader=_Loader), set())
    try:
        return yaml.load(text, Loader=_Loader)  # of safe loaders
    except ValueError as error:  # a whole number of too many digits
        raise yaml.YAMLError(str(error)) from None


def register() -> None:
    """Have jsonargparse read all YAML, files and options, by :func:`load_yaml`."""
    set_loader("yaml", _load_option, (yaml.YAMLError,))


def _load_option(text: str) -> Any:
    """Read an option as jsonargparse does: what looks like a set, or a key alone, is text."""
    value = load_yaml(text)
    if isinstance(value, dict) and value and all(item is None for item in value.values()):
        names = set(text.strip(" {}").replace(" ", "").split(","))
        if names == set(value) or text.strip() == f"{next(iter(value))}:":
            return text
    return value


def _check_size(text: str) -> None:
    """Count nodes, aliases as what they stand for, without making any."""
    sizes: dict[str, int] = {}
    opened: list[tuple[str | None, int]] = []
    total = 0
    for event in yaml.parse(text, Loader=_Loader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in sizes:
                raise _error("an alias to what is not there, or to what it is part of", event)
            total += sizes[event.anchor]
        elif isinstance(event, (yaml.CollectionStartEvent, yaml.ScalarEvent)):
            if event.tag not in _TAGS:
                raise _error(f"the tag {event.tag!r}, which is not taken", event)
            total += 1
            if isinstance(event, yaml.CollectionStartEvent):
                opened.append((event.anchor, total - 1))
            elif event.anchor:
                sizes[event.anchor] = 1
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = opened.pop()
            if anchor:
                sizes[anchor] = total - before
        if total > MAX_NODES:
            raise _error(f"more than {MAX_NODES:,} values, with aliases put in", event)
        if len(opened) > MAX_DEPTH:
            raise _error(f"more than {MAX_DEPTH} levels of nesting", event)


def _check_keys(node: yaml.Node | None, seen: set[int]) -> None:
    """YAML takes the last of two equal keys without a word: a loss or task would go missing."""
    if node is None or id(node) in seen:
        return
    seen.add(id(node))
    if isinstance(node, yaml.MappingNode):
        keys: set[str] = set()
        for key, value in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise _error("a key that is no name", key)
            if key.value in keys:
                raise _error(f"the key {key.value!r} twice in its place", key)
            keys.add(key.value)
            _check_keys(value, seen)
    elif isinstance(node, yaml.SequenceNode):
        for item in node.value:
            _check_keys(item, seen)


def _error(problem: str, where: yaml.Event | yaml.Node) -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(problem=f"found {problem}", problem_mark=where.start_mark)  # type: ignore[arg-type]  # a mark of libyaml
