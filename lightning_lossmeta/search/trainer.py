"""The trainer of searches, which checks what a search is asked for and begins it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytorch_lightning as pl

from lightning_lossmeta._seeds import Purpose, derived_seed
from lightning_lossmeta._validation import check_at_least
from lightning_lossmeta.callbacks import (
    CandidateCurves,
    MetaCallback,
    Search,
    SearchCheckpoint,
    SearchFront,
    SearchHistory,
    SearchProgress,
    TimeBudget,
)
from lightning_lossmeta.callbacks.search_state import read_state
from lightning_lossmeta.comparison import ComparisonConfig
from lightning_lossmeta.evaluators import AutoEvaluator, Evaluator
from lightning_lossmeta.evaluators.base import SayFn, say_nothing
from lightning_lossmeta.families import LossFamily, TaylorFamily
from lightning_lossmeta.local_search import Refiner
from lightning_lossmeta.search.agreement import (
    named_tasks,
    refuse_uneven,
    refuse_unrefined,
    refuse_unsupported,
)
from lightning_lossmeta.search.allocation import Allocation, FixedSeeds
from lightning_lossmeta.search.estimate import Estimate, estimate
from lightning_lossmeta.search.fingerprint import search_fingerprint
from lightning_lossmeta.search.generation import Engines
from lightning_lossmeta.search.loop import SearchResult, run_search
from lightning_lossmeta.search.preflight import check_task
from lightning_lossmeta.search.rehearsal import rehearse
from lightning_lossmeta.search.run_folder import make_directory, new_directory, restore
from lightning_lossmeta.search.run_lock import run_lock
from lightning_lossmeta.search.selection import Finalists
from lightning_lossmeta.search.stages import later_stages
from lightning_lossmeta.search.unused_options import refuse_unused_options
from lightning_lossmeta.searchers import CMAESSearcher, Searcher
from lightning_lossmeta.task import Session, Task
from lightning_lossmeta.training.lazy import sized

ModuleOrFactory = pl.LightningModule | Callable[[], pl.LightningModule]


class MetaLossTrainer(pl.Trainer):
    """A Lightning ``Trainer`` with a further method, :meth:`search`, that learns a loss.

    Takes the arguments of ``Trainer``; accelerator, devices, precision and gradient clipping are
    handed to the inner fits, and callbacks that are a ``MetaCallback`` take part in the search.
    """

    def search(
        self,
        model: ModuleOrFactory,
        datamodule: pl.LightningDataModule,
        session: Session | None = None,
        family: LossFamily | None = None,
        searcher: Searcher | None = None,
        refiner: Refiner | None = None,
        evaluator: Evaluator | None = None,
        allocation: Allocation | None = None,
        generations: int = 10,
        finalists: Finalists | None = None,
        comparison: ComparisonConfig | None = None,
        run_dir: str | None = None,
        resume: str | None = None,
        seed: int | None = None,
        more_tasks: list[Task] | None = None,
        task_name: str = "task0",
        loss_attribute: str = "loss_fn",
        max_time: str | None = None,
    ) -> SearchResult:
        """Search for a loss: many short fits, each with another loss, scored on validation data.

        Args:
            model: A LightningModule with its loss in an attribute, or a function that makes one.
            datamodule: Training and validation data; test data for the final comparison.
            session: How inner fits train and what they are scored by; 200 steps for
                ``val_accuracy`` by default. Precision, devices and gradient clipping are this
                trainer's.
            family: What is learned; TaylorGLO's 8 parameters by default.
            searcher: Proposes candidates; CMA-ES by default.
            refiner: Improves candidates before they are trained; by default they stay as they are.
            evaluator: Trains them; by default the fastest for this task, measured.
            allocation: Which trainings a generation is spent on; one a candidate and task by
                default.
            generations: How often the searcher is asked.
            finalists: How the learned loss is chosen among the best on fresh seeds; by default it
                is the candidate with the best fitness.
            comparison: How the learned loss is compared with others at the end; none by default.
            run_dir: The run's new folder; ``runs/FAMILY-TIME-RANDOM`` by default.
            resume: The folder of a run to go on with.
            seed: What all random numbers derive from; by default that of ``seed_everything``, or 0.
            more_tasks: Further tasks with sessions of their own, scored by as many objectives; a
                candidate's objectives are the means over all.
            task_name: Name of the main task, that of ``model`` and ``datamodule``.
            loss_attribute: The name under which the module has its loss, e.g. ``criterion``.
            max_time: Time for the generations, DD:HH:MM:SS; anew on resuming.

        Returns:
            The best loss, where the run is, and the comparison. If no candidate could be trained,
            the best baseline of the family, with a warning, and ``not_learned`` in its file.

        Raises:
            ValueError: If an argument is out of its range or does not fit the others.
            FileExistsError: If the run's folder exists.
            RunLockedError: If another process works in it.
            SearchError: If every candidate of a generation failed, none has a finite value of one
                of several objectives, or neither a candidate nor a baseline could be trained.
            MachineError: If data, a disk or a worker are gone; says how to go on from there.
            KeyboardInterrupt: On Ctrl-C, after the state was saved.

        Examples:
            A search of a second for a loss of a small network on scikit-learn's digits::

                from lightning_lossmeta import MLP, DigitsDataModule, SupervisedModule

                result = MetaLossTrainer(accelerator="cpu").search(
                    SupervisedModule(MLP(64, [64], 10)),
                    DigitsDataModule(),
                    session=Session(steps=50),
                    family=TaylorFamily(start="mse"),
                    searcher=CMAESSearcher(population=8),
                    generations=3,
                )
                print(result.artifact.formula())
        """
        family = TaylorFamily() if family is None else family
        search, engines = self._begun(
            Path(resume or run_dir or new_directory(family.name)).expanduser(),
            family,
            searcher,
            _main_task(model, datamodule, session, task_name, loss_attribute),
            more_tasks or [],
            _engines(evaluator, allocation, refiner, self._meta_callbacks(max_time)),
            generations,
            seed,
        )
        search.later_sessions = sum(
            stage.sessions for stage in later_stages(search, finalists, comparison)
        )
        if resume is not None:
            read_state(search.directory)  # before the lock makes a folder
        else:
            rehearse(search, comparison)
        with run_lock(search.directory):
            if resume is not None:
                restore(search, engines.evaluator)
            else:
                make_directory(search.directory)
            return run_search(search, engines, finalists, comparison)

    def dry_run(
        self,
        model: ModuleOrFactory,
        datamodule: pl.LightningDataModule,
        session: Session | None = None,
        family: LossFamily | None = None,
        searcher: Searcher | None = None,
        refiner: Refiner | None = None,
        evaluator: Evaluator | None = None,
        allocation: Allocation | None = None,
        generations: int = 10,
        finalists: Finalists | None = None,
        comparison: ComparisonConfig | None = None,
        seed: int | None = None,
        more_tasks: list[Task] | None = None,
        task_name: str = "task0",
        loss_attribute: str = "loss_fn",
        say: SayFn = say_nothing,
    ) -> Estimate:
        """Try every stage of a search, foresee its time and memory, and write nothing.

        Args:
            model: As in :meth:`search`, and so are the others.
            datamodule: Training, validation and test data.
            session: How inner fits train.
            family: What is learned.
            searcher: Is asked for one generation, whose candidates are trained for one step.
            refiner: Improves one candidate.
            evaluator: Trains them; by default the fastest, measured.
            allocation: Which trainings a generation is spent on.
            generations: How often the searcher would be asked.
            finalists: How the learned loss would be chosen.
            comparison: How it would be compared.
            seed: What all random numbers derive from.
            more_tasks: Further tasks.
            task_name: Name of the main task.
            loss_attribute: The name under which the module has its loss.
            say: Takes lines on what is measured.

        Returns:
            What each stage will take; ``print`` shows it as a table.

        Raises:
            Exception: Whatever the search would fail with.
        """
        search, engines = self._begun(
            Path(),
            TaylorFamily() if family is None else family,
            searcher,
            _main_task(model, datamodule, session, task_name, loss_attribute),
            more_tasks or [],
            _engines(evaluator, allocation, refiner, self._meta_callbacks()),
            generations,
            seed,
        )
        rehearse(search, comparison)
        stages = later_stages(search, finalists, comparison)
        try:
            return estimate(search, engines, stages, say)
        finally:
            engines.evaluator.close()

    def _begun(
        self,
        directory: Path,
        family: LossFamily,
        searcher: Searcher | None,
        main: Task,
        more_tasks: list[Task],
        engines: Engines,
        generations: int,
        seed: int | None,
    ) -> tuple[Search, Engines]:
        """A search that can begin, all of whose settings are checked."""
        check_at_least(1, generations=generations)
        refuse_unused_options(self)
        searcher = CMAESSearcher() if searcher is None else searcher
        seed = int(os.environ.get("PL_GLOBAL_SEED", 0)) if seed is None else seed
        main = replace(main, session=self._session(main.session))
        tasks = [sized(task) for task in named_tasks(main, more_tasks)]
        refuse_unrefined(engines, searcher)
        refuse_unsupported(engines, family, tasks)
        num_classes = check_task(tasks[0])
        for task in tasks[1:]:
            check_task(task)
        for callback in engines.callbacks:
            family = callback.wrap_family(family, num_classes)
            tasks = [callback.configure_task(task) for task in tasks]
        refuse_unsupported(engines, family, tasks)
        refuse_uneven(tasks)
        searcher.start(
            family.space, derived_seed(seed, Purpose.SEARCHER), tasks[0].session.objectives
        )
        search = Search(
            directory=directory,
            family=family,
            searcher=searcher,
            tasks=tasks,
            generations=generations,
            seed=seed,
            num_classes=num_classes,
            settings=search_fingerprint(family, searcher, tasks, engines),
        )
        return search, engines

    def _session(self, session: Session) -> Session:
        """A session as this trainer runs it.

        Raises:
            ValueError: If it asks for other hardware than the trainer has.
        """
        own = self._hardware()
        usual = Session()
        for name, value in own.items():
            asked = getattr(session, name)
            if asked not in (getattr(usual, name), value):
                raise ValueError(
                    f"Expected `{name}` of the session to be left to the trainer, which has "
                    f"{value!r}, got {asked!r}: give it to MetaLossTrainer."
                )
        return replace(session, **own)

    def _hardware(self) -> dict[str, Any]:
        device = self.strategy.root_device
        return {
            "precision": self.precision,
            "accelerator": "gpu" if device.type == "cuda" else device.type,
            "devices": [device.index] if device.type == "cuda" and device.index is not None else 1,
            "gradient_clip_val": self.gradient_clip_val,
            "gradient_clip_algorithm": self.gradient_clip_algorithm,
        }

    def _meta_callbacks(self, max_time: str | None = None) -> list[MetaCallback]:
        """The user's, then those that every search has unless the user gave their own.

        The history comes first, since others read it. The checkpoint comes last: what it says was
        done is then in every other file.
        """
        given = [item for item in self.callbacks if isinstance(item, MetaCallback)]  # type: ignore[attr-defined]
        for kind in (CandidateCurves, SearchHistory, SearchFront, SearchProgress, SearchCheckpoint):
            if not any(isinstance(item, kind) for item in given):
                given.append(kind())
        if max_time is not None:
            given.append(TimeBudget(max_time))
        return sorted(
            given,
            key=lambda item: (
                isinstance(item, SearchCheckpoint),
                not isinstance(item, SearchHistory),
            ),
        )


def _main_task(
    model: ModuleOrFactory,
    data: pl.LightningDataModule,
    session: Session | None,
    name: str,
    loss_attribute: str,
) -> Task:
    session = Session() if session is None else session
    return Task(model, data, session, name=name, loss_attribute=loss_attribute)


def _engines(
    evaluator: Evaluator | None,
    allocation: Allocation | None,
    refiner: Refiner | None,
    callbacks: list[MetaCallback],
) -> Engines:
    return Engines(
        AutoEvaluator() if evaluator is None else evaluator,
        FixedSeeds() if allocation is None else allocation,
        refiner,
        callbacks,
    )
