"""Families of the user's own, which files of learned losses name but never import."""

from __future__ import annotations

import argparse
import contextlib
import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def add_import_option(parser: argparse.ArgumentParser) -> None:
    """Add ``--import``, which names a module with families of one's own."""
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        dest="modules",
        metavar="MODULE",
        help="a module of yours, e.g. my_project, with the family that the loss is of; a loss in "
        "the folder of a search that you ran here needs none. Can be given several times.",
    )


def import_families(modules: Sequence[str], losses: Sequence[str]) -> None:
    """Import what the user names, and what the user's own searches were configured with.

    Args:
        modules: Names of modules.
        losses: Paths of learned losses, or names. Beside a path, a ``config.yaml`` with the seal of
            this machine says which family it is.

    Raises:
        UnknownLossError: If there is no such module.
    """
    from lightning_lossmeta.artifacts.zoo import UnknownLossError
    from lightning_lossmeta.cli.class_paths import add_current_folder

    add_current_folder()
    try:
        for name in modules:
            importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise UnknownLossError(
            f"there is no module '{error.name}' to import, neither installed nor in this folder."
        ) from error
    for loss in losses:
        import_configured_family(Path(loss).expanduser().parent)


def import_configured_family(run: Path) -> None:
    """Import the family that a run of this machine, unchanged since, was configured with.

    Args:
        run: The run's folder; nothing happens if it is none.
    """
    config = run / "config.yaml"
    if not config.is_file():
        return
    from lightning_lossmeta.cli.trust import is_sealed
    from lightning_lossmeta.cli.yaml_files import read_yaml

    if not is_sealed(config):
        return
    content: Any = read_yaml(config)
    family = content.get("family") if isinstance(content, dict) else None
    path = family.get("class_path", "") if isinstance(family, dict) else ""
    with contextlib.suppress(ImportError):  # then the message about the family says what to do
        importlib.import_module(path.rpartition(".")[0] or "lightning_lossmeta")
