"""Output that costs nothing: a search outlives the reader of what it prints."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any, TextIO, cast


class SteadyStream:
    """A text stream that falls silent, and lets work go on, once it can't be written.

    Args:
        stream: Standard output or error; whatever else is asked of it, it does itself.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.error: OSError | None = None

    def write(self, text: str) -> int:
        """Write, if anybody reads: after ``| head -1`` nobody does."""
        try:
            return self._stream.write(text)
        except OSError as error:
            self._fall_silent(error)
            return len(text)

    def flush(self) -> None:
        """Hand over what is held back."""
        try:
            self._stream.flush()
        except OSError as error:
            self._fall_silent(error)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _fall_silent(self, error: OSError) -> None:
        """Let the operating system swallow the rest, what the stream still holds back included."""
        self.error = error
        with contextlib.suppress(OSError, ValueError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)


@contextlib.contextmanager
def steady_streams() -> Iterator[SteadyStream]:
    """Standard output and error that never stop the work; gives standard output."""
    out, err = SteadyStream(sys.stdout), SteadyStream(sys.stderr)
    with (
        contextlib.redirect_stdout(cast("TextIO", out)),
        contextlib.redirect_stderr(cast("TextIO", err)),
    ):
        try:
            yield out
        finally:
            out.flush()
            err.flush()
