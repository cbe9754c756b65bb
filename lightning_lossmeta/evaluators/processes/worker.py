"""A worker process of :class:`ProcessEvaluator`, from both ends of its pipe.

The worker sends a reply when it is up and after each message, and so asks for the next one. All go
as plain pickles: those of ``multiprocessing`` would pass tensors by file descriptors in shared
memory, which are few and end with their owner.

Each worker has a pipe of its own, so that its death can harm nobody else. In pebble's pool all read
from one pipe under one lock: a worker that is killed while it holds that lock stops the others for
two minutes, one that is killed idle breaks the pool, and a job that ends its worker with exit code
0 is never heard of again. In loky's, one death ends every worker.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import pickle
import signal
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection, wait
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess

import torch

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.evaluators.processes.pickle_cache import loads
from lightning_lossmeta.evaluators.trainer import fit_candidate
from lightning_lossmeta.training.data_view import prepared_data
from lightning_lossmeta.training.faults import MachineError, machine_error

#: An evaluation, why a setting can't be used or the machine failed, or (``None``) that the worker
#: is ready.
Reply = Evaluation | str | MachineError | None

STOP_SECONDS = 1.0


@dataclass(frozen=True)
class Setting:
    """The task and family of the candidates that a worker is sent next.

    Args:
        pickled: The task and the family, with numbers in place of module, data and family.
        shared: By number the pickled objects that are alive in the parent; the worker keeps those
            that it has and forgets the others.
    """

    pickled: bytes
    shared: dict[int, bytes]


class WorkerProcess:
    """The parent's end: a process, what it is doing and what it was sent.

    Args:
        context: The way of ``multiprocessing`` to start the process.
    """

    def __init__(self, context: BaseContext) -> None:
        self.connection, theirs = context.Pipe()
        # No daemon: a data loader in the worker may need processes of its own.
        method = multiprocessing.get_start_method(allow_none=True)
        self.process = context.Process(target=work, args=(theirs, method), daemon=False)  # type: ignore[attr-defined]
        self.process.start()
        theirs.close()
        self.awaited = True
        self.setting: Setting | None = None
        self.index: int | None = None
        self._sent: set[int] = set()
        self._since = time.perf_counter()

    def prepare(self, setting: Setting) -> None:
        """Send a setting, without the shared objects that the worker has."""
        new = {n: b"" if n in self._sent else shared for n, shared in setting.shared.items()}
        self._sent = set(new)
        self.setting = setting
        self._send(replace(setting, shared=new))

    def fit(self, index: int, candidate: Candidate) -> None:
        """Send a candidate, and remember its ``index`` until the reply."""
        self.index = index
        self._send(candidate)

    def receive(self) -> Reply:
        """Return the reply that is there.

        Raises:
            EOFError: If there is none, since the worker has ended.
        """
        try:
            if not self.connection.poll():
                raise EOFError
            reply: Reply = pickle.loads(self.connection.recv_bytes())
        except OSError as error:
            raise EOFError from error
        self.awaited, self.index = False, None
        return reply

    def seconds(self) -> float:
        """Return the wall time since the last message to the worker."""
        return time.perf_counter() - self._since

    def _send(self, message: Setting | Candidate) -> None:
        self.awaited = True
        self._since = time.perf_counter()
        with contextlib.suppress(OSError):  # it has ended: seen at the next look at its sentinel
            self.connection.send_bytes(pickle.dumps(message))


def stop(workers: Iterable[WorkerProcess]) -> list[int | None]:
    """End processes: idle ones by closing their pipe, others by force; returns their exit codes."""
    stopped = list(workers)
    for worker in stopped:
        worker.connection.close()
        if worker.awaited:
            _kill(worker.process)
    codes = []
    for worker in stopped:
        worker.process.join(STOP_SECONDS)
        _kill(worker.process)
        worker.process.join()
        codes.append(worker.process.exitcode)
        worker.process.close()
    return codes


def _kill(process: BaseProcess) -> None:
    """Kill a worker and what it has started; Lightning would defer gentler signals."""
    if hasattr(os, "killpg") and process.pid is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    process.kill()


def work(connection: Connection, start_method: str | None) -> None:
    """Answer, at the worker's end, the messages that come through the pipe until it closes."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted parent decides
    if hasattr(os, "setpgid"):
        os.setpgid(0, 0)  # a group with the data loaders' processes, which end together
    # As in the parent: else the data loaders would start their processes as this one was.
    multiprocessing.set_start_method(start_method, force=True)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    state = WorkerState()
    reply: Reply = None
    with contextlib.suppress(EOFError, OSError):
        while True:
            connection.send_bytes(pickle.dumps(reply))
            message = pickle.loads(connection.recv_bytes())
            reply = state.prepare(message) if isinstance(message, Setting) else state.fit(message)


def _end_with_parent() -> None:
    """End amid a fit too, when nobody can want its result."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        wait([parent.sentinel])
        if hasattr(os, "killpg"):
            os.killpg(0, signal.SIGKILL)
        os._exit(1)


class WorkerState:
    """What a worker keeps from candidate to candidate."""

    def __init__(self) -> None:
        self._shared: dict[int, object] = {}

    def prepare(self, setting: Setting) -> str | MachineError | None:
        """Unpickle a setting and set its data up; returns what went wrong."""
        try:
            self._shared = {
                number: pickle.loads(pickled) if pickled else self._shared[number]
                for number, pickled in setting.shared.items()
            }
            self._task, self._family = loads(setting.pickled, self._shared)
            self._fresh = self._task.fresh_module()
        except Exception as error:  # whatever the user's classes raise
            return machine_error(error) or f"{type(error).__name__}: {error}"
        with contextlib.suppress(Exception):  # the fits meet it again and report it
            prepared_data(self._task)
        return None

    def fit(self, candidate: Candidate) -> Evaluation | MachineError:
        """Train with a candidate and score it."""
        try:
            return fit_candidate(candidate, self._family, self._task, self._fresh)
        except MachineError as error:
            return error
