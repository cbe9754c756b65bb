"""Who may propose formulas: a list, a file, or any command of this machine."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import tempfile
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lightning_lossmeta._example import HasExample
from lightning_lossmeta._fingerprint import describe_arguments, describe_value

if TYPE_CHECKING:
    from typing_extensions import Self

#: More than this many characters are no list of formulas.
MAX_REPLY = 200_000


class ProposerError(ValueError):
    """A proposer that gives no formulas, with what it did instead."""


@dataclass(frozen=True)
class ProposalRequest:
    """What a proposer is asked for.

    Args:
        count: How many formulas.
        prompt: All of it in words: grammar, task, what was tried with which fitness, the form of
            the reply, and what was wrong with an earlier one.
        tried: The formulas that were tried, as the grammar writes them.
    """

    count: int
    prompt: str
    tried: frozenset[str]


class Proposer(HasExample, ABC):
    """Gives formulas as text, which is read by the grammar's parser and never run as code."""

    @abstractmethod
    def propose(self, request: ProposalRequest) -> str | None:
        """Formulas, one a line; ``None`` if there will be none any more.

        Raises:
            ProposerError: If no reply came, or one that is too long.
        """


describe_value.register(Proposer, describe_arguments)


class FormulaList(Proposer):
    """Gives the formulas of a list in order, those first that were not tried.

    Args:
        formulas: As the grammar writes them, e.g. ``"square(sub(f, y))"``.
    """

    def __init__(self, formulas: Sequence[str]) -> None:
        self.formulas = tuple(formulas)

    @classmethod
    def example(cls) -> Self:
        """Three formulas."""
        return cls(["square(sub(f, y))", "abs(sub(f, y))", "mul(y, log(f))"])

    def propose(self, request: ProposalRequest) -> str | None:
        """The next ones; what is written in another way than it was tried comes twice."""
        left = [formula for formula in self.formulas if formula not in request.tried]
        return "\n".join(left[: request.count]) if left else None


class FormulaFile(FormulaList):
    """Gives the formulas of a file of JSON lines, each a text or ``{"expression": "..."}``.

    Args:
        path: The file.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If a line is something else.
    """

    def __init__(self, path: str) -> None:
        self.path = os.path.expanduser(path)
        super().__init__(_formulas(Path(self.path)))

    @classmethod
    def example(cls) -> Self:
        """None: it reads a file of somebody's formulas."""
        raise NotImplementedError(f"Expected a file of formulas for {cls.__name__}.")


def _formulas(path: Path) -> list[str]:
    formulas = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        value = value.get("expression") if isinstance(value, dict) else value
        if not isinstance(value, str):
            raise ValueError(
                f"Expected line {number} of '{path}' to be a text in JSON or "
                f'{{"expression": "..."}}, got {line:.80}.'
            )
        formulas.append(value)
    return formulas


class CommandProposer(Proposer):
    """Asks a command of this machine, e.g. a local language model: prompt in, formulas out.

    The prompt is its standard input, the reply its standard output.

    Args:
        command: The program and its arguments; no shell is started.
        timeout: Seconds until it is given up.

    Raises:
        ValueError: If the command is empty, or the timeout not positive.
    """

    def __init__(self, command: list[str], timeout: float = 120.0) -> None:
        if not command or not all(isinstance(part, str) for part in command):
            raise ValueError(
                "Expected argument `command` to be a list of a program and its arguments, got "
                f"{command!r}."
            )
        if not timeout > 0:
            raise ValueError(f"Expected argument `timeout` to be positive, got {timeout!r}.")
        self.command = list(command)
        self.timeout = timeout

    @classmethod
    def example(cls) -> Self:
        """One that repeats a formula."""
        return cls(["echo", "square(sub(f, y))"])

    def propose(self, request: ProposalRequest) -> str:
        """What the command prints."""
        with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as reply:
            given.write(request.prompt.encode())
            given.seek(0)
            try:
                process = subprocess.Popen(
                    self.command, stdin=given, stdout=reply, start_new_session=True
                )
            except OSError as error:
                raise ProposerError(
                    f"Expected the proposer {self.command[0]!r} to start, got: {error}."
                ) from None
            try:
                status = self._wait(process, reply.fileno())
            finally:
                _stop(process)
            if status:
                raise ProposerError(
                    f"Expected the proposer {self.command[0]!r} to end with status 0, got {status}."
                )
            reply.seek(0)
            return reply.read().decode("utf-8", "replace")

    def _wait(self, process: subprocess.Popen[bytes], reply: int) -> int:
        """The exit status of a command that neither takes too long nor says too much."""
        end = time.monotonic() + self.timeout
        while True:
            status = process.poll()
            if (size := os.fstat(reply).st_size) > MAX_REPLY:
                raise ProposerError(
                    f"Expected the proposer {self.command[0]!r} to reply with at most {MAX_REPLY} "
                    f"bytes, got {size} so far."
                )
            if status is not None:
                return status
            if time.monotonic() > end:
                raise ProposerError(
                    f"Expected the proposer {self.command[0]!r} to reply within {self.timeout:g} "
                    "seconds, got nothing. Give it a longer `timeout`."
                )
            time.sleep(0.02)


def _stop(process: subprocess.Popen[bytes]) -> None:
    """End a command and what it started, if it still runs."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
