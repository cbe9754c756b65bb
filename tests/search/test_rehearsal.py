"""What can't work is said before a search trains, and writes nothing."""

import pytest
import torch
from searches import make_search
from small_search import history, small_search
from strangers import BlobsData, StrangersNet

from lightning_lossmeta import (
    CMAESSearcher,
    ComparisonConfig,
    Finalists,
    MetaLossTrainer,
    Objective,
    Session,
    Task,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.evaluators import AutoEvaluator
from lightning_lossmeta.search.estimate import duration
from lightning_lossmeta.search.rehearsal import rehearse
from lightning_lossmeta.search.stages import later_stages

COMPARISON = ComparisonConfig(seeds=2, learning_rate_factors=(0.3, 1.0), tuning_seeds=3, steps=10)
SESSION = Session(steps=5, objectives=(Objective("val_acc"),))


class Scheduled(StrangersNet):
    """Lightning's own idiom; a test step as a user writes it."""

    def test_step(self, batch, batch_idx):
        self.log("test_acc", (self(batch[0]).argmax(1) == batch[1]).float().mean())

    def configure_optimizers(self):
        steps = self.trainer.estimated_stepping_batches
        seen.append(steps)
        optimizer = torch.optim.SGD(self.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, total_steps=steps)
        return [optimizer], [{"scheduler": schedule, "interval": "step"}]


seen = []


class NoTestData(BlobsData):
    def test_dataloader(self):
        raise LookupError("no test data here")


class BadStep(Scheduled):
    def training_step(self, batch, batch_idx):
        return {}["no such key"]


def _search(directory, module=Scheduled, data=BlobsData, **changes):
    return small_search(
        directory,
        module=module(),
        data=data(),
        evaluator=TrainerEvaluator(),
        generations=1,
        objectives=SESSION.objectives,
        **changes,
    )


def test_a_schedule_is_told_the_whole_budget_of_each_training(tmp_path):
    seen.clear()
    rehearse(make_search(tmp_path, tasks=[Task(Scheduled(), BlobsData(), SESSION)]), COMPARISON)
    assert set(seen) == {5, 10}


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"module": BadStep}, KeyError, "no such key"),
        ({"data": NoTestData, "comparison": COMPARISON}, LookupError, "no test data here"),
    ],
)
def test_an_error_of_the_users_keeps_its_place_and_leaves_no_folder(
    tmp_path, changes, error, message
):
    with pytest.raises(error, match=message) as caught:
        _search(tmp_path / "run", **changes)
    assert "test_rehearsal.py" in str(caught.traceback[-1].path)
    assert not (tmp_path / "run").exists()


def test_the_rehearsal_changes_nothing_of_the_search(tmp_path, monkeypatch):
    _search(tmp_path / "one")
    monkeypatch.setattr("lightning_lossmeta.search.trainer.rehearse", lambda *given: None)
    _search(tmp_path / "other")
    assert history(tmp_path / "one") == history(tmp_path / "other")


def test_later_stages_count_every_training(tmp_path):
    search = make_search(tmp_path, tasks=[Task(Scheduled(), BlobsData(), SESSION)])
    stages = later_stages(search, Finalists(count=4, seeds=3), COMPARISON)
    # Finalists: 4, the start and 2 usual ones at 3 rates, then 3 and 2 with 3 seeds.
    # Comparison: learned, cross-entropy and MSE; 3 tuning seeds at 2 rates; twice the steps.
    assert [(item.name, item.trainings, item.sessions) for item in stages] == [
        ("finalists", 36, 36),
        ("comparison, tuning", 18, 36),
        ("comparison, scoring", 6, 12),
    ]
    assert later_stages(search, None, None) == []


@pytest.mark.parametrize("evaluator", [TrainerEvaluator(), AutoEvaluator([TrainerEvaluator()])])
def test_a_dry_run_tries_all_and_writes_nothing(tmp_path, monkeypatch, evaluator):
    monkeypatch.chdir(tmp_path)
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    found = trainer.dry_run(
        Scheduled(),
        BlobsData(),
        session=SESSION,
        family=TaylorFamily(start="mse"),
        searcher=CMAESSearcher(population=3),
        evaluator=evaluator,
        generations=7,
        finalists=Finalists(count=2, seeds=2, baselines=(), learning_rate_factors=(1.0,)),
        comparison=COMPARISON,
    )
    counts = {name: count for name, (count, _) in found.stages.items()}
    assert counts == {
        "search": 21,
        "finalists": 7,
        "comparison, tuning": 18,
        "comparison, scoring": 6,
    }
    assert found.seconds > 0
    # Twice the steps take twice as long.
    each = {name: seconds / count for name, (count, seconds) in found.stages.items()}
    assert each["comparison, tuning"] == pytest.approx(2 * each["finalists"])
    assert found.memory["memory of this process"] > 1e7
    assert f"in all: about {duration(found.seconds)}" in str(found)
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_fails(tmp_path):
    trainer = MetaLossTrainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    with pytest.raises(KeyError, match="no such key"):
        trainer.dry_run(BadStep(), BlobsData(), session=SESSION, evaluator=TrainerEvaluator())
