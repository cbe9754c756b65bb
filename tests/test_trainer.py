import csv
import json
import math

import pytest
import pytorch_lightning as pl
import torch
from strangers import BlobsData, StrangersNet, WithoutLoss

from lightning_lossmeta import (
    MLP,
    AutoEvaluator,
    Candidate,
    CMAESSearcher,
    Comparison,
    DigitsDataModule,
    Evaluation,
    Finalists,
    InvariantCheck,
    LossNormalisation,
    MetaCallback,
    MetaLossTrainer,
    PopulationEvaluator,
    SearchError,
    Session,
    Status,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
    load_loss,
)
from lightning_lossmeta.seeds import derived_seed


def _search(directory, callbacks=(), module=None, data=None, **changes):
    trainer = MetaLossTrainer(
        accelerator="cpu", logger=False, enable_checkpointing=False, callbacks=list(callbacks)
    )
    settings = {
        "family": TaylorFamily(start="mse"),
        "searcher": CMAESSearcher(population=4),
        "evaluator": PopulationEvaluator(),
        "generations": 3,
        "steps": 15,
        "validations": 1,
        "seed": 7,
        "run_dir": str(directory),
    }
    settings |= changes
    if settings.get("resume"):
        settings["run_dir"] = None
    module = SupervisedModule(MLP(64, [8], 10)) if module is None else module
    return trainer.search(module, DigitsDataModule() if data is None else data, **settings)


def _history(directory):
    with (directory / "history.csv").open(newline="") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def test_a_search_leaves_its_history_state_and_best_loss(tmp_path):
    result = _search(tmp_path / "run")
    rows = _history(tmp_path / "run")
    assert len(rows) == 12
    assert [int(row["generation"]) for row in rows] == [g for g in range(3) for _ in range(4)]
    best = max(rows, key=lambda row: float(row["fitness"]))
    assert result.evaluation.fitness == float(best["fitness"])
    theta = tuple(float(value) for value in best["theta"].split())
    loss = load_loss(tmp_path / "run" / "best.json")
    assert loss.artifact.candidate.theta == theta
    provenance = loss.artifact.provenance
    assert provenance["fitness"] == result.evaluation.fitness
    assert provenance["tasks"][0]["data"] == "DigitsDataModule"
    assert provenance["steps"] == 15


def test_one_seed_gives_one_history_and_another_a_different_one(tmp_path):
    torch.manual_seed(1)
    _search(tmp_path / "a")
    torch.manual_seed(2)
    _search(tmp_path / "b")
    _search(tmp_path / "c", seed=8)
    assert _history(tmp_path / "a") == _history(tmp_path / "b")
    assert _history(tmp_path / "a") != _history(tmp_path / "c")


def test_global_random_state_is_left_alone(tmp_path):
    module = SupervisedModule(MLP(64, [8], 10))
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    _search(tmp_path / "run", module=module, generations=1)
    assert torch.equal(torch.rand(3), expected)


class _StopAt(MetaCallback):
    """Interrupts in the middle of a generation."""

    def __init__(self, generation, error=KeyboardInterrupt):
        self.generation = generation
        self.error = error

    def on_generation_start(self, search, generation):
        if generation == self.generation:
            raise self.error


@pytest.mark.parametrize("stopped_at", [1, 2])
def test_an_interrupted_search_goes_on_bit_for_bit(tmp_path, stopped_at):
    _search(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        _search(tmp_path / "cut", [_StopAt(stopped_at)])
    assert len(_history(tmp_path / "cut")) == 4 * stopped_at
    with (tmp_path / "cut" / "history.csv").open("a") as file:
        file.write(f"{stopped_at},0,ok,0.5,0.1,")  # what a crash may leave of a row
    result = _search(None, resume=str(tmp_path / "cut"))
    assert _history(tmp_path / "whole") == _history(tmp_path / "cut")
    whole = json.loads((tmp_path / "whole" / "state.json").read_text())
    cut = json.loads((tmp_path / "cut" / "state.json").read_text())
    assert whole == cut
    assert (tmp_path / "whole" / "best.json").read_text() == (
        tmp_path / "cut" / "best.json"
    ).read_text()
    assert result.directory == tmp_path / "cut"


def test_interrupted_before_anything_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt, match="nothing to resume"):
        _search(tmp_path / "run", [_StopAt(0)])


def test_a_search_goes_on_with_the_evaluator_that_it_chose(tmp_path):
    def evaluator():
        return AutoEvaluator([TrainerEvaluator(), PopulationEvaluator()], good_enough=0.0)

    _search(tmp_path / "run", evaluator=evaluator(), generations=1)
    before = json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"]
    again = evaluator()
    _search(None, resume=str(tmp_path / "run"), evaluator=again, generations=2)
    assert again.state_dict()["chosen"] == before["chosen"] != {}
    assert json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"] == before


