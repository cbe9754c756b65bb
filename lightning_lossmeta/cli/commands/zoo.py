"""List the losses that are ready to use."""

from __future__ import annotations

import argparse

from lightning_lossmeta.cli.shell import console, printable, reported


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="lossmeta zoo",
        description="List the losses that lossmeta inspect and export know by name.",
    )
    parser.parse_args(argv)
    return reported("lossmeta zoo", _list)


def _list() -> None:
    from rich.table import Table
    from rich.text import Text

    from lightning_lossmeta.artifacts import ArtifactError, ready_names
    from lightning_lossmeta.artifacts.zoo import describe_ready
    from lightning_lossmeta.cli.tables import parameters

    table = Table(show_lines=True)
    table.add_column("name", no_wrap=True)
    table.add_column("loss")
    for name in ready_names():
        try:
            ready = describe_ready(name)
        except ArtifactError as error:
            table.add_row(Text(printable(name)), Text(printable(f"unreadable: {error}")))
            continue
        settings = parameters(ready) if ready.artifact is None else ""
        formula = ready.formula + (f"   ({settings})" if settings else "")
        about = " ".join(part for part in (ready.about, ready.source) if part)
        table.add_row(Text(name), Text(printable(f"{formula}\n{about}")))
    console().print(table)
