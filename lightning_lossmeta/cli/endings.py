"""How a command ends that does not end well: what it says, and its exit status."""

from __future__ import annotations

import atexit
import signal
import sys
import threading

from lightning_lossmeta._machine import machine_trouble

WRONG_INPUT = 2
INTERRUPTED = 130


def prepare_process() -> None:
    """Have SIGTERM end a command as Ctrl-C does, and a full disk told once.

    A thread that writes TensorBoard's files hands its error to the main thread, which tells it.
    """
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    threading.excepthook = _thread_failed


def _thread_failed(arguments: threading.ExceptHookArgs) -> None:
    error = arguments.exc_value
    if not isinstance(error, OSError) or machine_trouble(error) is None:
        threading.__excepthook__(arguments)


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
            atexit.register(_exit_quietly)  # registered last, it runs before the others
    return INTERRUPTED


def _exit_quietly() -> None:
    """Have no further Ctrl-C end in a traceback of whatever the interpreter is tidying up."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)


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
