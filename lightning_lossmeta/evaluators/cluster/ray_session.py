"""The Ray that this process is connected to, for as long as somebody uses it."""

from __future__ import annotations

import importlib.util
import logging
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from lightning_lossmeta.training.faults import MachineError

#: How often Ray is tried to be started, which gives up after 30 seconds on a busy machine.
STARTS = 3

#: Those who use the connection, by ``id``; it was made here unless the user had one before.
_users: set[int] = set()
_ours = False


def check_ray() -> None:
    """Refuse to go on without Ray.

    Raises:
        ModuleNotFoundError: If it is not installed; says how to.
    """
    if importlib.util.find_spec("ray") is None:
        raise ModuleNotFoundError(
            "RayEvaluator needs 'ray': pip install 'lightning-lossmeta[ray]'.", name="ray"
        )


def join(user: object, address: str | None, cpus: float | None) -> Any:
    """Connect, if this process is not connected yet.

    Args:
        user: Uses the connection until it calls :func:`leave`.
        address: That of a cluster, as ``ray.init`` takes it; ``None`` starts Ray on this machine.
        cpus: CPUs that a Ray started here shall have.

    Returns:
        The package ``ray``.

    Raises:
        MachineError: If there is no cluster at the address.
    """
    global _ours
    check_ray()
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent anywhere
    import ray

    if not ray.is_initialized():
        _users.clear()
        options: dict[str, Any] = {"address": address}
        if address is None:
            # "local", since else a cluster that the environment names would be joined.
            options = {"address": "local", "num_cpus": cpus, "include_dashboard": False}
        for attempt in range(STARTS):
            try:
                with _own_signals():
                    ray.init(
                        **options,
                        log_to_driver=False,
                        logging_level=logging.ERROR,
                        configure_logging=False,
                    )
                break
            except Exception as error:  # on a busy machine a plain one, that it took too long
                ray.shutdown()
                if address is not None:
                    raise MachineError(
                        f"No Ray cluster answers at {address!r} ({error}). Start one with `ray "
                        "start --head`, or leave out `address` for this machine alone."
                    ) from error
                if attempt == STARTS - 1:
                    raise MachineError(f"Ray can't be started here: {error}.") from error
        _ours = True
    _users.add(id(user))
    return ray


def leave(user: object) -> None:
    """End the use of the connection; the last who leaves one that was made here ends it.

    A Ray that was started here ends with it; a cluster goes on.
    """
    global _ours
    if id(user) not in _users:
        return
    _users.discard(id(user))
    if _ours and not _users:
        import ray

        _ours = False
        with _own_signals():
            ray.shutdown()


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep what SIGTERM does in this program, which Ray would change."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
