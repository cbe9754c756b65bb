"""The ``lossmeta`` command; imports only what the chosen subcommand needs."""

from __future__ import annotations

import difflib
import importlib
import sys

LIGHTNING = {
    "search": "learn a loss on a module and its data",
    "fit": "train a module, with a learned loss if you like",
    "validate": "score a checkpoint on validation data",
    "test": "score a checkpoint on test data",
    "predict": "run a checkpoint on new data",
}
LIGHT = {
    "compare": "train with several losses on equal terms and test which is better",
    "embed": "draw what networks trained with several losses have learned to see (t-SNE)",
    "curves": "how searches went: fitness by generation, what filters saved, times",
    "inspect": "what a loss is and does: formula, figures, pictures",
    "export": "write a loss as Python, LaTeX, SymPy, JSON or ONNX",
    "zoo": "list the losses that are ready to use",
}


def main(argv: list[str] | None = None) -> int:
    """Run a subcommand.

    Args:
        argv: Arguments without the program's name; those of the process by default.

    Returns:
        The exit status.
    """
    arguments = sys.argv[1:] if argv is None else argv
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return 0
    command, *rest = arguments
    if command == "--version":
        from importlib.metadata import version

        print(version("lightning-lossmeta"))
        return 0
    if command in LIGHT:
        module = importlib.import_module(f"lightning_lossmeta.cli.commands.{command}")
        return int(module.main(rest))
    if command in LIGHTNING:
        from lightning_lossmeta.cli.lightning import run

        return run(arguments)
    near = difflib.get_close_matches(command, [*LIGHTNING, *LIGHT], n=1)
    hint = f" Did you mean '{near[0]}'?" if near else ""
    print(f"lossmeta: there is no command '{command}'.{hint} See lossmeta --help.", file=sys.stderr)
    return 2


def _help() -> str:
    rows = [f"  {name:<10}{text}" for name, text in {**LIGHTNING, **LIGHT}.items()]
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
