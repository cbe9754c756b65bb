"""Which folders are the parts of a data set, and which are its classes."""

from __future__ import annotations

import re
from pathlib import Path

from lightning_lossmeta.data.images.listing import holds_images, visible_folders

#: What the folder of each part may be called, in small letters.
_NAMES = {
    "train": {"train", "training", "trn", "tr"},
    "val": {"val", "valid", "validate", "validation", "dev", "development", "eval", "evaluation"},
    "test": {"test", "testing", "tst", "te", "holdout"},
}
#: What may stand beside that name: ``test_set``, ``images-train``.
_BESIDE = {"set", "data", "dataset", "images", "imgs", "split"}


def part_of(name: str) -> str | None:
    """Which part a folder's name stands for: ``train``, ``val``, ``test`` or none.

    >>> part_of("Training"), part_of("test_set"), part_of("trainers")
    ('train', 'test', None)
    """
    words = [word for word in re.split(r"[^a-z0-9]+", name.lower()) if word not in {"", *_BESIDE}]
    if len(words) != 1:
        return None
    word = re.sub(r"(?<=.)(set|data)$", "", words[0])
    return next((part for part, names in _NAMES.items() if word in names), None)


def part_folders(root: Path) -> dict[str, Path]:
    """The folders of ``train``, ``val`` and ``test`` in a folder.

    Args:
        root: If folders in it are named like parts and hold folders, not images, it is split by
            them; else its folders are classes, and it is ``train`` itself.

    Returns:
        Folders by part; ``train`` is always among them.

    Raises:
        ValueError: If a part is there twice, training is not, or another folder stands beside
            them; names it.
    """
    names = visible_folders(root)
    parts = {name: part for name in names if (part := part_of(name)) is not None}
    others = [name for name in names if name not in parts]
    if not parts:
        return {"train": root}
    holds_classes = any(
        visible_folders(root / name) and not holds_images(root / name) for name in parts
    )
    if others and not holds_classes:
        return {"train": root}  # a class may be called so
    _check_parts(root, parts, others)
    return {part: root / name for name, part in parts.items()}


def _check_parts(root: Path, parts: dict[str, str], others: list[str]) -> None:
    """Refuse folders that nobody can tell parts from classes in."""
    beside = "" if len(others) == 1 else "s"
    if others:
        raise ValueError(
            f"Expected '{root}' to hold either parts (train, val, test) or classes, got "
            f"{', '.join(parts)}, which are parts, and the folder{beside} {', '.join(others)} "
            "besides. Move or rename what does not belong there."
        )
    for part in _NAMES:
        named = [name for name, other in parts.items() if other == part]
        if len(named) > 1:
            raise ValueError(
                f"Expected '{root}' to hold one folder for each part, got {' and '.join(named)}, "
                f"which both stand for {part}. Put them together, or rename one."
            )
    if "train" not in parts.values():
        raise ValueError(
            f"Expected '{root}' to hold a folder of training images (train), as "
            f"{', '.join(parts)} {'is a part' if len(parts) == 1 else 'are parts'} of a data set, "
            "got none. Add it, or rename what is a class."
        )
