"""Limits for files that ask for more memory than what they can honestly hold."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

#: Values in a file of labels: more than any published set has images (ImageNet-21k: 14 million).
MOST_LABELS = 2**24
#: Bytes that a binary file of labels unpacks to, and that one of text has, which grows when read.
MOST_BYTES = 2**29
MOST_TEXT_BYTES = 2**26
#: How many times its size an archive of images may unpack to: images hardly pack.
MOST_UNPACKING = 10


def check_file_size(path: Path, most: int) -> None:
    """Refuse a file that is too large to be what it should.

    Args:
        path: The file that is checked.
        most: How many bytes it may have.

    Raises:
        ValueError: Says how large it is.
    """
    size = path.stat().st_size
    if size > most:
        raise ValueError(f"it has {size:,} bytes, more than the {most:,} that are read")


def check_unpacked_size(path: Path, most: int) -> None:
    """Refuse a zip file that unpacks to too much; any other file passes.

    Args:
        path: The file that is checked.
        most: Bytes of all its members together.

    Raises:
        ValueError: Says how much it unpacks to.
    """
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        size = sum(member.file_size for member in archive.infolist())
    if size > most:
        raise ValueError(f"it unpacks to {size:,} bytes, more than the {most:,} that are read")


def check_memory(size: int, what: str, advice: str) -> None:
    """Refuse to take more memory than the machine has.

    Args:
        size: How many bytes are to be taken.
        what: What needs them, for the message.
        advice: What to do.

    Raises:
        ValueError: Says how much is needed and how much there is.
    """
    memory = machine_memory()
    if memory is not None and size > memory:
        raise ValueError(
            f"Expected {what} to fit into the machine's memory, {memory / 2**30:.1f} GiB, but they "
            f"take {size / 2**30:.1f} GiB. {advice}"
        )


def machine_memory() -> int | None:
    """Bytes of memory of the machine; ``None`` where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
