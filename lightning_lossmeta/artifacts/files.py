"""Files that are either the old or the new one, never half of each."""

from __future__ import annotations

import contextlib
import os
import re
from pathlib import Path

_PARTIAL = re.compile(r"\..+\.\d+\.part")


def write_atomic(path: str | os.PathLike[str], text: str) -> None:
    """Replace a file in one step: after a crash or on a full disk the old one is still there.

    Raises:
        OSError: If it can't be written; the file at ``path`` is then untouched.
    """
    target = Path(path)
    temporary = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        with temporary.open("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


def remove_partial_files(directory: Path) -> None:
    """Remove what interrupted calls of :func:`write_atomic` left in a folder and those below.

    Args:
        directory: No other process may write there.
    """
    for path in directory.rglob(".*.part"):
        if _PARTIAL.fullmatch(path.name) and path.is_file():
            path.unlink(missing_ok=True)
