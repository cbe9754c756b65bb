"""A fitness is one class: here two objectives, in one network and in a stack, in a whole search."""

import json

import pytest
import torch
from small_search import history, small_search
from torchmetrics.classification import MulticlassF1Score

from lightning_lossmeta import (
    MLP,
    Candidate,
    DigitsDataModule,
    Fitness,
    Objective,
    PopulationEvaluator,
    Session,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
)


class ConfidentAndFair(Fitness):
    """How sure the network is of what it gets right, and its macro F1 score."""

    @property
    def objectives(self):
        return (Objective("val_confidence"), Objective("val_f1", weight=0.5))

    def measure(self, networks, part, inputs, target):
        if part != "scored":
            return {}
        with torch.no_grad():
            h = networks.outputs(inputs).softmax(dim=-1)
        return {"val_confidence": h.gather(-1, networks.own(target).unsqueeze(-1)).squeeze(-1)}

    def metrics(self, part, outputs, target):
        metric = MulticlassF1Score(outputs.shape[-1], average="macro", validate_args=False)
        return {"val_f1": metric} if part == "scored" else {}


CANDIDATES = [Candidate(None, (0, 0, 0, -s, 0, 2 * s, 0, 0)) for s in (0.5, 1.0, 4.0)]


def _task():
    module = SupervisedModule(MLP(64, [16], 10))
    session = Session(steps=40, validations=2, accelerator="cpu")
    return ConfidentAndFair().configure_task(Task(module, DigitsDataModule(), session))


def test_one_network_and_a_stack_have_the_same_scores():
    alone = TrainerEvaluator().evaluate(CANDIDATES, TaylorFamily(), [_task()])
    stacked = PopulationEvaluator().evaluate(CANDIDATES, TaylorFamily(), [_task()])
    for one, other in zip(alone, stacked, strict=True):
        assert one.objectives == (one.metrics["val_confidence"], one.metrics["val_f1"])
        assert one.objectives == pytest.approx(other.objectives, abs=0.01)
        assert one.fitness == pytest.approx(one.objectives[0] + 0.5 * one.objectives[1])
        assert len(one.curves["val_f1"]) == 2


def test_a_search_for_both_keeps_its_front(tmp_path):
    result = small_search(tmp_path / "run", callbacks=[ConfidentAndFair()], steps=30)
    rows = [row for row in history(tmp_path / "run") if row["status"] == "ok"]
    pairs = {(float(row["val_confidence"]), float(row["val_f1"])) for row in rows}
    expected = {
        p for p in pairs if not any(q != p and q[0] >= p[0] and q[1] >= p[1] for q in pairs)
    }
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    front = {tuple(row[2]) for _, row in state["front"]}
    assert front == expected
    assert result.evaluation.fitness == max(float(row["fitness"]) for row in rows)
    stored = json.loads((tmp_path / "run" / "best.json").read_text())["provenance"]["objectives"]
    assert list(stored) == ["val_confidence", "val_f1"]
