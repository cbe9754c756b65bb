"""Who starts Ray, and who ends it."""

import signal
import sys
import types

import pytest

from lightning_lossmeta.evaluators.cluster import ray_session
from lightning_lossmeta.evaluators.cluster.ray_session import STARTS, join, leave
from lightning_lossmeta.training import MachineError


class FakeRay(types.ModuleType):
    """Takes SIGTERM as Ray does, and can fail to start as it does on a busy machine."""

    def __init__(self, connected=False, failures=0):
        super().__init__("ray")
        self.connected, self.failures, self.calls = connected, failures, []

    def is_initialized(self):
        return self.connected

    def init(self, **options):
        self.calls.append(options["address"])
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        if self.failures:
            self.failures -= 1
            raise Exception("The current node timed out during startup.")  # as plain as Ray's
        self.connected = True

    def shutdown(self):
        self.connected = False
        self.calls.append("shutdown")


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(ray_session, "check_ray", lambda: None)
    monkeypatch.setattr(ray_session, "_users", set())
    monkeypatch.setattr(ray_session, "_ours", False)

    def make(**arguments):
        made = FakeRay(**arguments)
        monkeypatch.setitem(sys.modules, "ray", made)
        return made

    return make


def test_the_last_who_leaves_ends_what_was_started(fake):
    ray, one, other = fake(), object(), object()
    assert join(one, None, 2) is join(other, None, 4) is ray
    leave(one)
    leave(one)
    assert ray.connected
    leave(other)
    assert ray.calls == ["local", "shutdown"]
    join(one, "auto", None)
    assert ray.calls[2:] == ["auto"]


def test_what_the_user_started_goes_on(fake):
    ray, one = fake(connected=True), object()
    join(one, None, 1)
    leave(one)
    assert ray.calls == []


def test_sigterm_does_what_it_did(fake):
    fake()
    before = signal.getsignal(signal.SIGTERM)
    join(one := object(), None, 1)
    leave(one)
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_busy_machine_gets_another_try(fake):
    ray = fake(failures=STARTS - 1)
    join(object(), None, 1)
    assert ray.connected
    with pytest.raises(MachineError, match=r"Ray can't be started here: The current node timed"):
        fake(failures=STARTS) and join(object(), None, 1)


def test_a_cluster_that_is_not_there_is_said_at_once(fake):
    ray = fake(failures=1)
    with pytest.raises(MachineError, match="No Ray cluster answers at 'head:6379'"):
        join(object(), "head:6379", None)
    assert ray.calls == ["head:6379", "shutdown"]
