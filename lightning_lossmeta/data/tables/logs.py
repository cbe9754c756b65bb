"""Messages to the user about a table."""

from __future__ import annotations

import multiprocessing

from pytorch_lightning.utilities import rank_zero_info


def log_once(text: str) -> None:
    """Tell the user once, and not from every worker process that reads the same table."""
    if multiprocessing.parent_process() is None:
        rank_zero_info(text)
