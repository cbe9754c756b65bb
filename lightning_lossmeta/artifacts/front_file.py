"""The front of a search as a small JSON file beside the learned losses that are on it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.artifacts.reading import (
    ArtifactError,
    expect_keys,
    expect_number,
    expect_numbers,
    parse,
    read_text,
    shown,
)

FRONT_FORMAT = "lightning_lossmeta/front"
FRONT_VERSION = 1
FRONT_FILE = "front.json"


@dataclass(frozen=True)
class FrontMember:
    """A candidate that no other one of its search dominates.

    Args:
        file: Its learned loss, relative to the run's folder; empty while the search goes on.
        generation: The generation that tried it, from 0.
        formula: Its loss.
        scores: Its objectives in the search, in the metrics' own sign.
        fresh: The same on fresh seeds; empty if it was not among the finalists.
    """

    file: str
    generation: int
    formula: str
    scores: tuple[float, ...]
    fresh: tuple[float, ...] = ()


@dataclass(frozen=True)
class UsualScores:
    """What a usual loss has on the finalists' fresh seeds.

    Args:
        name: The loss.
        factor: What the module's learning rates were multiplied by.
        scores: Its objectives, in the metrics' own sign.
    """

    name: str
    factor: float
    scores: tuple[float, ...]


@dataclass(frozen=True)
class FrontFile:
    """What a search for several objectives found.

    Args:
        objectives: Name and mode, ``"max"`` or ``"min"``, of each.
        members: The front, the best of the first objective first.
        knee: Position of the knee among them; ``None`` without members.
        reference: The point that hypervolumes are measured from: the worst of each objective in the
            first generation that has scores. Empty without one.
        hypervolumes: Of the front so far, after each generation.
        usual: Usual losses, at each learning rate that they were tried at.
    """

    objectives: tuple[tuple[str, str], ...]
    members: tuple[FrontMember, ...] = ()
    knee: int | None = None
    reference: tuple[float, ...] = ()
    hypervolumes: tuple[float, ...] = ()
    usual: tuple[UsualScores, ...] = ()

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically."""
        content = {"format": FRONT_FORMAT, "version": FRONT_VERSION, **asdict(self)}
        write_atomic(path, json.dumps(content, indent=2, allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> FrontFile:
        """Read a file; nothing that it names is opened, imported or evaluated.

        Raises:
            FileNotFoundError: If there is no such file.
            ArtifactError: If the file is no front of this version, or damaged.
        """
        file = Path(path).expanduser()
        if not file.is_file():
            raise FileNotFoundError(f"Expected the front of a search at '{file}', found none.")
        try:
            return _front(parse(read_text(file)))
        except ArtifactError as error:
            raise ArtifactError(f"'{file}': {error}") from None


def _front(content: Mapping[str, Any]) -> FrontFile:
    if content.get("format") != FRONT_FORMAT or content.get("version") != FRONT_VERSION:
        raise ArtifactError(
            f"expected the front of a search, format '{FRONT_FORMAT}' and version {FRONT_VERSION}, "
            f"got {shown(content.get('format'))} and {shown(content.get('version'))}."
        )
    keys = {"format", "version", "objectives", "members", "knee", "reference", "hypervolumes"}
    expect_keys("the file", content, {*keys, "usual"})
    objectives = tuple(_objective(item) for item in _list("`objectives`", content["objectives"]))
    count = len(objectives)
    members = tuple(_member(item, count) for item in _list("`members`", content["members"]))
    knee = content["knee"]
    if knee is not None and not (type(knee) is int and 0 <= knee < len(members)):
        raise ArtifactError(
            f"expected `knee` to be a member's position or null, got {shown(knee)}."
        )
    return FrontFile(
        objectives,
        members,
        knee,
        _scores("`reference`", content["reference"], count, empty=True),
        expect_numbers("`hypervolumes`", content["hypervolumes"]),
        tuple(_usual(item, count) for item in _list("`usual`", content["usual"])),
    )


def _objective(content: Any) -> tuple[str, str]:
    if not (
        isinstance(content, list)
        and len(content) == 2
        and isinstance(content[0], str)
        and content[1] in ("max", "min")
    ):
        raise ArtifactError(f"expected a name and 'max' or 'min', got {shown(content)}.")
    return content[0], content[1]


def _member(content: Any, count: int) -> FrontMember:
    needed = {"file", "generation", "formula", "scores", "fresh"}
    mapping = expect_keys("a member", content, needed)
    texts = mapping["file"], mapping["formula"]
    if type(mapping["generation"]) is not int or not all(isinstance(text, str) for text in texts):
        raise ArtifactError(
            "expected `file` and `formula` of a member to be text, and `generation` an integer, "
            f"got {shown([*texts, mapping['generation']])}."
        )
    return FrontMember(
        mapping["file"],
        mapping["generation"],
        mapping["formula"],
        _scores("`scores`", mapping["scores"], count),
        _scores("`fresh`", mapping["fresh"], count, empty=True),
    )


def _usual(content: Any, count: int) -> UsualScores:
    mapping = expect_keys("one of `usual`", content, {"name", "factor", "scores"})
    name = mapping["name"]
    if not isinstance(name, str):
        raise ArtifactError(f"expected `name` of a usual loss to be text, got {shown(name)}.")
    factor = expect_number("`factor`", mapping["factor"])
    return UsualScores(name, factor, _scores(f"`scores` of '{name:.40}'", mapping["scores"], count))


def _scores(where: str, value: Any, count: int, empty: bool = False) -> tuple[float, ...]:
    numbers = expect_numbers(where, value)
    if len(numbers) != count and not (empty and not numbers):
        raise ArtifactError(f"expected {where} to hold {count} numbers, got {len(numbers)}.")
    return numbers


def _list(where: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ArtifactError(f"expected {where} to be a list, got {shown(value)}.")
    return value
