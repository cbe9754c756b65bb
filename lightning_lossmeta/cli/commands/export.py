"""Write a loss as Python, LaTeX, SymPy, JSON or ONNX."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from lightning_lossmeta.cli.own_families import add_import_option, import_families
from lightning_lossmeta.cli.shell import class_count, default_classes, reported

FORMATS = ("python", "latex", "sympy", "json", "onnx")


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(argv)
    return reported("lossmeta export", lambda: _export(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lossmeta export",
        description="Write a loss in another format, to be used without this package.",
        epilog="example: lossmeta export runs/digits/best.json --format python --out my_loss.py",
    )
    parser.add_argument(
        "loss",
        metavar="LOSS",
        help="a learned loss (JSON file), or the name of a ready one (see lossmeta zoo)",
    )
    parser.add_argument(
        "--format",
        required=True,
        choices=FORMATS,
        help="python: a file that needs only torch; latex: an equation; sympy: an expression; "
        "json: the learned loss itself; onnx: a graph of logits and target",
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="FILE",
        help="where to (default: the terminal; LOSS.onnx for onnx)",
    )
    add_import_option(parser)
    parser.add_argument(
        "--digits", type=int, metavar="N", help="round coefficients (latex and sympy)"
    )
    parser.add_argument(
        "--classes",
        type=class_count,
        metavar="N",
        help="of the example for onnx (default: what the loss was made for, else 10)",
    )
    return parser


def _export(options: argparse.Namespace) -> None:
    from lightning_lossmeta.artifacts import export_file, export_text, find_loss

    import_families(options.modules, [options.loss])
    ready = find_loss(options.loss)
    out = options.out
    if options.format == "onnx" and out is None:
        out = Path(f"{ready.name}.onnx")
    if out is None:
        sys.stdout.write(export_text(ready, options.format, options.digits))
        return
    classes = options.classes or default_classes([ready])
    note = export_file(ready, options.format, out, options.digits, classes)
    print(f"{out} {note}".strip())
