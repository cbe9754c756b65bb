"""Write the help pages that ``cli/early.py`` shows, as the parsers print them."""

from __future__ import annotations

import contextlib
import io
import os
from collections.abc import Callable
from pathlib import Path

from lightning_lossmeta.cli.early import SLOW_COMMANDS, TRAINER_PAGE
from lightning_lossmeta.cli.registry import command_main, command_names

WIDTH = 80


def pages() -> dict[str, str]:
    """All pages by name, printed at :data:`WIDTH` columns."""
    made = {name: _printed(name, "--help") for name in SLOW_COMMANDS}
    return made | {TRAINER_PAGE: _printed("fit", "--help.trainer")}


def _printed(command: str, option: str) -> str:
    from lightning_lossmeta.cli.lightning import run

    def lightning() -> object:
        return run([command, option])

    def own() -> object:
        return command_main(command)([option])

    work: Callable[[], object] = own if command in command_names() else lightning
    before = os.environ.get("COLUMNS")
    os.environ["COLUMNS"] = str(WIDTH)
    try:
        with contextlib.redirect_stdout(io.StringIO()) as out, contextlib.suppress(SystemExit):
            work()
    finally:
        del os.environ["COLUMNS"]
        if before is not None:
            os.environ["COLUMNS"] = before
    return out.getvalue()


if __name__ == "__main__":
    folder = Path(__file__).with_name("pages")
    folder.mkdir(exist_ok=True)
    for name, text in pages().items():
        (folder / f"{name}.txt").write_text(text, encoding="utf-8")
