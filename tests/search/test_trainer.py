import math

import pytest
import pytorch_lightning as pl
import torch
from small_search import history, small_search
from strangers import BlobsData, StrangersNet, WithoutLoss
from torchmetrics.classification import MulticlassHammingDistance

from lightning_lossmeta import (
    MLP,
    Candidate,
    CMAESSearcher,
    ComparisonConfig,
    DigitsDataModule,
    Evaluation,
    InvariantCheck,
    LossNormalisation,
    MetaCallback,
    MetaLossTrainer,
    Status,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
    load_loss,
)
from lightning_lossmeta.task import Objective


def test_a_search_leaves_its_history_state_and_best_loss(tmp_path):
    result = small_search(tmp_path / "run")
    rows = history(tmp_path / "run")
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
    small_search(tmp_path / "a")
    torch.manual_seed(2)
    small_search(tmp_path / "b")
    small_search(tmp_path / "c", seed=8)
    assert history(tmp_path / "a") == history(tmp_path / "b")
    assert history(tmp_path / "a") != history(tmp_path / "c")


def test_global_random_state_is_left_alone(tmp_path):
    module = SupervisedModule(MLP(64, [8], 10))
    torch.manual_seed(3)
    expected = torch.rand(3)
    torch.manual_seed(3)
    small_search(tmp_path / "run", module=module, generations=1)
    assert torch.equal(torch.rand(3), expected)


def test_run_folder_that_exists(tmp_path):
    small_search(tmp_path / "run", generations=1)
    before = (tmp_path / "run" / "history.csv").read_text()
    with pytest.raises(FileExistsError, match="--resume"):
        small_search(tmp_path / "run")
    assert (tmp_path / "run" / "history.csv").read_text() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").touch()
    with pytest.raises(FileExistsError, match=r"thesis\.tex"):
        small_search(tmp_path / "other")


def test_run_folder_that_can_not_be_made(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(PermissionError, match="can be written"):
        small_search(tmp_path / "file" / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"generations": 0}, "`generations` to be an integer of at least 1, got 0"),
        ({"steps": -5}, "`steps` to be an integer of at least 1, got -5"),
        ({"train_samples": 0}, "`train_samples`"),
        ({"objectives": ()}, "`objectives` to hold at least one"),
        ({"learning_rate_factor": 0.0}, "`learning_rate_factor`"),
    ],
)
def test_numbers_out_of_range_are_refused_before_any_training(tmp_path, change, message):
    with pytest.raises(ValueError, match=message):
        small_search(tmp_path / "run", **change)
    assert not (tmp_path / "run").exists()


def test_class_counts_that_differ_are_refused(tmp_path):
    with pytest.raises(ValueError, match="9 outputs of SupervisedModule and 10 classes"):
        small_search(tmp_path / "run", module=SupervisedModule(MLP(64, [8], 9)))
    with pytest.raises(ValueError, match=r"class indices from 0 to 2.*got targets from 0 to 4"):
        small_search(
            tmp_path / "run",
            module=StrangersNet(),
            data=BlobsData(classes=5),
            evaluator=TrainerEvaluator(),
        )


def test_inputs_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(ValueError, match="to take inputs of shape"):
        small_search(tmp_path / "run", module=SupervisedModule(MLP(63, [8], 10)))


def test_a_module_without_loss_fn_is_refused(tmp_path):
    with pytest.raises(TypeError, match="attribute `loss_fn`"):
        small_search(tmp_path / "run", module=WithoutLoss(), data=BlobsData())


def test_a_stranger_brings_module_and_data(tmp_path):
    result = small_search(
        tmp_path / "run",
        module=StrangersNet(),
        data=BlobsData(),
        objectives=(Objective("val_acc"),),
        evaluator=TrainerEvaluator(),
        comparison=ComparisonConfig(seeds=2, tuning_seeds=1, learning_rate_factors=(0.3, 1.0)),
    )
    assert result.evaluation.fitness > 0.8
    assert [row.name for row in result.comparison] == ["learned", "cross-entropy", "MSE"]
    assert all(len(row.scores) == 2 for row in result.comparison)
    for name in ("comparison.csv", "comparison.md", "comparison.json"):
        assert (tmp_path / "run" / name).stat().st_size > 0


