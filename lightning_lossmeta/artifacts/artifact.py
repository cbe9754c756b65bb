"""A learned loss as a small JSON file."""

from __future__ import annotations

import inspect
import json
import math
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import LossFamily, Normalisation, NormalisedFamily, NormalisedLoss
from lightning_lossmeta.losses.base import LossFunction, Reduction

FORMAT = "lightning_lossmeta/loss"
VERSION = 1
MAX_BYTES = 16 * 2**20


class ArtifactError(ValueError):
    """A file is not a learned loss that this version can read; says what is wrong with it."""


@dataclass(frozen=True)
class Artifact:
    """A learned loss with everything needed to rebuild it, and where it came from.

    Args:
        family: Its family; a normalised family is stored as its inner one plus the constants.
        candidate: Its parameters.
        normalisation: The affine map applied after the family's loss.
        reduction: Over the samples of a batch.
        provenance: Data, architectures, budget, seeds, fitness, versions: plain JSON values.
    """

    family: LossFamily
    candidate: Candidate
    normalisation: Normalisation | None = None
    reduction: Reduction = "mean"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, family: LossFamily, candidate: Candidate, provenance: Mapping[str, Any] | None = None
    ) -> Artifact:
        """The artefact of a family's candidate."""
        normalisation = None
        if isinstance(family, NormalisedFamily):
            family, outer = family.family, family
            normalisation = outer.normalisation(family.build(candidate))
        return cls(family, candidate, normalisation, provenance=provenance or {})

    def build(self) -> LossFunction:
        """The loss."""
        loss = self.family.build(self.candidate)
        if self.normalisation is not None:
            loss = NormalisedLoss(loss, self.normalisation)
        loss.reduction = self.reduction
        return loss

    def formula(self) -> str:
        """The loss as one line of mathematics."""
        text = self.family.formula(self.candidate)
        if self.normalisation is None:
            return text
        return f"{self.normalisation.scale:.4g} * ( {text} - {self.normalisation.offset:.4g} )"

    def to_json(self) -> str:
        """The file's text; floats are written so that they come back to the last bit."""
        content = {
            "format": FORMAT,
            "version": VERSION,
            "formula": self.formula(),
            "family": {"name": self.family.name, "settings": self.family.settings()},
            "candidate": {
                "structure": self.candidate.structure,
                "theta": list(self.candidate.theta),
            },
            "normalisation": asdict(self.normalisation) if self.normalisation else None,
            "reduction": self.reduction,
            "provenance": dict(self.provenance),
        }
        return json.dumps(content, indent=2, allow_nan=False) + "\n"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the file atomically."""
        write_atomic(path, self.to_json())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Artifact:
        """Read a file; nothing that it names is imported, evaluated or unpickled.

        Raises:
            FileNotFoundError: If there is no such file.
            ArtifactError: If it is no artefact of this version, or damaged.
        """
        file = Path(path)
        if not file.is_file():
            raise FileNotFoundError(f"Expected a learned loss (a JSON file) at '{file}', found none.")
        size = file.stat().st_size
        if size > MAX_BYTES:
            raise ArtifactError(
                f"'{file}': expected a learned loss of at most {MAX_BYTES // 2**20} MiB, got "
                f"{size / 2**20:.1f} MiB."
            )
        try:
            return cls.from_json(file.read_bytes().decode("utf-8"))
        except UnicodeDecodeError:
            raise ArtifactError(
                f"'{file}': expected JSON text, got {_looks_like(file)}."
            ) from None
        except ArtifactError as error:
            raise ArtifactError(f"'{file}': {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Artifact:
        """The artefact in a text.

        Raises:
            ArtifactError: If it is none of this version, or damaged.
        """
        content = _parse(text)
        if content.get("format") != FORMAT:
            raise ArtifactError(
                f"expected a learned loss with format '{FORMAT}', got a JSON object with the keys "
                f"{sorted(content)[:8]}."
            )
        if content.get("version") != VERSION:
            raise ArtifactError(
                f"expected version {VERSION}, got {content.get('version')!r}: it was written by "
                "another release of lightning_lossmeta; install that one to read it."
            )
        _keys(
            "the file",
            content,
            {"format", "version", "family", "candidate", "normalisation", "reduction"},
            {"formula", "provenance"},
        )
        family = _family(content["family"])
        _keys("candidate", content["candidate"], {"structure", "theta"})
        structure = content["candidate"]["structure"]
        if not (structure is None or isinstance(structure, str)):
            raise ArtifactError(f"expected `structure` to be text or null, got {structure!r}.")
        theta = tuple(_number("theta", value) for value in _list(content["candidate"]["theta"]))
        artifact = cls(
            family,
            Candidate(structure, theta),
            _normalisation(content["normalisation"]),
            content["reduction"],
            _mapping("provenance", content.get("provenance", {})),
        )
        try:
            artifact.build()
            if artifact.reduction not in ("mean", "sum", "none"):
                raise ValueError(f"Expected a known `reduction`, got {artifact.reduction!r}.")
        except (ValueError, TypeError) as error:
            raise ArtifactError(f"its parameters make no loss. {error}") from None
        return artifact


def _parse(text: str) -> dict[str, Any]:
    def refuse(name: str) -> None:
        raise ArtifactError(f"expected finite numbers, got {name}.")

    try:
        content = json.loads(text, parse_constant=refuse)
    except RecursionError:
        raise ArtifactError("expected a flat JSON object, got one that is nested too deeply.") from None
    except json.JSONDecodeError as error:
        what = "ends early: it is truncated" if error.pos >= len(text.rstrip()) else "is not JSON"
        raise ArtifactError(
            f"expected a JSON object, got text that {what} (line {error.lineno}, column "
            f"{error.colno}: {error.msg})."
        ) from None
    except ValueError as error:
        if isinstance(error, ArtifactError):
            raise
        raise ArtifactError(f"expected JSON, got a number that can't be read ({error}).") from None
    return _mapping("the file", content)


def _family(content: Any) -> LossFamily:
    _keys("family", content, {"name", "settings"})
    known = {cls.name: cls for cls in _subclasses(LossFamily) if cls is not NormalisedFamily}
    name, settings = content["name"], _mapping("settings", content["settings"])
    if not isinstance(name, str) or name not in known:
        raise ArtifactError(f"expected a family out of {sorted(known)}, got {name!r}.")
    cls = known[name]
    allowed = set(inspect.signature(cls).parameters)
    _keys(f"settings of family '{name}'", settings, set(), allowed)
    try:
        return cls(**settings)
    except (ValueError, TypeError) as error:
        raise ArtifactError(f"its family '{name}' can't be made. {error}") from None


def _subclasses(cls: type[LossFamily]) -> list[type[LossFamily]]:
    """The families of this package, however deep; not those that a caller's code defines."""
    found = [sub for child in cls.__subclasses__() for sub in (child, *_subclasses(child))]
    return [sub for sub in found if hasattr(sub, "name") and not inspect.isabstract(sub)]


