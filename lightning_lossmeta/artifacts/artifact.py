"""A learned loss as a small JSON file."""

from __future__ import annotations

import inspect
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from lightning_lossmeta._subclasses import all_subclasses
from lightning_lossmeta.artifacts.files import write_atomic
from lightning_lossmeta.artifacts.reading import (
    ArtifactError,
    expect_keys,
    expect_mapping,
    expect_number,
    expect_numbers,
    parse,
    read_text,
    shown,
    some_keys,
)
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import LossFamily, Normalisation, NormalisedLoss
from lightning_lossmeta.losses.base import LossFunction, Reduction

FORMAT = "lightning_lossmeta/loss"
VERSION = 1


@dataclass(frozen=True)
class Artifact:
    """A learned loss with everything needed to rebuild it, and where it came from.

    Args:
        family: Its family; a normalised family is stored as its inner one plus the constants.
        candidate: The structure and parameters of the loss within that family.
        normalisation: The affine map applied after the family's loss.
        reduction: How the losses of a batch's samples become one: mean, sum or none.
        provenance: Data, architectures, budget, seeds, fitness, versions: plain JSON values.

    Raises:
        ValueError: If the family can't be stored, or ``reduction`` is not known.

    >>> from lightning_lossmeta.families import TaylorFamily
    >>> family = TaylorFamily(order=3, start="mse")
    >>> Artifact(family, Candidate(None, family.space.start)).formula()
    'mean_k[ (h)^2 - 2 (h) (y) ]'
    """

    family: LossFamily
    candidate: Candidate
    normalisation: Normalisation | None = None
    reduction: Reduction = "mean"
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.family.serializable:
            raise ValueError(
                f"Expected argument `family` to be serializable, got {type(self.family).__name__}."
            )
        if self.reduction not in ("mean", "sum", "none"):
            raise ValueError(
                "Expected argument `reduction` to be 'mean', 'sum' or 'none', got "
                f"{self.reduction!r}."
            )

    @classmethod
    def of(
        cls, family: LossFamily, candidate: Candidate, provenance: Mapping[str, Any] | None = None
    ) -> Artifact:
        """The artefact of a family's candidate."""
        frozen = family.freeze(candidate)
        return cls(
            frozen.family, frozen.candidate, frozen.normalisation, provenance=provenance or {}
        )

    def build(self) -> LossFunction:
        """Build the loss, with its normalisation and reduction."""
        loss = self.family.build(self.candidate)
        if self.normalisation is not None:
            loss = NormalisedLoss(loss, self.normalisation)
        loss.reduction = self.reduction
        return loss

    def formula(self) -> str:
        """The loss as one line of mathematics."""
        text = self.family.formula(self.candidate)
        return text if self.normalisation is None else self.normalisation.formula(text)

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
            ArtifactError: If the file is no artefact of this version, or damaged.
        """
        file = Path(path).expanduser()
        if not file.is_file():
            kind = "a folder" if file.is_dir() else "none"
            raise FileNotFoundError(
                f"Expected a learned loss (a JSON file) at '{file}', found {kind}."
            )
        try:
            return cls.from_json(read_text(file))
        except ArtifactError as error:
            raise ArtifactError(f"'{file}': {error}") from None

    @classmethod
    def from_json(cls, text: str) -> Artifact:
        """The artefact in a text.

        Raises:
            ArtifactError: If the text is no artefact of this version, or damaged.
        """
        content = parse(text)
        if content.get("format") != FORMAT:
            got = (
                f"format {shown(content['format'])}"
                if "format" in content
                else f"one with {some_keys(content)}"
            )
            raise ArtifactError(
                f"expected a learned loss, a JSON object with format '{FORMAT}', got {got}."
            )
        if content.get("version", VERSION) != VERSION:
            raise ArtifactError(
                f"expected version {VERSION}, got {shown(content['version'])}: it was written by "
                "another release of lightning_lossmeta; install that one to read it."
            )
        needed = {"format", "version", "family", "candidate", "normalisation", "reduction"}
        expect_keys("the file", content, needed, frozenset({"formula", "provenance"}))
        family = _family(content["family"])
        candidate = _candidate(content["candidate"])
        normalisation = _normalisation(content["normalisation"])
        provenance = expect_mapping("`provenance`", content.get("provenance", {}))
        try:
            artifact = cls(family, candidate, normalisation, content["reduction"], provenance)
            artifact.build()
        except _MISUSE as error:
            raise ArtifactError(f"its parameters make no loss. {error}") from None
        return artifact


# What a constructor may raise when it gets values that nobody meant for it.
_MISUSE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)


def _family(content: Any) -> LossFamily:
    mapping = expect_keys("`family`", content, {"name", "settings"})
    families = _known_families()
    name = mapping["name"]
    if not isinstance(name, str) or name not in families:
        raise ArtifactError(
            f"expected a family out of {sorted(families)}, got {shown(name)}; one of your own must "
            "be imported first (lossmeta inspect and export: --import MODULE)."
        )
    cls = families[name]
    where = f"`settings` of family '{name}'"
    later = cls.later_settings
    needed = set(inspect.signature(cls).parameters) - later
    former = cls.former_settings
    current = {former.get(k, k): v for k, v in expect_mapping(where, mapping["settings"]).items()}
    settings = expect_keys(where, current, needed, later)
    try:
        return cls(**settings)
    except _MISUSE as error:
        raise ArtifactError(f"its family '{name}' can't be made. {error}") from None


def _known_families() -> dict[str, type[LossFamily]]:
    """The serializable families that are defined by now; of one name the first."""
    families: dict[str, type[LossFamily]] = {}
    for cls in all_subclasses(LossFamily):
        if cls.serializable and not inspect.isabstract(cls):
            families.setdefault(cls.name, cls)
    return families


def _candidate(content: Any) -> Candidate:
    mapping = expect_keys("`candidate`", content, {"structure", "theta"})
    structure = mapping["structure"]
    if not (structure is None or isinstance(structure, str)):
        raise ArtifactError(f"expected `structure` to be text or null, got {shown(structure)}.")
    return Candidate(structure, expect_numbers("`theta`", mapping["theta"]))


def _normalisation(content: Any) -> Normalisation | None:
    if content is None:
        return None
    mapping = expect_keys("`normalisation`", content, {"scale", "offset", "eta", "num_classes"})
    scale, offset, eta = (
        expect_number(f"`{key}`", mapping[key]) for key in ("scale", "offset", "eta")
    )
    try:
        return Normalisation(scale, offset, eta, mapping["num_classes"])
    except ValueError as error:
        raise ArtifactError(f"its normalisation can't be made. {error}") from None