def test_more_generations_may_be_asked_of_a_finished_search(tmp_path):
    _search(tmp_path / "run", generations=2)
    _search(None, resume=str(tmp_path / "run"), generations=3)
    _search(tmp_path / "whole", generations=3)
    assert _history(tmp_path / "run") == _history(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"steps": 16}, "session.steps: 15 -> 16"),
        ({"seed": 9}, "seed"),
        ({"searcher": CMAESSearcher(population=5)}, "searcher.population: 4 -> 5"),
        ({"family": TaylorFamily(start="mae")}, "family.start: 'mse' -> 'mae'"),
        ({"data": DigitsDataModule(batch_size=50)}, "batch_size: 100 -> 50"),
        ({"evaluator": TrainerEvaluator()}, "evaluator"),
        ({"callbacks": [LossNormalisation()]}, "family"),
    ],
)
def test_resume_refuses_other_settings_and_names_them(tmp_path, change, key):
    _search(tmp_path / "run", generations=1)
    with pytest.raises(ValueError, match=key):
        _search(None, resume=str(tmp_path / "run"), **change)


def test_resume_of_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"state\.json"):
        _search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        _search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(ValueError, match="state of a search"):
        _search(None, resume=str(tmp_path))


def test_run_folder_that_exists(tmp_path):
    _search(tmp_path / "run", generations=1)
    before = (tmp_path / "run" / "history.csv").read_text()
    with pytest.raises(FileExistsError, match="--resume"):
        _search(tmp_path / "run")
    assert (tmp_path / "run" / "history.csv").read_text() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        _search(tmp_path / "other")


