"""Write one HTML page on a search or a comparison, to look at or to pass on."""

from __future__ import annotations

import argparse
from pathlib import Path

from lightning_lossmeta.cli.own_families import add_import_option, import_families
from lightning_lossmeta.cli.shell import console, printable, reported


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    parser = argparse.ArgumentParser(
        prog="lossmeta report",
        description="Write one HTML page on a run, from the files in its folder: whether the "
        "learned loss helped, what it does, every candidate. The page needs no network.",
        epilog="example: lossmeta report runs/quickstart",
    )
    parser.add_argument("run", type=Path, metavar="RUN", help="folder of a search or comparison")
    parser.add_argument(
        "--out", type=Path, metavar="FILE", help="where to (default: RUN/report.html)"
    )
    add_import_option(parser)
    options = parser.parse_args(argv)
    return reported("lossmeta report", lambda: _report(options.run, options.out, options.modules))


def _report(run: Path, out: Path | None, modules: list[str]) -> None:
    from lightning_lossmeta.report import write_report

    import_families(modules, [str(run / "best.json")])
    screen = console()
    with screen.status("reading the run and drawing its charts"):
        path = write_report(run, out)
    screen.print(printable(str(path)), soft_wrap=True, highlight=False, markup=False)
