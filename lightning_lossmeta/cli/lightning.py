"""LightningCLI with a ``search`` subcommand."""

from __future__ import annotations

import shlex
import sys
import warnings
from contextlib import nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Literal

import pytorch_lightning as pl
from pytorch_lightning.cli import LightningArgumentParser, LightningCLI
from rich.console import Console

import lightning_lossmeta
from lightning_lossmeta.artifacts import load_loss
from lightning_lossmeta.cli.arguments import (
    config_files,
    with_default_classes,
    with_found_paths,
)
from lightning_lossmeta.cli.class_paths import add_current_folder
from lightning_lossmeta.cli.configuration import (
    ConfiguredModule,
    HintingParser,
    as_dict,
    complaint,
    make_data,
    patched,
)
from lightning_lossmeta.cli.endings import WRONG_INPUT, interrupted, prepare_process
from lightning_lossmeta.cli.help_pages import TrainerHelp
from lightning_lossmeta.cli.own_families import import_configured_family
from lightning_lossmeta.cli.run_files import SaveSearchConfig, save_fit_config
from lightning_lossmeta.cli.trust import confirm
from lightning_lossmeta.comparison import ComparisonError
from lightning_lossmeta.report import check_charts, write_report
from lightning_lossmeta.search import MetaLossTrainer, SearchError, SearchResult
from lightning_lossmeta.search.run_folder import new_directory
from lightning_lossmeta.task import Objective, Session, Task
from lightning_lossmeta.training import MachineError
from lightning_lossmeta.training.faults import with_advice
from lightning_lossmeta.training.session import quiet_lightning

#: What of a session is the trainer's, or can't be asked for in a search.
_NOT_OPTIONS: set[str | int] = {
    "precision",
    "accelerator",
    "devices",
    "gradient_clip_val",
    "gradient_clip_algorithm",
    "callbacks",
    "split",
}

#: What of a search's arguments is about a run that is kept, which a dry run is not.
_OF_A_RUN = ("run_dir", "resume", "max_time")

#: Errors whose text is for the user as it is.
_CLEAR = (SearchError, ComparisonError, MachineError)


