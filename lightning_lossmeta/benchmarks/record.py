"""How a benchmark's figures are kept: with the command, the seed and the machine."""

from __future__ import annotations

import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

import torch

RESULTS = Path(__file__).with_name("results")


def machine_facts() -> dict[str, Any]:
    """Describe what measured times depend on: processor, cores, threads, system and versions."""
    facts: dict[str, Any] = {
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "torch": torch.__version__,
    }
    if torch.cuda.is_available():
        facts["gpu"] = torch.cuda.get_device_name()
    return facts


def save(name: str, figures: Any, folder: Path = RESULTS, **facts: Any) -> Path:
    """Write a benchmark's figures as JSON.

    Args:
        name: Name of the benchmark's module, and of the file.
        figures: What was measured.
        folder: The folder that the file goes to.
        **facts: What else fixes the measurement, e.g. its seed; written as they are.

    Returns:
        The path of the file.
    """
    command = " ".join([f"python -m lightning_lossmeta.benchmarks.{name}", *sys.argv[1:]])
    text = {"command": command, "machine": machine_facts(), **facts, "figures": figures}
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}.json"
    path.write_text(json.dumps(text, indent=1) + "\n")
    return path


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor()
