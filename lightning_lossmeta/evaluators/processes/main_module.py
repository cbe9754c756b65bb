"""Whether worker processes can import the program's main module."""

from __future__ import annotations

import ast
import functools
import multiprocessing
import os
import sys
import threading
import tokenize
from types import ModuleType


def main_module_obstacle() -> str | None:
    """What keeps this program from starting workers, or ``None``.

    A worker runs the file of the main module again, under another name. That needs a file, and a
    file that calls the search from under ``if __name__ == "__main__":``, or each worker would begin
    with a search of its own. No process is started to find out.
    """
    if multiprocessing.current_process().daemon:
        return "this is a daemonic process, which can't have workers; use TrainerEvaluator."
    main = sys.modules["__main__"]
    file: str | None = getattr(main, "__file__", None)
    spec = getattr(main, "__spec__", None)
    if file is None or (spec is not None and spec.name.rpartition(".")[2] == "__main__"):
        return None  # nothing that multiprocessing would have a worker import
    if not os.path.isfile(file):
        return (
            f"workers can't import the main module from {file!r}. Put the program in a file, or "
            "use TrainerEvaluator."
        )
    line = _line_in_progress(main)
    if line is None or _is_guarded(file, line):
        return None
    return (
        f"each worker would run line {line} of {file} again when it imports that file. Put the "
        'program under `if __name__ == "__main__":`, or use TrainerEvaluator.'
    )


def _line_in_progress(main: ModuleType) -> int | None:
    """The line of the main module's own code that is being run."""
    line = None
    frame = sys._current_frames().get(threading.main_thread().ident or 0)
    while frame is not None:
        if frame.f_globals is vars(main) and frame.f_code.co_name == "<module>":
            line = frame.f_lineno
        frame = frame.f_back
    return line


@functools.cache
def _is_guarded(file: str, line: int) -> bool:
    """Whether a line is under a condition on ``__name__``; also if the file can't be read."""
    try:
        with tokenize.open(file) as source:
            tree = ast.parse(source.read())
    except (OSError, SyntaxError, ValueError):  # compiled, or gone: multiprocessing will tell
        return True
    return any(
        isinstance(node, ast.If)
        and node.lineno <= line <= (node.end_lineno or line)
        and any(
            isinstance(part, ast.Name) and part.id == "__name__" for part in ast.walk(node.test)
        )
        for node in ast.walk(tree)
    )