class LossmetaCLI(LightningCLI):
    """``fit``, ``validate``, ``test``, ``predict`` as in Lightning, and ``search``."""

    search_result: SearchResult
    main_data: pl.LightningDataModule

    @staticmethod
    def subcommands() -> dict[str, set[str]]:
        """Lightning's subcommands, and the search."""
        made_here = {"model", "datamodule", "task_name", "session"}
        return {**LightningCLI.subcommands(), "search": made_here}

    def _prepare_subcommand_parser(
        self, klass: type, subcommand: str, **kwargs: Any
    ) -> LightningArgumentParser:
        """Lightning's parser, with the tasks and the session of a search."""
        parser = super()._prepare_subcommand_parser(klass, subcommand, **kwargs)
        if subcommand == "search":
            parser.epilog = "--resume RUN --trust goes on with a run that somebody else has made."
            parser.add_class_arguments(Session, "session", skip=_NOT_OPTIONS)
            # As plain values, which can be written to config.yaml.
            parser.set_defaults({"session.objectives": [asdict(Objective())]})
            parser.add_argument(
                "--monitor",
                type=str | None,
                default=None,
                help="The metric, logged by `validation_step`, that is the fitness: short for "
                "`session.objectives` of one.",
            )
            parser.add_argument(
                "--mode",
                type=Literal["max", "min"],
                default="max",
                help="Whether more or less of `monitor` is better.",
            )
            parser.add_argument(
                "--dry_run",
                action="store_true",
                help="Do one step of every stage, say what time and memory the search will take, "
                "and write nothing.",
            )
            parser.add_argument(
                "--report",
                action="store_true",
                help="Write RUN/report.html at the end, a page to look at (lossmeta report).",
            )
            parser.add_argument(
                "--tasks",
                type=dict[str, dict[str, Any]],
                default={},
                help="By name what each task changes of `model` and `data`, by dotted keys; a "
                "candidate's fitness is the mean over all, the first is the main one. Without, "
                "there is one task.",
            )
        else:
            parser.set_defaults({"weights_only": True})  # also of a checkpoint at an address
        parser.add_argument(
            "--help.trainer", action=TrainerHelp, help="Show the options of the Trainer and exit"
        )
        return parser

    def _parse_ckpt_path(self) -> None:
        """Take weights alone from a checkpoint: its hyper-parameters may name classes to call."""

    def _set_seed(self) -> None:
        try:
            super()._set_seed()
        except ValueError as error:  # Lightning's own words, which name no argument
            raise ValueError(f"Expected argument `seed_everything` to be a seed: {error}") from None

    def instantiate_trainer(self, **arguments: Any) -> pl.Trainer:
        """Make the trainer; a search makes many, and lets none of them advertise."""
        with quiet_lightning() if self.subcommand == "search" else nullcontext():
            return super().instantiate_trainer(**arguments)

    def before_search(self) -> None:
        """Choose the run's folder and have the resolved configuration written there."""
        if self.config["search"].dry_run:
            return
        config = self.config["search"]
        chosen = self.config_init["search"]
        if config.report:
            check_charts()  # before hours of training
        if chosen.run_dir is None and chosen.resume is None:
            name = Path(str(config.config[0])).stem if config.config else "search"
            chosen.run_dir = str(new_directory(name))
        resolved = config.clone()
        resolved.run_dir = None
        resolved.resume = None
        del resolved["dry_run"], resolved["report"]
        text = self._parser("search").dump(resolved, skip_none=False)
        self.trainer.callbacks.append(SaveSearchConfig(text))  # type: ignore[attr-defined]

    def search(self, **arguments: Any) -> None:
        """Run the search on modules that are made anew for each set of weights."""
        main, *more = self._tasks()
        arguments |= {"model": main.module, "datamodule": main.data, "task_name": main.name}
        session = arguments["session"] = self._session()
        more = [replace(task, session=session) for task in more]
        arguments["more_tasks"] = [*more, *(arguments["more_tasks"] or [])]
        self.main_data = main.data
        trainer: MetaLossTrainer = self.trainer  # type: ignore[assignment]
        if self.config["search"].dry_run:
            arguments = {k: v for k, v in arguments.items() if k not in _OF_A_RUN}
            print(
                f"every stage works; nothing was written\n{trainer.dry_run(**arguments, say=print)}"
            )
            return
        self.search_result = trainer.search(**arguments)

    def _session(self) -> Session:
        """The session that was asked for, with ``monitor`` and ``mode`` as its objective.

        Raises:
            ValueError: If both these and the session's own objectives were given.
        """
        config = self.config_init["search"]
        session: Session = config.session
        if config.monitor is None:
            return session
        if session.objectives != Session().objectives:
            raise ValueError("Expected `monitor` or `session.objectives`, got both.")
        return replace(session, objectives=(Objective(config.monitor, config.mode),))

    def _tasks(self) -> list[Task]:
        """The tasks that were asked for; those that leave the data as they are share them."""
        tasks = []
        attribute = self.config["search"].loss_attribute
        for name, config in self._task_configs().items():
            same = config["data"] == as_dict(self.config["search"].data)
            data = self.datamodule if same else make_data(config["data"])
            module = ConfiguredModule(config["model"])
            tasks.append(Task(module, data, name=name, loss_attribute=attribute))
        return tasks

    def _task_configs(self) -> dict[str, dict[str, Any]]:
        """The ``model`` and ``data`` of each task, by its name."""
        config = self.config["search"]
        base = {"model": as_dict(config.model), "data": as_dict(config.data)}
        changes = as_dict(config)["tasks"] or {"task0": {}}
        return {name: patched(base, change) for name, change in changes.items()}

    def after_search(self) -> None:
        """Say what was found and what to type next."""
        if self.config["search"].dry_run:
            return
        result = self.search_result
        main = next(iter(self._task_configs().values()))
        again = f"Go on with: lossmeta search --resume {shlex.quote(str(result.directory))}"
        with with_advice(lambda: again):
            save_fit_config(result, self.config["search"], main)
        best, board, fit = (
            shlex.quote(str(result.directory / name))
            for name in ("best.json", "tensorboard", "fit.yaml")
        )
        console = Console(soft_wrap=True, highlight=False)
        scores = result.artifact.provenance["objectives"].items()
        score = ", ".join(f"{monitor} {value:.4f}" for monitor, value in scores)
        if (count := len(result.artifact.provenance["tasks"])) > 1:
            score = f"mean over {count} tasks: {score}"
        console.print(
            f"\nLearned loss ({_generation(result)}{score}, "
            f"{result.seconds:.0f} s):\n"
            f"  {result.artifact.formula()}\n{_chosen(result)}\nNext:\n"
            f"  lossmeta inspect {best}\n"
            f"  tensorboard --logdir {board}  # past 40 runs, filter them: {_runs(result)}\n"
            f"  lossmeta fit --config {fit}"
        )
        if self.config["search"].report:
            path = write_report(result.directory)
            console.print(f"  {shlex.quote(str(path))}  (the report)")


