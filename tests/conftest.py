import os

import pytest
import torch

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(autouse=True, scope="session")
def _own_state(tmp_path_factory):
    """Tests leave nothing in the user's own folders."""
    os.environ["XDG_STATE_HOME"] = str(tmp_path_factory.mktemp("state"))


@pytest.fixture(autouse=True)
def _one_thread():
    """Tests run side by side; tiny networks gain nothing from more threads."""
    torch.set_num_threads(1)
