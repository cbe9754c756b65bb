"""Trainings as arrays of SLURM jobs."""

from __future__ import annotations

import contextlib
import importlib.util
import itertools
import pickle
import shutil
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.evaluators.cluster.base import ClusterEvaluator
from lightning_lossmeta.evaluators.cluster.calls import Call
from lightning_lossmeta.evaluators.cluster.chunks import Chunk, read
from lightning_lossmeta.evaluators.pool import Lost
from lightning_lossmeta.training.faults import MachineError

if TYPE_CHECKING:
    from typing_extensions import Self

EXECUTORS = ("auto", "slurm", "local", "debug")

#: Seconds between two looks at the jobs.
LOOK = {"slurm": 2.0, "local": 0.1, "debug": 0.0}

#: Seconds before its time is up at which a job is told.
DELAY = {"slurm": 90.0, "local": 30.0, "debug": 0.0}

#: Requeued for want of time, a job still gets on; a call that never ends is given up by its chunk.
MAX_REQUEUES = 1000


class SubmititEvaluator(ClusterEvaluator):
    """Trains candidates in arrays of SLURM jobs, by way of submitit; no port is opened.

    All that is to be trained at once is one array, of ``chunk`` trainings (or stacks) a job. A job
    that is preempted or runs out of time is queued again and goes on with its next training; one
    that ends otherwise is sent again, and a training whose jobs end ``retries`` times more is
    failed. Local searches of a refiner run in jobs too. Needs the extra ``slurm``.

    Jobs and outcomes are files in ``folder``, which all machines see. They are pickles, as what
    :class:`~lightning_lossmeta.evaluators.ProcessEvaluator` and its workers exchange: whoever can
    write there can run anything in your name. They lie in a new folder within, which is yours alone
    (mode 0700), is no part of a run, is never read again, and is removed by :meth:`close`.

    Args:
        folder: Within it the evaluator makes its own; on a disk that all machines share.
        executor: ``"slurm"``, ``"local"`` for processes of this machine, ``"debug"`` for this very
            process, ``"auto"`` for SLURM where it is found, else local.
        partition: SLURM's, where the cluster's own choice is not wanted.
        minutes: The time that a job has. A training must fit within.
        chunk: Trainings, or stacks, of a job: so many that its start, about ten seconds, is little.
        array_parallelism: How many jobs of an array run at once at the most.
        cpus: CPU cores of a job, which are PyTorch's threads too.
        gpus: GPUs of a job.
        memory_gb: Memory of a job; SLURM's own choice by default.
        stack: How many candidates of a task are trained together, as by a
            :class:`~lightning_lossmeta.evaluators.PopulationEvaluator`, where that is possible.
        retries: How often a training is done again whose job ended before it.
        parameters: Further ones as submitit names them, e.g. ``{"slurm_account": "vision"}``.

    Raises:
        ModuleNotFoundError: If submitit is not installed.
        ValueError: If a number is out of its range, or the executor is unknown.
    """

    def __init__(
        self,
        folder: str,
        executor: Literal["auto", "slurm", "local", "debug"] = "auto",
        partition: str | None = None,
        minutes: int = 60,
        chunk: int = 8,
        array_parallelism: int = 256,
        cpus: int = 1,
        gpus: int = 0,
        memory_gb: float | None = None,
        stack: int = 1,
        retries: int = 3,
        parameters: dict[str, Any] | None = None,
    ) -> None:
        if importlib.util.find_spec("submitit") is None:
            raise ModuleNotFoundError(
                "SubmititEvaluator needs 'submitit': pip install 'lightning-lossmeta[slurm]'.",
                name="submitit",
            )
        if executor not in EXECUTORS:
            raise ValueError(
                f"Expected argument `executor` to be one of {list(EXECUTORS)}, got {executor!r}."
            )
        check_at_least(1, minutes=minutes, chunk=chunk, array_parallelism=array_parallelism)
        check_at_least(0, retries=retries)
        super().__init__(stack, cpus, gpus)
        self.folder = folder
        self.executor = executor
        self.partition = partition
        self.minutes = minutes
        self.chunk = chunk
        self.array_parallelism = array_parallelism
        self.memory_gb = memory_gb
        self.retries = retries
        self.parameters = parameters
        self._directory: Path | None = None

    @classmethod
    def example(cls) -> Self:
        """Jobs that run in this very process, with files in the folder for temporary ones."""
        return cls(tempfile.gettempdir(), executor="debug")

    def close(self) -> None:
        """Forget what was sent, and remove the files."""
        super().close()
        if self._directory is not None:
            shutil.rmtree(self._directory, ignore_errors=True)
            self._directory = None

    @property
    def kind(self) -> str:
        """Where jobs run: ``executor``, or what stands for ``"auto"`` here."""
        if self.executor != "auto":
            return self.executor
        return "slurm" if shutil.which("srun") else "local"

    def _slots(self) -> int:
        return self.array_parallelism * self.chunk

    def _own(self) -> Path:
        """The folder that is this evaluator's alone.

        Raises:
            MachineError: If there can be none.
        """
        if self._directory is None:
            try:
                parent = Path(self.folder).expanduser().absolute()
                parent.mkdir(parents=True, exist_ok=True)
                self._directory = Path(tempfile.mkdtemp(prefix="lossmeta-", dir=parent))
            except OSError as error:
                raise MachineError(
                    f"Expected argument `folder` to be a folder on a disk that all machines share, "
                    f"got '{self.folder}': {error}."
                ) from error
            self._names = itertools.count()
        return self._directory

    def _pickler(self) -> type[pickle.Pickler]:
        import cloudpickle

        pickler: type[pickle.Pickler] = cloudpickle.Pickler
        return pickler

    def _keep(self, pickled: bytes) -> _OnDisk:
        return _OnDisk(pickled)

    def _sent(self, kept: _OnDisk) -> Path:
        return kept.path(self._own() / f"shared{next(self._names)}.pkl")

    def _submit(self, chunks: Sequence[Chunk]) -> list[Any]:
        """Send chunks as one array.

        Raises:
            MachineError: If SLURM does not take them.
        """
        import submitit
        from submitit.helpers import clean_env

        limits = {"slurm_max_num_timeout": MAX_REQUEUES, "local_max_num_timeout": MAX_REQUEUES}
        try:
            executor = submitit.AutoExecutor(folder=self._own(), cluster=self.kind, **limits)
            executor.update_parameters(
                name="lossmeta",
                timeout_min=self.minutes,
                tasks_per_node=1,
                nodes=1,
                cpus_per_task=self.cpus,
                gpus_per_node=self.gpus,
                slurm_array_parallelism=self.array_parallelism,
                **({} if self.memory_gb is None else {"mem_gb": self.memory_gb}),
                **({} if self.partition is None else {"slurm_partition": self.partition}),
                **(self.parameters or {}),
            )
            with clean_env(), executor.batch():  # the driver may be a job of SLURM itself
                jobs = [executor.submit(chunk) for chunk in chunks]
        except (RuntimeError, OSError) as error:
            raise MachineError(f"SLURM takes no jobs: {error}.") from error
        return jobs

    def _perform(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        folder = Path(tempfile.mkdtemp(prefix="outcomes-", dir=self._own()))
        files = [folder / f"{place}.pkl" for place in range(len(calls))]
        seconds = max(1.0, 60.0 * self.minutes - DELAY[self.kind])
        places = range(len(calls))
        wanted = [list(places[i : i + self.chunk]) for i in places[:: self.chunk]]
        running: list[tuple[Any, list[int]]] = []
        deaths: Counter[int] = Counter()
        try:
            while wanted or running:
                chunks = [
                    Chunk([calls[i] for i in part], [files[i] for i in part], seconds)
                    for part in wanted
                ]
                running += zip(self._submit(chunks) if chunks else [], wanted, strict=True)
                wanted = []
                ended = [item for item in running if item[0].done()]
                if not ended:
                    time.sleep(LOOK[self.kind])
                for job, part in ended:
                    running.remove((job, part))
                    outcomes = _outcomes(job, part, files)
                    yield from outcomes.items()
                    if missing := [place for place in part if place not in outcomes]:
                        first, *others = missing  # the one that it was doing when it ended
                        deaths[first] += 1
                        if deaths[first] <= self.retries:
                            wanted.append([first])
                        else:
                            yield first, Lost(f"its job ended in each of {deaths[first]} tries")
                        wanted += [others] if others else []
            shutil.rmtree(folder, ignore_errors=True)
        finally:  # of what nobody waits for any more
            for job, _ in running:
                with contextlib.suppress(Exception):
                    job.cancel(check=False)


def _outcomes(job: Any, places: Sequence[int], files: Sequence[Path]) -> dict[int, Any]:
    """What came of those of a job's calls that it was done with when it ended.

    Raises:
        MachineError: If the job could not begin, or not write.
    """
    from submitit.core.utils import FailedJobError, UncompletedJobError

    there = {place: read(files[place]) for place in places if files[place].exists()}
    if len(there) == len(places):
        return there
    try:  # waits for a slow disk
        return dict(zip(places, job.result(), strict=True))
    except FailedJobError as error:  # outside of what `perform` guards
        reason = " ".join(str(error).strip().splitlines()[-6:])
        raise MachineError(
            f"A job can't do its work: {reason} Every machine needs the same Python environment, "
            "with this package and your own modules."
        ) from error
    except UncompletedJobError:
        return there


class _OnDisk:
    """The pickle of a shared object, in a file once it is first sent."""

    def __init__(self, pickled: bytes) -> None:
        self._pickled: bytes | None = pickled
        self._path: Path | None = None

    def path(self, new: Path) -> Path:
        if self._path is None or self._pickled is not None:
            new.write_bytes(self._pickled or b"")
            self._path, self._pickled = new, None
        return self._path