def test_the_population_evaluator_says_why_it_can_not_stack_a_strangers_module(tmp_path):
    with pytest.raises(ValueError, match=r"expected a SupervisedModule.*got StrangersNet"):
        small_search(
            tmp_path / "run",
            module=StrangersNet(),
            data=BlobsData(),
            objectives=(Objective("val_acc"),),
        )


def test_a_metric_that_is_not_logged_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"log `val_f1`.*val_accuracy"):
        small_search(tmp_path / "run", objectives=(Objective("val_f1"),))


def test_a_factory_keeps_its_own_initialisation(tmp_path):
    def make():
        module = SupervisedModule(MLP(64, [8], 10))
        torch.nn.init.zeros_(module.network[-1].weight)
        return module

    result = small_search(tmp_path / "run", module=make, generations=1)
    assert math.isfinite(result.evaluation.fitness)


class _RejectAll(MetaCallback):
    def screen(self, candidate: Candidate, loss) -> Evaluation:
        return Evaluation(candidate, status=Status.REJECTED, message="no")


def test_a_search_whose_every_candidate_is_rejected_says_so(tmp_path):
    with pytest.warns(UserWarning, match="No candidate could be trained in . generations"):
        small_search(tmp_path / "run", [_RejectAll()])
    rows = history(tmp_path / "run")
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
    small_search(tmp_path / "run", family=_Explosive(start="mse"), searcher=CMAESSearcher(8))
    rows = history(tmp_path / "run")
    failed = [row for row in rows if row["status"] == "failed"]
    assert 0 < len(failed) < len(rows)
    assert all("ArithmeticError: boom" in row["message"] for row in failed)
    assert all(float(row["theta"].split()[0]) > 0 for row in failed)


def test_callbacks_screen_and_normalise(tmp_path):
    result = small_search(
        tmp_path / "run",
        [InvariantCheck(), LossNormalisation(eta=5.0)],
        family=TaylorFamily(start="zero"),
        searcher=CMAESSearcher(8),
    )
    statuses = {row["status"] for row in history(tmp_path / "run")}
    assert "rejected" in statuses
    assert result.artifact.normalisation.eta == 5.0
    assert load_loss(tmp_path / "run" / "best.json").artifact == result.artifact


def test_several_tasks_are_averaged(tmp_path):
    other = Task(SupervisedModule(MLP(64, [], 10)), DigitsDataModule(), name="linear")
    result = small_search(tmp_path / "run", more_tasks=[other], generations=1)
    metrics = result.evaluation.metrics
    mean = (metrics["task0/val_accuracy"] + metrics["linear/val_accuracy"]) / 2
    assert result.evaluation.fitness == pytest.approx(mean)
    assert len(result.artifact.provenance["tasks"]) == 2


def test_it_is_a_trainer_as_any_other(tmp_path):
    trainer = MetaLossTrainer(
        accelerator="cpu", max_epochs=1, default_root_dir=tmp_path, logger=False
    )
    assert isinstance(trainer, pl.Trainer)
    trainer.fit(StrangersNet(), datamodule=BlobsData())
    assert trainer.callback_metrics["val_acc"] > 0.3


def test_fitness_can_be_minimised(tmp_path):
    metric = MulticlassHammingDistance(10, average="micro")  # the share of errors
    module = SupervisedModule(MLP(64, [8], 10), metric=metric, metric_name="error")
    objectives = (Objective("val_error", "min"),)
    result = small_search(tmp_path / "run", module=module, objectives=objectives)
    fitness = [float(row["fitness"]) for row in history(tmp_path / "run")]
    assert result.evaluation.fitness == max(fitness)
    assert result.evaluation.metrics["val_error"] == -result.evaluation.fitness


class _Listening(MetaCallback):
    def __init__(self):
        self.heard = []

    def on_progress(self, search, what, done, count):
        self.heard.append((search.searcher.generation, what, done, count))


def test_callbacks_hear_how_far_a_generation_is(tmp_path):
    callback = _Listening()
    small_search(tmp_path / "run", [callback], generations=2)
    trained = [("training", done, 4) for done in range(1, 5)]
    assert callback.heard == [(generation, *what) for generation in (0, 1) for what in trained]