def _normalisation(content: Any) -> Normalisation | None:
    if content is None:
        return None
    _keys("normalisation", content, {"scale", "offset", "eta", "num_classes"})
    values = {key: _number(key, value) for key, value in content.items()}
    if values["scale"] <= 0:
        raise ArtifactError(f"expected `scale` to be positive, got {values['scale']}.")
    return Normalisation(
        values["scale"], values["offset"], values["eta"], int(values["num_classes"])
    )


def _keys(where: str, content: Any, needed: set[str], optional: set[str] = frozenset()) -> None:  # type: ignore[assignment]
    _mapping(where, content)
    if missing := needed - set(content):
        raise ArtifactError(f"expected {where} to have {sorted(missing)}, which it lacks.")
    if extra := set(content) - needed - optional:
        raise ArtifactError(f"expected no further keys in {where}, got {sorted(extra)[:8]}.")


def _mapping(where: str, content: Any) -> dict[str, Any]:
    if not isinstance(content, dict):
        raise ArtifactError(f"expected {where} to be a JSON object, got {type(content).__name__}.")
    return content


def _list(content: Any) -> list[Any]:
    if not isinstance(content, list):
        raise ArtifactError(f"expected `theta` to be a list, got {type(content).__name__}.")
    return content


def _number(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ArtifactError(f"expected `{name}` to hold numbers, got {value!r:.60}.")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ArtifactError(f"expected `{name}` to be finite, got {value!r:.60}.")
    return number


def _looks_like(file: Path) -> str:
    with file.open("rb") as stream:
        head = stream.read(8)
    kinds = {
        b"PK\x03\x04": "what looks like a zip archive or a PyTorch checkpoint",
        b"\x89PNG": "what looks like a PNG picture",
        b"\x80": "what looks like a pickle",
    }
    for magic, kind in kinds.items():
        if head.startswith(magic):
            return kind
    return "a binary file"
