"""The ``lossmeta`` command; imports only what the chosen subcommand needs."""

from __future__ import annotations

import difflib
import sys

from lightning_lossmeta.cli.early import early_complaint, early_help
from lightning_lossmeta.cli.endings import WRONG_INPUT, interrupted
from lightning_lossmeta.cli.registry import command_help, command_main, command_names
from lightning_lossmeta.cli.streams import steady_streams

WRITE_ERROR = 1
LIGHTNING = {
    "search": "Learn a loss on a module and its data",
    "fit": "Train a module, with a learned loss if you like",
    "validate": "Score a checkpoint on validation data",
    "test": "Score a checkpoint on test data",
    "predict": "Run a checkpoint on new data",
}


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    with steady_streams() as out:
        status = _run(sys.argv[1:] if argv is None else argv)
    if out.error is not None and not isinstance(out.error, BrokenPipeError):
        print(f"lossmeta: standard output is cut: {out.error.strerror}.", file=sys.stderr)
        return status or WRITE_ERROR
    return status


def _run(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    command, *rest = arguments
    if command == "--version":
        from importlib.metadata import version

        print(version("lightning-lossmeta"))
        return 0
    try:
        if (page := early_help(command, rest)) is not None:
            print(page, end="")
            return 0
        if (complaint := early_complaint(command, rest)) is not None:
            print(f"lossmeta: {complaint}", file=sys.stderr)
            return WRONG_INPUT
        if command in command_names():
            return command_main(command)(rest)
        if command in LIGHTNING:
            from lightning_lossmeta.cli.lightning import run

            return run(arguments)
    except KeyboardInterrupt as stop:  # while it is imported
        return interrupted(stop)
    near = difflib.get_close_matches(command, [*LIGHTNING, *command_names()], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    print(f"lossmeta: there is no command '{command}'.{hint} See lossmeta --help.", file=sys.stderr)
    return WRONG_INPUT


def _help() -> str:
    texts = LIGHTNING | {name: command_help(name) for name in command_names()}
    width = max(map(len, texts)) + 2
    rows = [f"  {name:<{width}}{text}" for name, text in texts.items()]
    return "\n".join(
        [
            "usage: lossmeta COMMAND [options]",
            "",
            "Learn the loss function of your own Lightning module on your own data.",
            "",
            *rows,
            "",
            "lossmeta COMMAND --help tells the options of each. A first run:",
            "  lossmeta search --config configs/search/quickstart.yaml",
        ]
    )


if __name__ == "__main__":
    sys.exit(main())
