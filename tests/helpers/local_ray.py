"""A Ray of two workers on this machine, started once for all tests that want it."""

import os

import pytest

#: As Ray's own workers are, they would get nothing done beside other programs; no statistics; and
#: time to start on a busy machine.
SETTINGS = {
    "RAY_worker_niceness": "0",
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_raylet_start_wait_time_s": "300",
}


@pytest.fixture(scope="session")
def local_ray():
    """The package, connected; evaluators find it there, and leave it as it is."""
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    from lightning_lossmeta.evaluators.cluster.ray_session import join, leave

    os.environ.update(SETTINGS)
    yield join(user := object(), None, 2)
    leave(user)
