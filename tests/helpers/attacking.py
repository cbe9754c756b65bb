"""What attacks have in common: their sizes, a limit of time, and how a reader ended."""

import contextlib
import signal
import sys
import traceback
from pathlib import Path

import pytest


def sizes(small, large):
    """Decorate a test that takes ``count``: the small one runs each time, the large on demand."""
    many = pytest.param(large, marks=[pytest.mark.attack, pytest.mark.timeout(0)], id="large")
    return pytest.mark.parametrize("count", [pytest.param(small, id="small"), many], indirect=True)


class Hang(BaseException):
    """Something took more processor time than any file should cost."""


@contextlib.contextmanager
def processor_limit(seconds):
    """Raise :class:`Hang` after some processor time, which a busy machine does not use up."""

    def late(*_):
        raise Hang

    kept = signal.signal(signal.SIGVTALRM, late)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, kept)


def ending(call, clear, seconds=30):
    """How a call ended.

    Args:
        call: Without arguments.
        clear: Types of errors that are clear words to a user.
        seconds: Processor time that it may take.

    Returns:
        ``"ok"``, ``"refused"``, ``"hangs"``, or the name, message and place of any other error.
    """
    try:
        with processor_limit(seconds):
            call()
    except clear:
        return "refused"
    except Hang:
        return "hangs"
    except Exception as error:
        place = traceback.extract_tb(error.__traceback__)[-1]
        return (
            f"{type(error).__name__}: {error!s:.160} at {Path(place.filename).name}:{place.lineno}"
        )
    return "ok"


_FORBIDDEN = ("os.system", "subprocess.Popen", "os.exec", "os.posix_spawn", "pickle.find_class")
_seen = None


def _listen(event, arguments):
    if _seen is None:
        return
    wrote = event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+")
    if event in _FORBIDDEN or event.startswith("socket.") or wrote:
        _seen.append(f"{event} {arguments!s:.100}")


@contextlib.contextmanager
def watched():
    """Gives a list that fills with what a reader has no business with.

    Commands that are started, objects that are unpickled, sockets, files that are opened to be
    written. The hook stays in the process, idle.
    """
    global _seen
    if not _listening:
        sys.addaudithook(_listen)
        _listening.append(True)
    _seen = found = []
    try:
        yield found
    finally:
        _seen = None


_listening = []
