"""Names that users give, as names of files."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable

#: Bytes of a safe name; file systems take 255, and endings are added.
MOST = 100

_PLAIN = re.compile(r"[\w(+=][\w .,()+=@%-]*(?<![ .])")
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\..*)?", re.IGNORECASE)


def safe_name(name: str) -> str:
    """A name as one part of a path, whatever it holds: no separator, no ``..``, not too long.

    Plain names stay what they are; to others a digest is added, so that two of them never become
    one.

    Args:
        name: Any text.

    >>> safe_name("MNIST, noise rate 0.6")
    'MNIST, noise rate 0.6'
    >>> safe_name("../../home")
    'home~48f5d6cb03d4'
    """
    return name if _is_plain(name) else _with_digest(name)


def safe_names(names: Iterable[str]) -> dict[str, str]:
    """Names as parts of a path that differ on every file system, also where case does not count.

    Args:
        names: Any texts.

    Returns:
        The parts of a path, by name.

    >>> safe_names(["a", "A", "b"])
    {'a': 'a~ca978112ca1b', 'A': 'A~559aead08264', 'b': 'b'}
    """
    safe = {name: safe_name(name) for name in names}
    counts = Counter(each.casefold() for each in safe.values())
    return {
        name: each if counts[each.casefold()] == 1 else _with_digest(name)
        for name, each in safe.items()
    }


def _is_plain(name: str) -> bool:
    return (
        _PLAIN.fullmatch(name) is not None
        and _DEVICES.fullmatch(name) is None
        and unicodedata.normalize("NFC", name) == name
        and len(name.encode()) <= MOST
    )


def _with_digest(name: str) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:12]
    words = re.sub(r"[^A-Za-z0-9]+", "-", name).strip("-")[: MOST - 20]
    return f"{words or 'name'}~{digest}"
