import os

import pytest
import torch

os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")


@pytest.fixture(autouse=True)
def _one_thread():
    """Tests run side by side; tiny networks gain nothing from more threads."""
    torch.set_num_threads(1)
