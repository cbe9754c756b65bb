"""What a search ends with, told by an evaluator whose scores are known."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from engines import TaskByTask
from small_search import small_search
from torch import nn

from lightning_lossmeta import (
    MLP,
    Candidate,
    CMAESSearcher,
    Evaluation,
    Finalists,
    SupervisedModule,
    TaylorFamily,
    load_loss,
)
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import PowerFamily, PowerLoss
from lightning_lossmeta.losses import CrossEntropy, Sigmoid, Softmax, baseline_losses
from lightning_lossmeta.search.contenders import _is_another, _leaders

FINALISTS = Finalists(count=3, seeds=5)


class Known(TaskByTask):
    """A learned loss is worth ``learned``, at its best where the rate is ``best_rate``.

    A seed shifts all scores alike, by a lot; what a training has for itself is small.
    """

    def __init__(self, learned=0.9, usual=0.5, best_rate=1.0, noise=0.001):
        super().__init__()
        self.worth = {"cross-entropy": usual, "MSE": usual - 0.1}
        self.learned, self.best_rate, self.noise = learned, best_rate, noise
        self.rates = {}

    def _evaluate_task(self, candidates, family, task):
        rate = task.session.learning_rate_factor
        shift = np.random.default_rng(task.seed).standard_normal()
        scores = []
        for number, candidate in enumerate(candidates):
            name = candidate.structure if candidate.structure is not None else "learned"
            self.rates.setdefault(name, set()).add(round(rate, 6))
            worth = self.worth.get(name, self.learned)
            own = np.random.default_rng([task.seed, number]).standard_normal()
            off = 0.1 * abs(math.log(rate / self.best_rate)) if name == "learned" else 0.0
            scores.append(worth - off + shift + self.noise * own)
        pairs = zip(candidates, scores, strict=True)
        return [Evaluation.scored(c, float(score)) for c, score in pairs]


def _search(tmp_path, evaluator, finalists=FINALISTS, **settings):
    settings = {"generations": 2, "searcher": CMAESSearcher(4), **settings}
    return small_search(tmp_path / "run", evaluator=evaluator, finalists=finalists, **settings)


def test_a_better_loss_is_what_a_search_ends_with(tmp_path):
    result = _search(tmp_path, Known())
    assert result.choice.outcome == "better"
    assert result.choice.baseline.contender.name == "cross-entropy"
    assert result.choice.p_value < 1e-6
    best, learned = (
        (tmp_path / "run" / f"{name}.json").read_text() for name in ("best", "learned")
    )
    assert best == learned
    said = json.loads(best)["provenance"]["against"]["said"]
    assert said.startswith("The learned loss is better than cross-entropy (")


@pytest.mark.parametrize(
    ("learned", "noise", "outcome", "words"),
    [
        (0.5, 0.05, "no difference", "No difference shown between the learned loss and cross-"),
        (0.3, 0.001, "worse", "The learned loss is worse than cross-entropy"),
    ],
)
def test_a_loss_that_is_not_better_is_not(tmp_path, learned, noise, outcome, words):
    result = _search(tmp_path, Known(learned, noise=noise))
    assert result.choice.outcome == outcome
    best = load_loss(tmp_path / "run" / "best.json").artifact
    assert best.provenance["not_learned"] == "cross-entropy"
    assert best.provenance["against"]["said"].startswith(words)
    assert best.provenance["against"]["said"].endswith("keep cross-entropy.")
    output, target = torch.randn(5, 10), torch.arange(5)
    torch.testing.assert_close(best.build()(output, target), CrossEntropy()(output, target))
    learned_file = load_loss(tmp_path / "run" / "learned.json").artifact
    assert learned_file.candidate == result.evaluation.candidate
    assert "not_learned" not in learned_file.provenance


def test_every_loss_has_its_own_rate_and_the_grid_grows_where_it_must(tmp_path):
    evaluator = Known(best_rate=9.0)
    result = _search(tmp_path, evaluator)
    assert result.choice.learned.factor == pytest.approx(9.0)
    assert result.learning_rate_factor == pytest.approx(9.0)
    assert evaluator.rates["learned"] == {0.3, 1.0, 3.0, 9.0, 27.0}
    single = Finalists(count=2, seeds=2, learning_rate_factors=(1.0,))
    evaluator = Known(best_rate=9.0)
    _search(tmp_path / "single", evaluator, single)
    assert evaluator.rates["learned"] == {1.0}


def test_candidates_of_a_kind_generation_are_not_preferred(tmp_path):
    """The shift of a generation's seed is 50 times what tells candidates apart."""

    class ByTheta(Known):
        def _evaluate_task(self, candidates, family, task):
            if family.name == "named":
                return [Evaluation.scored(c, -1e6) for c in candidates]
            shift = 50 * np.random.default_rng(task.seed).standard_normal()
            return [Evaluation.scored(c, shift - abs(c.theta[0] - 1)) for c in candidates]

    settings = {"generations": 8, "searcher": CMAESSearcher(8, sigma=0.3)}
    result = _search(tmp_path, ByTheta(), Finalists(count=6, seeds=2), **settings)
    everyone = [item for items in _history(tmp_path / "run") for item in items]
    errors = sorted(abs(theta[0] - 1) for theta in everyone)
    assert abs(result.evaluation.candidate.theta[0] - 1) <= errors[3]


