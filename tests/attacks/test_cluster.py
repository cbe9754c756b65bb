"""A Ray cluster that loses workers, a node and its driver: a search ends as if nothing had been."""

import collections
import contextlib
import os
import random
import signal
import time
from pathlib import Path

import pytest
from attack_runs import SMALL_SEARCH, differences, generations_done
from local_ray import SETTINGS
from waiting import wait_for

pytestmark = [pytest.mark.attack, pytest.mark.timeout(0)]
HISTORY = (
    "[!s]*.[cj]s*"  # history, best and learned loss, results: all tables and JSON but state.json
)


class Nodes:
    """A simulated cluster: a head without CPUs, and nodes with one each."""

    def __init__(self, count):
        from ray.cluster_utils import Cluster

        os.environ.update(SETTINGS)
        self.cluster = Cluster()
        self.add(0)
        self.nodes = [self.add() for _ in range(count)]

    def add(self, cpus=1):
        for _ in range(5):
            # Ray gives up after 30 seconds, which a busy machine needs.
            with contextlib.suppress(Exception):
                return self.cluster.add_node(num_cpus=cpus, include_dashboard=False)
        raise AssertionError("no node could be started")

    def remove(self):
        """Have the last node be gone from one moment to the next."""
        self.cluster.remove_node(self.nodes.pop(), allow_graceful=False)

    def busy(self):
        """Processes that do a task at this moment."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                working = (entry / "cmdline").read_bytes().startswith(b"ray::lossmeta")
                if working and _under(int(entry.name), os.getpid()):
                    found.append(int(entry.name))
        return found


def _under(pid, ancestor):
    while pid > 1:
        if pid == ancestor:
            return True
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return False


@pytest.fixture
def nodes():
    pytest.importorskip("ray", reason="Ray is not installed: pip install ray")
    made = Nodes(2)
    yield made
    made.cluster.shutdown()


def _begin(run, *evaluator):
    return [*SMALL_SEARCH, *evaluator, "--run_dir", str(run)]


def _on_ray(nodes, run):
    path = "lightning_lossmeta.RayEvaluator"
    more = ["--evaluator.address", nodes.cluster.address, "--evaluator.retries", "1000"]
    return _begin(run, "--evaluator", path, *more)


@pytest.fixture
def alone(forks, tmp_path):
    """The folder of the same search in one process."""
    run, log = tmp_path / "alone", tmp_path / "alone.log"
    path = "lightning_lossmeta.TrainerEvaluator"
    assert forks.run(_begin(run, "--evaluator", path), log).status == 0, log.read_text()
    return run


@pytest.mark.parametrize("count", [50], indirect=True)
def test_deaths_of_ray_workers_change_nothing(forks, nodes, alone, tmp_path, count, seed, report):
    rng, counts = random.Random(seed), collections.Counter()
    run, log = tmp_path / "run", tmp_path / "log"
    command = forks.start(_on_ray(nodes, run), log)
    while command.status is None and counts["deaths"] < count:
        command.wait_until(nodes.busy)
        time.sleep(rng.uniform(0, 0.3))
        if pids := nodes.busy():
            with contextlib.suppress(ProcessLookupError):
                os.kill(rng.choice(pids), signal.SIGKILL)
                counts["deaths"] += 1
        print(dict(counts), generations_done(run), flush=True)
    assert command.wait() == 0, command.text()[-2000:]
    wrong = differences(alone, run, HISTORY, curves=False)
    report(f"seed {seed}: {dict(counts)}, {len(wrong)} differences")
    assert not wrong


@pytest.mark.parametrize("count", [1], indirect=True)
def test_a_node_that_is_gone_costs_time_alone(forks, nodes, alone, tmp_path, count, report):
    for number in range(count):
        run, log = tmp_path / f"run{number}", tmp_path / f"log{number}"
        command = forks.start(_on_ray(nodes, run), log)
        command.wait_until(lambda: generations_done(run) >= 1 and len(nodes.busy()) == 2)  # noqa: B023
        assert command.status is None, command.text()[-2000:]
        nodes.remove()
        nodes.nodes.append(nodes.add())
        assert command.wait() == 0, command.text()[-2000:]
        assert differences(alone, run, HISTORY, curves=False) == []
    report(f"{count} nodes removed, no difference")


@pytest.mark.parametrize("count", [2], indirect=True)
def test_a_killed_driver_goes_on(forks, nodes, alone, tmp_path, count, report):
    for number in range(count):
        run, log = tmp_path / f"run{number}", tmp_path / f"log{number}"
        command = forks.start(_on_ray(nodes, run), log)
        command.wait_until(lambda: generations_done(run) >= 1 + number and nodes.busy())  # noqa: B023
        assert command.status is None, command.text()[-2000:]
        command.kill()
        wait_for(lambda: not nodes.busy(), 600)
        assert forks.run(["search", "--resume", str(run)], log).status == 0, log.read_text()[-2000:]
        assert differences(alone, run, HISTORY, curves=False) == []
    report(f"{count} drivers killed, no difference")
