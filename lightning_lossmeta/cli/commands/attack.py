"""Train with several losses and measure accuracy under attack."""

from __future__ import annotations

import shlex
from contextlib import closing
from functools import partial
from pathlib import Path

from lightning_lossmeta._names import safe_names
from lightning_lossmeta.artifacts import write_atomic
from lightning_lossmeta.cli.compare.attack_settings import (
    AttackSettings,
    attack_of,
    given_factors,
)
from lightning_lossmeta.cli.compare.request import Request, found_factors, parse, reported
from lightning_lossmeta.cli.shell import console
from lightning_lossmeta.comparison import (
    AttackConfig,
    AttackReport,
    RunStore,
    attack_losses,
    refuse_if_all_failed,
)
from lightning_lossmeta.comparison.progress import ComparisonProgress
from lightning_lossmeta.search.run_lock import run_lock
from lightning_lossmeta.task import Task
from lightning_lossmeta.training.faults import with_advice


def main(argv: list[str]) -> int:
    """Attack the networks of each loss of a configuration, and draw accuracy against epsilon."""
    return reported(lambda: _run(parse(argv, "attack", __doc__, AttackSettings)))


def _run(request: Request) -> None:
    directory = request.directory
    attack, given = attack_of(request.settings), given_factors(request.settings)
    for task, _ in request.tasks.values():
        for fitness in attack.fitnesses():
            fitness.prepare(task)  # errors before any training
    with run_lock(directory):
        write_atomic(directory / "config.yaml", request.text)
        try:
            with with_advice(lambda: _go_on(directory)), closing(request.evaluator):
                _attack(request, attack, given)
        except (KeyboardInterrupt, SystemExit) as stop:
            raise KeyboardInterrupt(
                f"Interrupted; what was trained is kept. {_go_on(directory)}"
            ) from stop


def _go_on(directory: Path) -> str:
    config = shlex.quote(str(directory / "config.yaml"))
    return f"Go on with: lossmeta attack --config {config} --run_dir {shlex.quote(str(directory))}"


def _attack(request: Request, attack: AttackConfig, given: dict[str, float]) -> None:
    request.evaluator.prepare(1, partial(print, flush=True))
    compared = found_factors(request.directory / "comparison.json")
    store = RunStore(request.directory / "trainings")
    files = safe_names(request.tasks)
    for name, (task, _) in request.tasks.items():
        known = {loss: factor for (own, loss), factor in compared.items() if own == name}
        with ComparisonProgress() as progress:
            losses = attack_losses(
                request.losses,
                task,
                request.evaluator,
                request.comparison,
                attack,
                {**known, **given},
                progress,
                store,
            )
        refuse_if_all_failed([loss.row(attack.attacks[0], 0.0) for loss in losses])
        report = AttackReport(losses, attack, request.baseline)
        stem = "attack" if len(request.tasks) == 1 else f"attack-{files[name]}"
        paths = _written(report, request.directory / stem, task, name)
        out = console(width=150)
        if len(request.tasks) > 1:
            out.print(name, style="bold", markup=False)
        for table in report.tables():
            out.print(table)
        out.print("\n".join(report.sentences()), highlight=False, markup=False)
        for path in paths:
            out.print(str(path), highlight=False, soft_wrap=True)


def _written(report: AttackReport, stem: Path, task: Task, name: str) -> list[Path]:
    """Write the table, the lines and, of more than one epsilon, the picture."""
    from lightning_lossmeta.analysis import save_figure
    from lightning_lossmeta.analysis.sweep_figure import sweep_figure

    paths = [stem.with_name(f"{stem.name}.{end}") for end in ("csv", "md")]
    for path, text in zip(paths, (report.csv(), report.markdown()), strict=True):
        write_atomic(path, text)
    attack = report.attack
    if len(attack.epsilons) > 1:
        curves = {attack.title(item): report.scores(item) for item in attack.attacks}
        classes = getattr(task.data, "num_classes", None)
        figure = sweep_figure(
            attack.epsilons,
            curves,
            "epsilon, of pixels in [0, 1]",
            "test accuracy",
            title="Under attack" if name == "task" else f"{name}, under attack",
            chance=1 / classes if classes else None,
        )
        paths.append(save_figure(figure, stem.with_name(f"{stem.name}.png")))
    return paths
