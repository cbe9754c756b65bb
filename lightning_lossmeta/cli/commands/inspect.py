"""Show what a loss is and does: formula, figures, pictures."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightning_lossmeta.cli.own_families import add_import_option, import_families
from lightning_lossmeta.cli.shell import class_count, console, default_classes, reported

if TYPE_CHECKING:
    from lightning_lossmeta.artifacts import ReadyLoss
    from lightning_lossmeta.losses import LossFunction

FIGURES = ("loss", "gamma", "attraction", "heatmap")
_FORMATS = (".png", ".svg", ".pdf")


def main(argv: list[str]) -> int:
    """Run the command.

    Args:
        argv: The arguments after the command's name.

    Returns:
        The exit status.
    """
    options = _parser().parse_args(argv)
    return reported("lossmeta inspect", lambda: _inspect(options))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="lossmeta inspect",
        description="Show what losses are and do: formula, parameters, key figures, a picture.",
        epilog="example: lossmeta inspect runs/digits/best.json cross_entropy baikal",
    )
    parser.add_argument(
        "losses",
        nargs="+",
        metavar="LOSS",
        help="a learned loss (JSON file), the name of a ready one (see lossmeta zoo), or the "
        "folder of a search for several objectives, whose front is listed and drawn",
    )
    parser.add_argument(
        "--classes",
        type=class_count,
        metavar="N",
        help="number of classes (default: what the first learned loss was made for, else 10)",
    )
    parser.add_argument(
        "--figure",
        action="append",
        choices=(*FIGURES, "all"),
        help="loss: against target and other classes, beside cross-entropy, for binary "
        "problems against the probability, for regression against the error (the default); "
        "gamma: which way the logits are pushed; attraction: pull to zero training error; "
        "heatmap: over prediction and label. Can be given several times.",
    )
    parser.add_argument(
        "--published",
        action="store_true",
        help="draw the attraction by the paper's equation 17 as printed, with its sign error",
    )
    add_import_option(parser)
    parser.add_argument(
        "--out",
        type=Path,
        metavar="PATH",
        help="picture (.png, .svg, .pdf) or folder (default: next to the learned loss)",
    )
    return parser


def _inspect(options: argparse.Namespace) -> None:
    from lightning_lossmeta.artifacts import find_loss
    from lightning_lossmeta.cli.tables import key_figures, provenance

    texts = list(dict.fromkeys(options.losses))
    if runs := _fronts(texts, options.out):
        texts = [text for text in texts if text not in runs]
        if not texts:
            return
    import_families(options.modules, texts)
    ready_losses = [find_loss(text) for text in texts]
    named = dict(zip(_labels(ready_losses), ready_losses, strict=True))
    chosen = list(dict.fromkeys(options.figure or ["loss"]))
    problem = _common_problem(named)
    figures = FIGURES if problem == "classification" else ("loss",)
    if "all" in chosen:
        chosen = list(figures)
    _check_figures(chosen, figures, problem)
    num_classes = options.classes or default_classes(ready_losses)
    out = console()
    out.print(provenance(named))
    losses = {name: ready.loss for name, ready in named.items()}
    for table in key_figures(losses, num_classes) if problem == "classification" else []:
        out.print(table)
    for kind, path in _paths(options.out, ready_losses, chosen).items():
        written = _DRAW[problem](kind, losses, num_classes, options.published, path)
        out.print(f"{kind} figure: {written}", soft_wrap=True, highlight=False, markup=False)


def _fronts(texts: list[str], out: Path | None) -> list[str]:
    """Show the fronts of those that are folders of runs, and return these."""
    from lightning_lossmeta.cli.fronts import has_front, show_front

    runs = [text for text in texts if has_front(text)]
    for text in runs:
        run = Path(text).expanduser()
        if out is None or out.suffix.lower() in _FORMATS:
            show_front(run, out)
        else:
            show_front(run, out / "front.png")
    return runs


def _common_problem(named: dict[str, ReadyLoss]) -> str:
    """The kind of problem that all the losses are for; an error if they are for several."""
    from lightning_lossmeta.artifacts.zoo import UnknownLossError

    (name, first), *others = named.items()
    for other, ready in others:
        if ready.loss.link.problem != first.loss.link.problem:
            raise UnknownLossError(
                f"'{name}' is for {first.loss.link.problem}, '{other}' for "
                f"{ready.loss.link.problem}: inspect one at a time."
            )
    return first.loss.link.problem


def _check_figures(chosen: list[str], figures: tuple[str, ...], problem: str) -> None:
    from lightning_lossmeta.artifacts.zoo import UnknownLossError

    if wrong := [kind for kind in chosen if kind not in figures]:
        raise UnknownLossError(
            f"of losses for {problem} there is the figure 'loss' alone, no '{wrong[0]}'."
        )


def _labels(ready_losses: list[ReadyLoss]) -> list[str]:
    """Names, or paths where two files have one name."""
    names = [ready.name for ready in ready_losses]
    return [
        str(ready.path) if names.count(ready.name) > 1 and ready.path else ready.name
        for ready in ready_losses
    ]


def _paths(out: Path | None, ready_losses: list[ReadyLoss], kinds: list[str]) -> dict[str, Path]:
    """Where each figure goes."""
    files = [ready.path for ready in ready_losses if ready.path is not None]
    stem = ready_losses[0].name + ("-and-others" if len(ready_losses) > 1 else "")
    folder = files[0].parent if files else Path()
    if out is not None and out.suffix.lower() in _FORMATS and not out.is_dir():
        if len(kinds) == 1:
            return {kinds[0]: out}
        return {kind: out.with_name(f"{out.stem}-{kind}{out.suffix}") for kind in kinds}
    if out is not None and out.suffix and not out.is_dir():
        raise OSError(f"expected --out to be a folder or to end in {', '.join(_FORMATS)}: '{out}'")
    return {kind: (out or folder) / f"{stem}-{kind}.png" for kind in kinds}


def _draw_regression(
    kind: str, losses: dict[str, LossFunction], num_classes: int, published: bool, path: Path
) -> Path:
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.regression_curves import regression_figure

    return save_figure(regression_figure(losses), path)


def _draw_binary(
    kind: str, losses: dict[str, LossFunction], num_classes: int, published: bool, path: Path
) -> Path:
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.binary_curves import binary_figure

    return save_figure(binary_figure(losses), path)


def _draw_classification(
    kind: str, losses: dict[str, LossFunction], num_classes: int, published: bool, path: Path
) -> Path:
    from lightning_lossmeta import analysis
    from lightning_lossmeta.losses import CrossEntropy

    beside = losses if "cross_entropy" in losses else {**losses, "cross_entropy": CrossEntropy()}
    form: Any = "published" if published else "exact"
    draw: dict[str, Callable[[], Any]] = {
        "loss": lambda: analysis.loss_figure(beside, num_classes),
        "gamma": lambda: analysis.gamma_figure(beside, num_classes),
        "attraction": lambda: analysis.attraction_figure(losses, num_classes, form),
        "heatmap": lambda: analysis.heatmap_figure(losses, num_classes),
    }
    return analysis.save_figure(draw[kind](), path)


_DRAW = {
    "classification": _draw_classification,
    "binary": _draw_binary,
    "regression": _draw_regression,
}
