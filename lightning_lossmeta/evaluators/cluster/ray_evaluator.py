"""Trainings as tasks of Ray, on this machine or on a cluster."""

from __future__ import annotations

import math
import pickle
import warnings
from collections import deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.evaluators.base import SayFn, say_nothing
from lightning_lossmeta.evaluators.cluster.base import ClusterEvaluator
from lightning_lossmeta.evaluators.cluster.calls import Call, Fault, perform
from lightning_lossmeta.evaluators.cluster.ray_session import check_ray, join, leave
from lightning_lossmeta.evaluators.pool import Lost
from lightning_lossmeta.training.faults import MachineError
from lightning_lossmeta.training.threads import usable_cores

if TYPE_CHECKING:
    from typing_extensions import Self


class RayEvaluator(ClusterEvaluator):
    """Trains candidates as tasks of `Ray <https://docs.ray.io>`_ core; local searches too.

    Without an address, Ray is started on this machine and ended by :meth:`close`; with one (such as
    ``"auto"``) a cluster is joined, and left as it is. Module, data and family are put into Ray's
    object store once and unpickled once a worker: after changing one in place, call :meth:`close`.
    A task whose worker or node is gone is done again elsewhere, and costs its time alone. Nodes
    that join are used at once. Needs the extra ``ray``; nothing is sent to anybody else.

    The history of a search is the same for any number of workers, bit for bit on machines of one
    kind. Every machine needs this package, and the modules of your own, in its Python environment.
    A Ray cluster obeys whoever reaches its ports: keep it within a network that you trust.

    Args:
        address: The cluster to join, as ``ray.init`` takes it; ``None`` for this machine alone.
        workers: How many tasks there are at once at the most; by default as many as fit on the
            cluster's CPUs and GPUs. On this machine, also more than it has cores.
        cpus: CPU cores of a task, which are PyTorch's threads too.
        gpus: GPUs of a task; a fraction, such as 0.25, has four tasks share one.
        stack: How many candidates of a task are trained together, as by a
            :class:`~lightning_lossmeta.evaluators.PopulationEvaluator`, where that is possible.
        retries: How often a task is done again whose worker ended; then its candidate is failed.

    Raises:
        ModuleNotFoundError: If Ray is not installed.
        ValueError: If a number is out of its range.
    """

    def __init__(
        self,
        address: str | None = None,
        workers: int | None = None,
        cpus: float = 1,
        gpus: float = 0,
        stack: int = 1,
        retries: int = 3,
    ) -> None:
        check_ray()
        if workers is not None:
            check_at_least(1, workers=workers)
        check_at_least(0, retries=retries)
        super().__init__(stack, cpus, gpus)
        self.address = address
        self.workers = workers
        self.retries = retries
        self._say: SayFn = say_nothing
        self._remote: Any = None

    @classmethod
    def example(cls) -> Self:
        """A single worker on this machine."""
        return cls(workers=1)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the arguments alone: a copy makes a connection of its own."""
        arguments = self.address, self.workers, self.cpus, self.gpus, self.stack, self.retries
        return type(self), arguments

    def prepare(self, generations: int, say: SayFn = say_nothing) -> None:
        """Learn whom to tell which machines there are."""
        del generations
        self._say = say

    def close(self) -> None:
        """Forget what was sent, and leave Ray; end it where it was started here."""
        super().close()
        self._remote = None
        leave(self)

    def _connected(self) -> Any:
        """The package ``ray``, connected, with the remote function at hand."""
        here = None
        if self.address is None:
            here = math.ceil(self.workers * self.cpus) if self.workers else usable_cores()
        ray = join(self, self.address, here)
        if self._remote is None:
            self._look_at(ray)
            self._remote = ray.remote(_perform_here).options(
                num_cpus=self.cpus,
                num_gpus=self.gpus,
                max_retries=self.retries,
                retry_exceptions=False,
                name="lossmeta",
            )
        return ray

    def _look_at(self, ray: Any) -> None:
        """Say what the cluster has, and whether it can do the work at all."""
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus, gpus = (sum(node.get(kind, 0) for node in nodes) for kind in ("CPU", "GPU"))
        found = f"{len(nodes)} node(s) with {cpus:g} CPUs and {gpus:g} GPUs in all"
        self._say(f"Ray: {found}")
        if any(self._per_node(node) >= 1 for node in nodes):
            return
        complaint = (
            f"Expected a node with {self.cpus:g} CPUs and {self.gpus:g} GPUs for a task, as `cpus` "
            f"and `gpus` say, got {found}"
        )
        if self.address is None:
            raise MachineError(f"{complaint}.")
        warnings.warn(f"{complaint}: the work waits until one joins.", stacklevel=2)

    def _per_node(self, resources: dict[str, float]) -> int:
        fits = [resources.get("CPU", 0) / self.cpus]
        if self.gpus:
            fits.append(resources.get("GPU", 0) / self.gpus)
        return int(min(fits) + 1e-9)

    def _slots(self) -> int:
        nodes = self._connected().nodes()
        there = sum(self._per_node(node["Resources"]) for node in nodes if node["Alive"])
        return max(1, min(there, self.workers or there))

    def _pickler(self) -> type[pickle.Pickler]:
        from ray import cloudpickle

        pickler: type[pickle.Pickler] = cloudpickle.Pickler
        return pickler

    def _keep(self, pickled: bytes) -> _Parcel:
        return _Parcel(pickled)

    def _sent(self, kept: _Parcel) -> Any:
        return kept.reference(self._connected())

    def _perform(self, calls: Sequence[Call]) -> Iterator[tuple[int, Any]]:
        ray = self._connected()
        waiting = deque(range(len(calls)))
        most = self.workers or len(calls)
        running: dict[Any, int] = {}
        try:
            while waiting or running:
                while waiting and len(running) < most:
                    place = waiting.popleft()
                    running[self._remote.remote(calls[place])] = place
                for reference in _done(ray, list(running)):
                    yield running.pop(reference), _outcome(ray, reference)
        finally:  # of what nobody waits for any more
            for reference in running:
                ray.cancel(reference, force=True)


class _Parcel:
    """The pickle of a shared object, in the object store once it is first sent."""

    def __init__(self, pickled: bytes) -> None:
        self._pickled: bytes | None = pickled
        self._reference: Any = None

    def reference(self, ray: Any) -> Any:
        if self._pickled is not None:
            self._reference, self._pickled = ray.put(self._pickled), None
        return self._reference


def _perform_here(call: Call) -> Any:
    """Do a call in a worker; Ray sends its references as they are, since they are within it."""
    import ray

    return perform(call, ray.get)


def _done(ray: Any, references: list[Any]) -> list[Any]:
    """Wait for one, and return all that are there."""
    ray.wait(references, num_returns=1)
    there: list[Any] = ray.wait(references, num_returns=len(references), timeout=0)[0]
    return there


def _outcome(ray: Any, reference: Any) -> Any:
    """What a task returned, or what became of it."""
    errors = ray.exceptions
    try:
        return ray.get(reference)
    except (errors.WorkerCrashedError, errors.OutOfMemoryError) as error:
        return Lost(f"its worker ended in each try: {_first_line(error)}")
    except errors.RayTaskError as error:  # outside of what `perform` guards
        return Fault(
            f"{_first_line(error.cause)}. Every node needs the same Python environment, with this "
            "package and your own modules."
        )
    except errors.RayError as error:
        return MachineError(f"Ray: {type(error).__name__}: {_first_line(error)}.")


def _first_line(error: BaseException) -> str:
    text = str(error).strip() or type(error).__name__
    return text.splitlines()[0].rstrip(".")
