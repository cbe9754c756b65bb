import os

import pytest
import torch

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")

#: Fixtures of the attacks, and Ray; a second conftest.py would have this one's name.
pytest_plugins = ["attacks.fixtures", "local_ray"]


def pytest_addoption(parser):
    group = parser.getgroup("attacks", "what `pytest -m attack` does (docs/reliability.md)")
    group.addoption("--seed", type=int, default=0, help="what all draws derive from")
    group.addoption("--attack-count", type=int, help="how many instead of the test's own number")


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory):
    """Tests leave nothing in the user's own folders."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def _one_thread():
    """Tests run side by side; tiny networks gain nothing from more threads."""
    torch.set_num_threads(1)