def _generation(result: SearchResult) -> str:
    """The generation that found the loss, counted from 1 as in the log; empty if none did."""
    number = result.artifact.provenance["generation"]
    return "" if number is None else f"generation {number + 1}, "


def _chosen(result: SearchResult) -> str:
    """How the loss did beside the usual ones on fresh seeds, and what ``best.json`` then holds."""
    said = result.artifact.provenance.get("against", {}).get("said", "")
    if result.choice is not None and result.choice.keep_baseline:
        kept = load_loss(result.directory / "best.json").artifact
        holds = kept.provenance.get("not_learned", "the learned loss, since it can't hold yours")
        said += f" best.json holds {holds}; the learned loss is learned.json."
    return f"\n{said}\n" if said else ""


def _runs(result: SearchResult) -> str:
    """What to type as TensorBoard's filter of runs: where there are many, it shows none itself."""
    number = result.artifact.provenance["generation"]
    return "search" if number is None else f"'search|gen{number:03d}'"


def _with_stored_config(arguments: list[str], trusted: bool) -> list[str]:
    """``--resume RUN`` alone takes the configuration of that run, if it is to be trusted."""
    if arguments[0] != "search" or any(a.split("=")[0] in ("--config", "-c") for a in arguments):
        return arguments
    for position, argument in enumerate(arguments):
        name, _, value = argument.partition("=")
        if name == "--resume":
            folder = value or (arguments[position + 1] if position + 1 < len(arguments) else "")
            stored = Path(folder).expanduser() / "config.yaml"
            if not stored.is_file():
                raise FileNotFoundError(
                    f"Expected the folder of a run after --resume, with its config.yaml, got "
                    f"'{folder}'."
                )
            confirm(stored, trusted)
            return [arguments[0], "--config", str(stored), *arguments[1:]]
    return arguments


def run(arguments: list[str]) -> int:
    """Run a Lightning subcommand, printing what a user got wrong without a traceback."""
    warnings.filterwarnings("ignore", message="LightningCLI's args parameter")
    prepare_process()
    try:
        add_current_folder()
        if arguments[0] == "search":
            trusted = "--trust" in arguments
            arguments = [item for item in arguments if item != "--trust"]
            arguments = _with_stored_config(arguments, trusted)
            arguments = with_default_classes(arguments)
        else:
            for file in config_files(arguments):
                import_configured_family(file.parent)
            arguments = with_found_paths(arguments)
        LossmetaCLI(
            trainer_class=MetaLossTrainer,
            parser_class=HintingParser,
            seed_everything_default=0,
            auto_configure_optimizers=False,
            save_config_kwargs={"overwrite": True},
            args=arguments,
            parser_kwargs={"description": lightning_lossmeta.__doc__},
        )
    except KeyboardInterrupt as stop:
        return interrupted(stop)
    except _CLEAR as error:
        print(f"lossmeta: {error}", file=sys.stderr)
        return WRONG_INPUT
    except (ValueError, TypeError, OSError) as error:
        message = complaint(error)
        if message is None:
            raise
        print(f"lossmeta: {message}", file=sys.stderr)
        return WRONG_INPUT
    return 0
