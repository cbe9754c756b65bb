"""What to do when the machine fails: a full disk, a folder that can't be written."""

from __future__ import annotations

import errno

#: What to do about errors of the machine, not of the user's or this package's code: a traceback
#: would say nothing more.
_MACHINE = {
    errno.ENOSPC: "make room",
    errno.EDQUOT: "make room",
    errno.EFBIG: "make room",
    errno.EROFS: "choose a folder that can be written",
    errno.EACCES: "choose a folder that can be read and written",
    errno.EPERM: "choose a folder that can be read and written",
    errno.EIO: "look at the disk",
    errno.EMFILE: "allow more open files (ulimit -n)",
    errno.ENFILE: "allow more open files",
}


def machine_trouble(error: OSError) -> str | None:
    """One line on a full disk or a folder that can't be written; ``None`` for any other error.

    >>> machine_trouble(OSError(errno.ENOSPC, "No space left on device", "run/state.json"))
    "No space left on device: 'run/state.json'; make room. What was written before is kept."
    """
    if (advice := _MACHINE.get(error.errno or 0)) is None:
        return None
    where = f": '{error.filename}'" if error.filename else ""
    return f"{error.strerror}{where}; {advice}. What was written before is kept."
