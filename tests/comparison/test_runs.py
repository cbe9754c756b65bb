"""Trainings that are kept are those of the same loss, module, optimiser and data, by value."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from strangers import BlobsData
from torch import nn
from toys import Counting, make_task

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.comparison import (
    ComparisonConfig,
    NamedLosses,
    RunStore,
    check_methods,
    compare_losses,
)
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.task import Session, Task

SMALL = ComparisonConfig(widenings=0, seeds=2, tuning_seeds=1, learning_rate_factors=(1.0,))


class Signed(nn.Module):
    """Cross-entropy times a parameter, plus settings that change nothing that is printed."""

    def __init__(self, weight=1.0, prior=None, link=None):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor(weight), requires_grad=False)
        self.prior = prior
        self.link = link

    def forward(self, output, target):
        output = output if self.prior is None else output + torch.as_tensor(self.prior)
        return self.weight * nn.functional.cross_entropy(output, target)


class Heated(nn.Module):
    def __init__(self, temperature):
        super().__init__()
        self.layer = nn.Linear(6, 3)
        self.temperature = temperature

    def forward(self, x):
        return self.layer(x) / self.temperature


class ShiftedBlobs(BlobsData):
    def __init__(self, shift):
        super().__init__()
        self.shift = shift

    def setup(self, stage):
        super().setup(stage)
        for part in self.parts:
            inputs, labels = part.tensors
            part.tensors = inputs, (labels + self.shift) % 3


def task(name="task", network=None, data=None, lr=0.1, kind=torch.optim.SGD):
    network = Heated(1.0) if network is None else network
    module = SupervisedModule(network, optimizer=partial(kind, lr=lr))
    session = Session(steps=20, accelerator="cpu")
    return Task(module, BlobsData() if data is None else data, session, name=name)


CONTRASTS = {
    "networks": lambda: [task("a", Heated(1.0)), task("b", Heated(1e3))],
    "rates": lambda: [task("a", lr=0.1), task("b", lr=1e-4)],
    "optimisers": lambda: [task("a"), task("b", kind=torch.optim.Adam)],
    "data": lambda: [task("a", data=ShiftedBlobs(0)), task("b", data=ShiftedBlobs(1))],
}


@pytest.mark.parametrize("contrast", CONTRASTS)
def test_each_task_keeps_its_own_trainings(contrast, tmp_path):
    losses = {"CE": CrossEntropy(), "MSE": MeanSquaredError()}
    whole = compare_losses(losses, CONTRASTS[contrast](), Counting(), SMALL)
    for item in CONTRASTS[contrast]():  # one after the other in one folder
        compare_losses(losses, item, Counting(), SMALL, store=RunStore(tmp_path))
    assert len(list(tmp_path.glob("*.json"))) == 8
    again = Counting()
    rows = compare_losses(losses, CONTRASTS[contrast](), again, SMALL, store=RunStore(tmp_path))
    assert again.jobs == []
    assert [row.scores for row in rows] == [row.scores for row in whole]


def test_losses_whose_parameters_differ_share_nothing(tmp_path):
    pairs = [
        {"CE": Signed(1.0)},
        {"CE": Signed(-1.0)},
        {"CE": Signed(1.0, prior=np.array([0.0, 0.0, 9.0], np.float32))},
        {"CE": Signed(1.0, prior=np.array([0.0, 9.0, 0.0], np.float32))},
    ]
    scores = []
    for losses in pairs:
        counting = Counting()
        (row,) = compare_losses(losses, task(), counting, SMALL, store=RunStore(tmp_path))
        assert len(counting.jobs) == 2
        scores.append(row.scores)
    assert min(scores[0]) > 0.9 > 0.4 > max(scores[1])
    assert len(list(tmp_path.glob("*.json"))) == 8


@pytest.mark.parametrize(
    "pair",
    [
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(label_smoothing=0.3)),
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(ignore_index=1)),
        (nn.HuberLoss(delta=1.0), nn.HuberLoss(delta=0.1)),
        (nn.SmoothL1Loss(beta=1.0), nn.SmoothL1Loss(beta=0.1)),
        (nn.MultiMarginLoss(margin=1.0), nn.MultiMarginLoss(margin=2.0)),
        (nn.CrossEntropyLoss(), nn.CrossEntropyLoss(reduction="sum")),
        (nn.CrossEntropyLoss(torch.ones(3)), nn.CrossEntropyLoss(2 * torch.ones(3))),
        (Signed(1.0), Signed(-1.0)),
        (Signed(link=lambda x: x), Signed(link=lambda x: x)),
    ],
    ids=lambda pair: str(pair[0])[:20],
)
def test_losses_that_differ_in_a_setting_are_two(pair):
    check_methods(dict(zip("ab", pair, strict=True)))


@pytest.mark.parametrize(
    "make",
    [
        nn.CrossEntropyLoss,
        lambda: nn.HuberLoss(delta=0.1),
        lambda: Signed(2.0, prior=np.ones(3)),
        lambda: Signed(torch.tensor(1.0, dtype=torch.bfloat16).item()),
        lambda: Signed().to(torch.bfloat16),
    ],
)
def test_losses_that_are_equal_by_value_are_one(make):
    with pytest.raises(ValueError, match="as 'a' and as 'b'"):
        check_methods({"a": make(), "c": nn.NLLLoss(), "b": make()})


def test_what_cannot_be_known_again_is_trained_each_time_and_said(tmp_path):
    losses = {"CE": CrossEntropy(), "mine": Signed(link=lambda x: x)}
    expected = compare_losses({"CE": CrossEntropy(), "mine": Signed()}, task(), Counting(), SMALL)
    for _ in range(2):
        counting = Counting()
        with pytest.warns(UserWarning, match="'mine' are not kept.*`link`.*top level of a module"):
            rows = compare_losses(losses, task(), counting, SMALL, store=RunStore(tmp_path))
        assert [row.scores for row in rows] == [row.scores for row in expected]
    assert {job.candidate.structure for job in counting.jobs} == {"mine"}


def test_a_network_that_cannot_be_known_again_is_compared_all_the_same(tmp_path):
    network = Heated(1.0)
    network.activation = lambda x: x
    with pytest.warns(UserWarning, match="'odd' are not kept.*`module.network.activation`"):
        (row,) = compare_losses(
            {"CE": CrossEntropy()},
            task("odd", network),
            Counting(),
            SMALL,
            store=RunStore(tmp_path),
        )
    assert min(row.scores) > 0.9
    assert list(tmp_path.iterdir()) == []


def test_a_family_of_given_losses_tells_them_apart_by_value():
    family = NamedLosses({"a": nn.HuberLoss(delta=1.0), "b": nn.HuberLoss(delta=0.1)})
    assert family.read(nn.HuberLoss(delta=0.1)) == Candidate("b")
    assert family != NamedLosses({"a": nn.HuberLoss(delta=1.0), "b": nn.HuberLoss(delta=0.2)})
    odd = NamedLosses({"a": Signed(link=lambda x: x)})
    assert odd == odd
    with pytest.raises(ValueError, match="Expected one of"):
        odd.read(Signed(link=lambda x: x))


@pytest.mark.parametrize(
    "damage",
    [
        lambda text: "",
        lambda text: text[:-20],
        lambda text: "[" * 100_000,
        lambda text: "[]",
        lambda text: '{"result": {"curves": []}, "digest": 1}',
        lambda text: text.replace('"objectives": [\n   0.', '"objectives": [\n   7.'),
        lambda text: text.replace('"status": "ok"', '"status": "diverged"'),
        lambda text: text.replace('"seed": ', '"seed": 1'),
    ],
)
def test_a_damaged_file_is_named_and_its_training_done_again(tmp_path, damage):
    one, store = make_task(), RunStore(tmp_path)
    (expected,) = compare_losses({"CE": CrossEntropy()}, one, Counting(), SMALL, store=store)
    path = min(tmp_path.iterdir())
    text = path.read_text()
    path.write_text(damage(text))
    assert path.read_text() != text
    again = Counting()
    with pytest.warns(UserWarning, match=f"{path.name}' is damaged: its training is done again"):
        (row,) = compare_losses({"CE": CrossEntropy()}, one, again, SMALL, store=RunStore(tmp_path))
    assert len(again.jobs) == 1
    assert row.scores == expected.scores
    compare_losses({"CE": CrossEntropy()}, one, again, SMALL, store=RunStore(tmp_path))
    assert len(again.jobs) == 1, "the file is whole again"


def test_equal_trainings_have_equal_files_but_for_their_seconds(tmp_path):
    files = []
    for name in "ab":
        store = RunStore(tmp_path / name)
        compare_losses({"CE": CrossEntropy()}, make_task(), Counting(), SMALL, store=store)
        stored = [json.loads(path.read_text()) for path in sorted((tmp_path / name).iterdir())]
        for content in stored:
            content["result"].pop("seconds")
        files.append(stored)
    assert files[0] == files[1]


def test_one_task_object_used_twice_is_the_same_task(tmp_path):
    one = make_task()
    compare_losses({"CE": CrossEntropy()}, one, Counting(), SMALL, store=RunStore(tmp_path))
    again = Counting()
    compare_losses({"CE": CrossEntropy()}, one, again, SMALL, store=RunStore(tmp_path))
    assert again.jobs == []
    one.data.batch_size = 7
    compare_losses({"CE": CrossEntropy()}, one, again, SMALL, store=RunStore(tmp_path))
    assert len(again.jobs) == 2


def test_trainings_that_an_earlier_version_kept_are_known(tmp_path):
    store = RunStore(tmp_path)
    store.put({"loss": "CE"}, Evaluation.scored(Candidate("CE"), 0.5))
    (path,) = tmp_path.glob("*.json")
    content = json.loads(path.read_text())
    del content["digest"]
    path.write_text(json.dumps(content))
    assert RunStore(tmp_path).get({"loss": "CE"}).fitness == 0.5
