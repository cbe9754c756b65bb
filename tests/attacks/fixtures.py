from functools import cache

import pytest
from attack_runs import begin
from forked import ForkServer


@pytest.fixture
def seed(request):
    """What all draws of an attack derive from."""
    return request.config.getoption("--seed")


@pytest.fixture
def count(request):
    """How many files, kills or rounds: of a large attack as the command line says."""
    asked = request.config.getoption("--attack-count")
    large = request.node.get_closest_marker("attack")
    return asked if large and asked is not None else request.param


@pytest.fixture(scope="session")
def forks():
    """Starts `lossmeta` commands; imports the package once."""
    server = ForkServer()
    yield server
    server.close()


@pytest.fixture(scope="session")
def undisturbed(forks, tmp_path_factory):
    """Gives the folder of a whole run of a case, which is made once."""
    folder = tmp_path_factory.mktemp("undisturbed")

    @cache
    def make(case):
        command = forks.run(begin(case, folder / case), folder / f"{case}.log")
        assert command.status == 0, command.text()[-2000:]
        return folder / case

    return make


@pytest.fixture
def report(request):
    """Keeps lines of an attack for the end of the test run."""
    lines = request.config.stash.setdefault(_REPORTS, [])
    name = request.node.name
    return lambda text: lines.append(f"{name}: {text}")


_REPORTS = pytest.StashKey[list[str]]()


def pytest_terminal_summary(terminalreporter, config):
    """Say what large attacks have counted."""
    if lines := config.stash.get(_REPORTS, []):
        terminalreporter.section("attacks")
        for line in lines:
            terminalreporter.write_line(line)
