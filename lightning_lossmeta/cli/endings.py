"""How a command ends that does not end well: what it says, and its exit status."""

from __future__ import annotations

import errno
import signal
import sys
import threading

WRONG_INPUT = 2
INTERRUPTED = 130

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


def interrupted(stop: KeyboardInterrupt) -> int:
    """Say how to go on, and let no further Ctrl-C come between.

    Args:
        stop: The last of several, if Ctrl-C was pressed again while the first was dealt with.

    Returns:
        The exit status.
    """
    main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGINT, signal.SIG_IGN) if main else None
    try:
        print(f"\n{last_words(stop)}", file=sys.stderr, flush=True)
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
    return INTERRUPTED


def last_words(stop: BaseException) -> str:
    """What the first interrupt that had something to say says.

    >>> try:
    ...     try:
    ...         raise KeyboardInterrupt("Go on with ...")
    ...     finally:
    ...         raise KeyboardInterrupt
    ... except KeyboardInterrupt as stop:
    ...     last_words(stop)
    'Go on with ...'
    """
    error: BaseException | None = stop
    while error is not None:
        if isinstance(error, KeyboardInterrupt) and str(error):
            return str(error)
        error = error.__cause__ or error.__context__
    return "Interrupted."


def machine_trouble(error: OSError) -> str | None:
    """One line on a full disk or a folder that can't be written; ``None`` for any other error.

    >>> machine_trouble(OSError(errno.ENOSPC, "No space left on device", "run/state.json"))
    "No space left on device: 'run/state.json'; make room. What was written before is kept."
    """
    if (advice := _MACHINE.get(error.errno or 0)) is None:
        return None
    where = f": '{error.filename}'" if error.filename else ""
    return f"{error.strerror}{where}; {advice}. What was written before is kept."