def _history(directory):
    lines = (directory / "history.jsonl").read_text().splitlines()
    return [[tuple(map(float, row[1])) for row in json.loads(line)["rows"]] for line in lines]


def test_the_mean_of_the_distribution_and_the_start_take_part(tmp_path):
    seen = set()

    class Watching(Known):
        def _evaluate_task(self, candidates, family, task):
            if task.session.learning_rate_factor == 3.0:
                seen.update(c.theta for c in candidates if c.structure is None)
            return super()._evaluate_task(candidates, family, task)

    family = TaylorFamily(start="mse")
    _search(tmp_path, Watching(), Finalists(count=2, seeds=2), family=family)
    assert family.space.start in seen
    assert len(seen) == 4  # two of the generations, the mean, and the start


def test_the_users_own_loss_is_a_baseline_and_says_so(tmp_path):
    own = nn.CrossEntropyLoss(label_smoothing=0.3)
    evaluator = Known(learned=0.5)
    evaluator.worth["your own loss"] = 0.8
    module = SupervisedModule(MLP(64, [8], 10), loss_fn=own)
    result = _search(tmp_path, evaluator, module=module)
    assert result.choice.baseline.contender.name == "your own loss"
    best = load_loss(tmp_path / "run" / "best.json").artifact
    assert best.provenance["keep"] == "your own loss"
    assert best.candidate == result.evaluation.candidate


def test_a_loss_whose_example_is_of_another_dtype_is_known_too():
    """torch's binary loss returns float64 for the example's labels, ours float32."""
    learned, usual = PowerLoss.example(Sigmoid()), baseline_losses(Sigmoid())
    assert not _is_another(nn.BCEWithLogitsLoss(), learned, usual)
    assert _is_another(nn.BCEWithLogitsLoss(pos_weight=torch.tensor([3.0])), learned, usual)
    assert not _is_another(nn.CrossEntropyLoss(), PowerLoss.example(), baseline_losses(Softmax()))
    assert not _is_another(nn.NLLLoss(), learned, usual)


def test_a_module_with_a_usual_loss_has_no_baseline_twice(tmp_path):
    evaluator = Known()
    module = SupervisedModule(MLP(64, [8], 10), loss_fn=nn.CrossEntropyLoss())
    _search(tmp_path, evaluator, module=module)
    assert set(evaluator.rates) == {"learned", "cross-entropy", "MSE"}


def test_baselines_may_be_named_or_left_out(tmp_path):
    evaluator = Known()
    names = ("generalized_cross_entropy", "mae")
    _search(tmp_path, evaluator, Finalists(count=2, seeds=2, baselines=names))
    assert set(evaluator.rates) == {"learned", *names}
    result = _search(tmp_path / "none", Known(0.0), Finalists(count=2, seeds=2, baselines=()))
    assert (result.choice.baseline, result.choice.outcome) == (None, "untested")


def test_where_all_that_finished_diverged_those_given_up_take_part():
    diverged = Evaluation(Candidate(None, (1.0,)), status=Status.DIVERGED)
    stopped = Evaluation(Candidate(None, (2.0,)), (0.5,), Status.STOPPED)
    trained = Evaluation.scored(Candidate(None, (3.0,)), 0.1)
    for history, leader in (([[diverged, stopped]], 2.0), ([[stopped, trained]], 3.0)):
        search = SimpleNamespace(searcher=SimpleNamespace(history=history))
        assert [item.theta for item in _leaders(search, 5)] == [(leader,)]


def test_what_can_not_be_built_is_no_finalist(tmp_path):
    class Wild(CMAESSearcher):
        @property
        def recommendation(self):
            return Candidate(None, (99.0, 0.0, 0.0))

    result = _search(tmp_path, Known(), family=PowerFamily(), searcher=Wild(4))
    assert result.evaluation.status is Status.OK


@pytest.mark.parametrize(
    "bad",
    [{"count": 0}, {"seeds": 0}, {"learning_rate_factors": ()}, {"learning_rate_factors": (1, 1)}],
)
def test_finalists_refuse_what_they_can_not_do(bad):
    with pytest.raises(ValueError, match=next(iter(bad))):
        Finalists(**bad)
