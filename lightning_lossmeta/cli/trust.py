"""Which runs were made here: going on with a run imports and calls what its ``config.yaml`` names.

A run's configuration gets a seal, a keyed digest of its text; the key is a random file in the
user's own folder (``~/.local/state/lightning_lossmeta/key``, or under ``XDG_STATE_HOME``). So a run
can be moved and renamed; one that came from elsewhere, or was changed since, has no seal that fits.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import sys
from pathlib import Path

from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.cli.class_paths import importable
from lightning_lossmeta.cli.shell import printable
from lightning_lossmeta.cli.yaml_files import read_yaml

_KEY_BYTES = 32


def seal(config: Path) -> None:
    """Mark a run's configuration as written here; without a place for the key it gets no mark.

    Args:
        config: The file; the seal lies beside it.

    Raises:
        OSError: If the run's folder can't be written.
    """
    if (digest := _digest(config)) is not None:
        write_atomic(_seal_of(config), f"{digest}\n")


def is_sealed(config: Path) -> bool:
    """Whether :func:`seal` has marked a configuration on this machine, as it is now."""
    try:
        kept = _seal_of(config).read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return False
    digest = _digest(config)
    return digest is not None and hmac.compare_digest(kept, digest)


def confirm(config: Path, trusted: bool) -> None:
    """Let a configuration pass that was made here, or that the user trusts; then it is sealed.

    Args:
        config: The configuration file of a run.
        trusted: Whether the user has said so already.

    Raises:
        ValueError: If it is a stranger's and nobody can be asked, or the answer is no.
    """
    if is_sealed(config):
        return
    if not trusted:
        names = "".join(f"\n  {printable(name)}" for name in importable(read_yaml(config)))
        what = f"'{config}' to be written by you on this machine, and unchanged since"
        if not sys.stdin.isatty():
            raise ValueError(
                f"Expected {what}. Going on with it would import, and may call:{names}\n"
                "Read the file; if you trust it, add --trust."
            )
        print(f"'{config}' was not written by you on this machine, or was changed since.")
        print(f"Going on with it imports, and may call:{names}")
        if not _yes("Do you trust it? [y/N] "):
            raise ValueError(f"Expected {what}: not trusted, nothing was imported.")
    seal(config)


def _yes(question: str) -> bool:
    try:
        return input(question).strip().lower() in ("y", "yes")
    except EOFError:
        return False


def _seal_of(config: Path) -> Path:
    return config.with_name(f"{config.name}.seal")


def _digest(config: Path) -> str | None:
    """The digest of a file under the user's key; ``None`` where there is no place for a key."""
    key = _key()
    return key and hmac.new(bytes.fromhex(key), config.read_bytes(), hashlib.sha256).hexdigest()


def _key() -> str | None:
    """The user's key, made when it is first asked for, readable by the user alone."""
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    path = Path(state).expanduser() / "lightning_lossmeta" / "key"
    with contextlib.suppress(OSError):
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
            with os.fdopen(os.open(path, flags, 0o600), "w", encoding="ascii") as file:
                file.write(secrets.token_hex(_KEY_BYTES))
    try:
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeDecodeError):
        return None
    return key if len(key) == 2 * _KEY_BYTES and all(c in "0123456789abcdef" for c in key) else None
