"""Begin a project: a module, data, a search and a comparison that run."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from lightning_lossmeta.cli.shell import reported


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="lossmeta init",
        description="Write the files of a new project, which run as they are, to put your own "
        "module and data in.",
    )
    parser.add_argument("folder", help="a new or empty folder")
    folder = Path(parser.parse_args(argv).folder).expanduser()
    return reported("lossmeta init", lambda: _init(folder))


def _init(folder: Path) -> None:
    from lightning_lossmeta.cli.project_template import FILES

    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise FileExistsError(
            f"Expected a new or empty folder, got '{folder}', where something is already."
        )
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in FILES.items():
        (folder / name).write_text(text, encoding="utf-8")
    print(
        f"Wrote {', '.join(FILES)} to '{folder}'. Next:\n"
        f"  cd {shlex.quote(str(folder))}\n"
        "  lossmeta search --config search.yaml --run_dir runs/first"
    )
