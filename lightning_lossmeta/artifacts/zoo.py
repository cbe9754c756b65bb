"""Losses by name: the hand-made ones, published learned ones, and those shipped as files."""

from __future__ import annotations

import difflib
import inspect
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightning_lossmeta.artifacts.artifact import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.losses.hand_made import hand_made_losses
from lightning_lossmeta.theory import ALLCNNC_CIFAR10

_SHORT = {
    "ace": "absolute_cross_entropy",
    "agce": "asymmetric_generalized_cross_entropy",
    "anl_ce": "nce_and_nnce",
    "aul": "asymmetric_unhinged",
    "bce": "binary_cross_entropy",
    "ce": "cross_entropy",
    "gce": "generalized_cross_entropy",
    "jal_ce": "nce_and_amse",
    "lsr": "label_smoothing",
    "mae": "mean_absolute_error",
    "mse": "mean_squared_error",
    "nce": "normalized_cross_entropy",
    "sce": "symmetric_cross_entropy",
}
_PUBLISHED = {
    "taylorglo-allcnnc-cifar10": Artifact(
        TaylorFamily(order=3),
        Candidate(None, ALLCNNC_CIFAR10),
        provenance={
            "source": "Gonzalez & Miikkulainen (2021), equation 28; equal in gradient",
            "data": "CIFAR-10",
            "network": "AllCNN-C",
            "num_classes": 10,
        },
    )
}


class UnknownLossError(ValueError):
    """There is no ready loss of a name, or no file at a path; says which name comes near."""


@dataclass(frozen=True)
class ReadyLoss:
    """A loss with what is known of it.

    Args:
        name: Short, for tables and legends.
        loss: The loss itself.
        about: What the loss is, in one line.
        formula: One line of mathematics.
        source: Where it was published, or empty.
        artifact: Parameters and provenance, if it is a learned one.
        path: Its file, if it came from one.
    """

    name: str
    loss: LossFunction
    about: str
    formula: str
    source: str = ""
    artifact: Artifact | None = None
    path: Path | None = None


def ready_names() -> list[str]:
    """The names that :func:`get_loss` knows: hand-made, published, shipped as files."""
    return [*hand_made_losses(), *_PUBLISHED, *_shipped()]


def get_loss(name: str) -> LossFunction:
    """A new loss by its name.

    Args:
        name: One of :func:`ready_names`, a short one such as ``mse``; ``-`` and ``_`` are the same.

    Raises:
        UnknownLossError: If there is none of this name.
        ArtifactError: If its file is damaged.

    >>> get_loss("focal")
    Focal(gamma=2.0)
    """
    return describe_ready(name).loss


def describe_ready(name: str) -> ReadyLoss:
    """A new loss by its name, with what is known of it.

    Args:
        name: As in :func:`get_loss`.

    Raises:
        UnknownLossError: If there is none of this name.
        ArtifactError: If its file is damaged.
    """
    ready = {_plain(ready_name): ready_name for ready_name in ready_names()}
    plain = _plain(name)
    plain = _SHORT.get(plain, plain)
    if plain not in ready:
        near = difflib.get_close_matches(plain, [*ready, *_SHORT], n=1)
        hint = f" Did you mean '{ready.get(near[0], near[0])}'?" if near else ""
        raise UnknownLossError(f"there is no ready loss '{name}'.{hint} See lossmeta zoo.")
    full_name = ready[plain]
    hand_made = hand_made_losses()
    if full_name in hand_made:
        return _baseline(full_name, hand_made[full_name])
    if full_name in _PUBLISHED:
        return _learned(full_name, _PUBLISHED[full_name])
    return _from_file(_shipped()[full_name], full_name)


def find_loss(text: str) -> ReadyLoss:
    """A loss by the path of its file or by its name.

    Args:
        text: A path if it names a file, ends in ``.json`` or has a folder in it; a name otherwise.

    Raises:
        UnknownLossError: If there is no such file or name.
        ArtifactError: If the file is no learned loss.

    >>> find_loss("mse").name
    'mean_squared_error'
    """
    path = Path(text).expanduser()
    if path.is_file():
        return _from_file(path, path.stem)
    if path.is_dir():
        inside = path / "best.json"
        hint = f" Did you mean '{inside}'?" if inside.is_file() else ""
        raise UnknownLossError(f"'{text}' is a folder, not a learned loss.{hint}")
    if path.suffix == ".json" or os.sep in text or "/" in text:
        raise UnknownLossError(f"there is no file '{text}'.")
    return describe_ready(text)


def _from_file(path: Path, name: str) -> ReadyLoss:
    return _learned(name, Artifact.load(path), path)


def _learned(name: str, artifact: Artifact, path: Path | None = None) -> ReadyLoss:
    provenance = artifact.provenance
    kind = "Usual loss that a search kept" if "not_learned" in provenance else "Learned loss"
    about = f"{kind}{_origin(provenance)}."
    source = str(provenance.get("source", ""))
    return ReadyLoss(name, artifact.build(), about, artifact.formula(), source, artifact, path)


def _origin(provenance: Mapping[str, Any]) -> str:
    """What a loss was learned for, and how, as far as its file says."""
    tasks = provenance.get("tasks")
    first = tasks[0] if isinstance(tasks, list) and tasks else provenance
    place = [first.get(key) for key in ("network", "data")] if isinstance(first, Mapping) else []
    text = " on ".join(str(part) for part in place if part)
    text = f", for {text}" if text else ""
    if searcher := provenance.get("searcher"):
        text += f", by {searcher} in {provenance.get('generations')} generations"
    return text


def _baseline(name: str, cls: type[LossFunction]) -> ReadyLoss:
    """A hand-made loss with its defaults; formula and source are read off its docstring."""
    text = inspect.getdoc(cls) or name
    formula = re.search(r"^ +L = (.*(?:\n +[-+] .*)*)", text, re.MULTILINE)
    source = re.search(r"^Source: (.*(?:\n\S.*)*)", text, re.MULTILINE)
    return ReadyLoss(
        name,
        cls(),
        text.split("\n", 1)[0].replace("``", ""),
        " ".join(formula[1].split()) if formula else "",
        " ".join(source[1].split()).rstrip(".") if source else "",
    )


def _shipped() -> dict[str, Path]:
    """The files in ``checkpoints``: within an installed package, beside that of a checkout."""
    package = Path(__file__).resolve().parents[1]
    checkout = (package.parent / "pyproject.toml").is_file()
    folder = (package.parent if checkout else package) / "checkpoints"
    return {path.stem: path for path in sorted(folder.glob("*.json"))}


def _plain(name: str) -> str:
    return name.lower().replace("-", "_")