def test_run_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="can be written"):
        _search(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": 0}, "`generations` to be an integer of at least 1, got 0"),
        ({"steps": -5}, "`steps` to be an integer of at least 1, got -5"),
        ({"images": 0}, "`images`"),
        ({"mode": "up"}, "`mode` to be 'max' or 'min', got 'up'"),
        ({"learning_rate_factor": 0.0}, "`learning_rate_factor`"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_training(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        _search(tmp_path / "run", **change)
    assert not (tmp_path / "run").exists()


def test_class_counts_that_differ_are_refused(tmp_path):
    with pytest.raises(ValueError, match="9 outputs of SupervisedModule and 10 classes"):
        _search(tmp_path / "run", module=SupervisedModule(MLP(64, [8], 9)))
    with pytest.raises(ValueError, match=r"class indices from 0 to 2.*got targets from 0 to 4"):
        _search(
            tmp_path / "run",
            module=StrangersNet(),
            data=BlobsData(classes=5),
            evaluator=TrainerEvaluator(),
        )


def test_inputs_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="to take inputs of shape"):
        _search(tmp_path / "run", module=SupervisedModule(MLP(63, [8], 10)))


def test_a_module_without_loss_fn_is_refused(tmp_path):
    with pytest.raises(TypeError, match="attribute `loss_fn`"):
        _search(tmp_path / "run", module=WithoutLoss(), data=BlobsData())


def test_a_stranger_brings_module_and_data(tmp_path):
    result = _search(
        tmp_path / "run",
        module=StrangersNet(),
        data=BlobsData(),
        monitor="val_acc",
        evaluator=TrainerEvaluator(),
        comparison=Comparison(seeds=2, tuning_seeds=1, learning_rate_factors=(0.3, 1.0)),
    )
    assert result.evaluation.fitness > 0.8
    assert [row.name for row in result.comparison] == ["learned", "cross-entropy", "MSE"]
    assert all(len(row.scores) == 2 for row in result.comparison)
    for name in ("comparison.csv", "comparison.md", "comparison.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0


def test_the_population_evaluator_says_why_it_can_not_stack_a_strangers_module(tmp_path):
    with pytest.raises(ValueError, match=r"expected a SupervisedModule.*got StrangersNet"):
        _search(tmp_path / "run", module=StrangersNet(), data=BlobsData(), monitor="val_acc")


def test_a_metric_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(SearchError, match=r"log `val_f1`.*val_accuracy"):
        _search(tmp_path / "run", monitor="val_f1")


def test_a_factory_keeps_its_own_initialisation(tmp_path):
    def make():
        module = SupervisedModule(MLP(64, [8], 10))
        torch.nn.init.zeros_(module.network[-1].weight)
        return module

    result = _search(tmp_path / "run", module=make, generations=1)
    assert math.isfinite(result.evaluation.fitness)


class _RejectAll(MetaCallback):
    def screen(self, candidate: Candidate, loss) -> Evaluation:
        return Evaluation(candidate, status=Status.REJECTED, message="no")


def test_a_search_whose_every_candidate_is_rejected_says_so(tmp_path):
    with pytest.warns(UserWarning, match="No candidate could be trained in . generations"):
        _search(tmp_path / "run", [_RejectAll()])
    rows = _history(tmp_path / "run")
    assert {row["status"] for row in rows} == {"rejected"}
    assert {row["fitness"] for row in rows} == {"-inf"}


class _Explosive(TaylorFamily):
    """Every other candidate can't be built."""

    name = "explosive"

    def build(self, candidate):
        if candidate.theta[0] > 0:
            raise ArithmeticError("boom")
        return super().build(candidate)


def test_a_candidate_that_raises_costs_only_itself(tmp_path):
    _search(tmp_path / "run", family=_Explosive(start="mse"), searcher=CMAESSearcher(8))
    rows = _history(tmp_path / "run")
    failed = [row for row in rows if row["status"] == "failed"]
    assert 0 < len(failed) < len(rows)
    assert all("ArithmeticError: boom" in row["message"] for row in failed)
    assert all(float(row["theta"].split()[0]) > 0 for row in failed)


def test_callbacks_screen_and_normalise(tmp_path):
    result = _search(
        tmp_path / "run",
        [InvariantCheck(), LossNormalisation(eta=5.0)],
        family=TaylorFamily(start="zero"),
        searcher=CMAESSearcher(8),
    )
    statuses = {row["status"] for row in _history(tmp_path / "run")}
    assert "rejected" in statuses
    assert result.artifact.normalisation.eta == 5.0
    assert load_loss(tmp_path / "run" / "best.json").artifact == result.artifact


def test_several_tasks_are_averaged(tmp_path):
    other = Task(SupervisedModule(MLP(64, [], 10)), DigitsDataModule(), name="linear")
    result = _search(tmp_path / "run", more_tasks=[other], generations=1)
    metrics = result.evaluation.metrics
    mean = (metrics["task0/val_accuracy"] + metrics["linear/val_accuracy"]) / 2
    assert result.evaluation.fitness == pytest.approx(mean)
    assert len(result.artifact.provenance["tasks"]) == 2


def test_a_full_disk_leaves_the_last_state_readable(tmp_path, monkeypatch):
    import lightning_lossmeta.artifacts.files as files

    real = files.os.fsync
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > 6:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(OSError, match="No space left"):
        _search(tmp_path / "run", generations=50)
    monkeypatch.undo()
    done = len(json.loads((tmp_path / "run" / "state.json").read_text())["searcher"]["told"])
    assert 0 < done < 50
    _search(None, resume=str(tmp_path / "run"), generations=done + 1)
    _search(tmp_path / "whole", generations=done + 1)
    assert _history(tmp_path / "run") == _history(tmp_path / "whole")


def test_it_is_a_trainer_as_any_other(tmp_path):
    trainer = MetaLossTrainer(
        accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, logger=False
    )
    assert isinstance(trainer, pl.Trainer)
    trainer.fit(StrangersNet(), datamodule=BlobsData())
    assert trainer.callback_metrics["val_acc"] > 0.3


def test_fitness_can_be_minimised(tmp_path):
    result = _search(tmp_path / "run", monitor="val_loss", mode="min")
    fitness = [float(row["fitness"]) for row in _history(tmp_path / "run")]
    assert result.evaluation.fitness == max(fitness)
    assert result.evaluation.metrics["val_loss"] == -result.evaluation.fitness


def test_finalists_are_chosen_on_fresh_seeds(tmp_path):
    settings = {"searcher": CMAESSearcher(6), "finalists": Finalists(count=3, seeds=2)}
    result = _search(tmp_path / "run", **settings)
    rows = sorted(_history(tmp_path / "run"), key=lambda row: -float(row["fitness"]))
    leaders = [tuple(map(float, row["theta"].split())) for row in rows[:3]]
    assert result.evaluation.candidate.theta in leaders
    stored = load_loss(tmp_path / "run" / "best.json").artifact
    assert stored.candidate == result.evaluation.candidate
    assert stored.provenance["fitness"] == result.evaluation.fitness
    assert stored.provenance["finalists"] == {"count": 3, "seeds": 2}
    means = {}
    for number in range(2):
        session = Session(steps=15, validations=1, accelerator="cpu")
        module = SupervisedModule(MLP(64, [8], 10))
        seed = derived_seed(7, 2, number, 0)
        task = Task(module, DigitsDataModule(), session, seed=seed)
        candidates = [Candidate(None, theta) for theta in leaders]
        for item in PopulationEvaluator().evaluate(candidates, TaylorFamily(), [task]):
            means[item.candidate] = means.get(item.candidate, 0) + item.fitness / 2
    assert result.evaluation.fitness == pytest.approx(max(means.values()))


@pytest.mark.parametrize("bad", [{"count": 0}, {"seeds": 0}])
def test_finalists_refuse_numbers_below_one(bad):
    with pytest.raises(ValueError, match="at least 1, got 0"):
        Finalists(**bad)
