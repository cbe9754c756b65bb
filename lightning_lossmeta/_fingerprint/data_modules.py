"""What a fingerprint says of data modules: what they were before they were set up."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._fingerprint.walk import (
    FingerprintError,
    Walk,
    class_name,
    describe_value,
    own_state,
)

#: Where it is kept what the attributes were that setting up assigned.
_SET_UP = "_lossmeta_before_setup"

#: What says how data are fetched, not what they are.
_FETCHING = {"download", "cache"}
_INTERNALS = {*vars(pl.LightningDataModule()), "_hparams_initial", "_hparams_name"}

#: Attributes whose text leads to a file or folder.
_LEADS_SOMEWHERE = re.compile(r"(^|_|\.)(root|path|dir|directory|folder|file)$")


@contextmanager
def setting_up(data: pl.LightningDataModule) -> Iterator[None]:
    """Remember what attributes were before a data module is set up.

    Two that were made alike are alike, whether either was set up before; what ``prepare_data`` and
    ``setup`` assign derives from the rest. An attribute that somebody assigns later counts again.
    """
    before = dict(vars(data))
    yield
    kept: dict[str, tuple[int, Any]] = vars(data).setdefault(_SET_UP, {})
    for name, value in vars(data).items():
        if name == _SET_UP or (name in before and before[name] is value):
            continue
        _, first = kept.get(name, (0, None))
        kept[name] = (id(value), first or _before(name, before))


def _before(name: str, before: dict[str, Any]) -> dict[str, Any]:
    """Describe an attribute as it was before setting up, or say that it was not there."""
    if name not in before:
        return {"absent": True}
    try:
        return {"before": Walk().at(name, before[name])}
    except FingerprintError as error:
        return {"refused": str(error)}


@describe_value.register
def describe_data_module(value: pl.LightningDataModule, walk: Walk) -> dict[str, Any]:
    """The values of a data module's attributes as they were before it was set up.

    A text that leads to a file, such as ``path`` or ``train_file``, is given by the file's content;
    one that leads to a folder, such as ``root`` or ``data_dir``, by where the folder lies.
    """
    described: dict[str, Any] = {"class": class_name(type(value), walk)}
    kept: dict[str, tuple[int, Any]] = vars(value).get(_SET_UP, {})
    for name, item in _settings(value):
        current, before = kept.get(name, (0, {}))
        if current != id(item):
            leads = isinstance(item, str) and _LEADS_SOMEWHERE.search(name)
            described[name] = _source(item) if leads else walk.at(name, item)
        elif "refused" in before:
            raise FingerprintError(before["refused"])
        elif "before" in before:
            described[name] = before["before"]
    return described


def _settings(value: pl.LightningDataModule) -> Iterator[tuple[str, Any]]:
    """Yield attributes and saved hyper-parameters, but for those that say how to fetch data."""
    state = own_state(value)
    saved = {f"hparams.{name}": item for name, item in state.pop("_hparams", {}).items()}
    for name, item in {**state, **saved}.items():
        own = name not in _INTERNALS and not name.startswith("_lossmeta_")
        if own and name.removeprefix("hparams.") not in _FETCHING:
            yield name, item


def _source(name: str) -> dict[str, str]:
    """What a path leads to: a file by its content, wherever it lies; a folder by where it lies."""
    path = Path(name).resolve()
    if not path.is_file():
        return {"path": str(path)}
    content = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(1 << 20):
            content.update(block)
    return {"file": content.hexdigest()[:20]}
