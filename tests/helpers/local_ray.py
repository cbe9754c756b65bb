"""A Ray of two workers on this machine, started once for all tests that want it."""

import os

import pytest

#: As Ray's own workers are, they would get nothing done beside other programs; no statistics.
SETTINGS = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}


@pytest.fixture(scope="session")
def local_ray():
    """The package, connected; evaluators find it there, and leave it as it is."""
    ray = pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    os.environ.update(SETTINGS)
    ray.init("local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()
