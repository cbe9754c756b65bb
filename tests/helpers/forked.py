"""Many `lossmeta` processes at the price of one import: a server forks one for each command."""

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from pathlib import Path

from waiting import wait_for

ROOT = Path(__file__).parents[2]


class Command:
    """A `lossmeta` command that runs in a process and session of its own.

    Args:
        server: Started it, and says when it ends.
        pid: The process.
        log: File of what it prints.
    """

    def __init__(self, server, pid, log):
        self._server, self.pid, self.log = server, pid, log

    @property
    def status(self):
        """The exit status, negative for a signal; ``None`` while it runs."""
        return self._server.status_of(self.pid)

    def wait(self, seconds=3600.0):
        """Wait for its end, and return the exit status."""
        wait_for(lambda: self.status is not None, seconds)
        return self.status

    def wait_until(self, condition, seconds=3600.0):
        """Wait for a condition or the end of the process, whatever comes first."""
        return wait_for(lambda: condition() or self.status is not None, seconds)

    def send(self, number):
        """Send a signal, if it still runs."""
        if self.status is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def kill(self):
        """End it at once, and wait until all processes that it has started are gone too."""
        self.send(signal.SIGKILL)
        self.wait()
        wait_for(lambda: not self.members())

    def members(self):
        """Process, parent and command line of each that runs in its session."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError, IndexError):
                state, parent, _, session = _stat(entry)
                if session == self.pid and state != "Z":
                    line = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
                    found.append((int(entry.name), parent, line))
        return found

    def text(self):
        """What it has printed."""
        return self.log.read_text("utf-8", "replace")


def _stat(entry):
    state, *numbers = (entry / "stat").read_text().rpartition(")")[2].split()[:4]
    return state, *map(int, numbers)


class ForkServer:
    """Has imported the package, and forks a process for each command line."""

    def __init__(self):
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT
        )
        self._statuses, self._rest = {}, b""
        os.set_blocking(self._process.stdout.fileno(), False)

    def start(self, arguments, log, cwd=ROOT, **environment):
        """Start `lossmeta` with arguments; what it prints is appended to a file."""
        job = {"arguments": list(map(str, arguments)), "log": str(log), "cwd": str(cwd)}
        line = json.dumps({**job, "environment": environment}) + "\n"
        self._process.stdin.write(line.encode())
        self._process.stdin.flush()
        self._pids = []
        wait_for(lambda: self._listen() or self._pids, 600)
        return Command(self, self._pids[0], Path(log))

    def run(self, arguments, log, **options):
        """Start a command, wait for its end, and return it."""
        command = self.start(arguments, log, **options)
        command.wait()
        return command

    def status_of(self, pid):
        self._listen()
        return self._statuses.get(pid)

    def close(self):
        self._process.kill()
        self._process.wait()
        self._process.stdin.close()
        self._process.stdout.close()

    def _listen(self):
        with contextlib.suppress(BlockingIOError):
            self._rest += os.read(self._process.stdout.fileno(), 65536)
        *lines, self._rest = self._rest.split(b"\n")
        for pid, status in map(json.loads, lines):
            if status is None:
                self._statuses.pop(pid, None)
                self._pids.append(pid)
            else:
                self._statuses[pid] = status


def _serve():
    import matplotlib.pyplot  # noqa: F401
    import torch
    import torch.utils.tensorboard

    import lightning_lossmeta.cli.commands.compare
    import lightning_lossmeta.cli.lightning  # noqa: F401

    torch.set_num_threads(1)
    answers, children = os.dup(1), set()
    os.dup2(2, 1)  # nothing but answers goes to the first
    rest = b""
    while True:
        readable, _, _ = select.select([0], [], [], 0.02)
        for pid in list(children):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                children.discard(pid)
                _say(answers, pid, os.waitstatus_to_exitcode(status))
        if not readable:
            continue
        if not (got := os.read(0, 65536)):
            return
        *lines, rest = (rest + got).split(b"\n")
        for line in lines:
            pid = os.fork()
            if pid == 0:
                os.close(answers)
                _become(json.loads(line))
            children.add(pid)
            _say(answers, pid, None)


def _say(answers, pid, status):
    os.write(answers, json.dumps([pid, status]).encode() + b"\n")


def _become(job):
    """Turn into a `lossmeta` process, with its exit and all."""
    from lightning_lossmeta.__main__ import main

    os.setsid()
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for number, path, flags in (
        (0, os.devnull, os.O_RDONLY),
        (1, job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND),
    ):
        opened = os.open(path, flags)
        os.dup2(opened, number)
        os.close(opened)
    os.dup2(1, 2)
    os.environ.update(job["environment"])
    os.chdir(job["cwd"])
    sys.argv = ["lossmeta", *job["arguments"]]
    sys.exit(main())


if __name__ == "__main__":
    _serve()
