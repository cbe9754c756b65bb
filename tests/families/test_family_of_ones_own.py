"""A family, its space and a searcher for it, written in one file: nothing else has to know them."""

import math
from dataclasses import dataclass, replace

import numpy as np
import pytest
import torch
from searches import make_search
from toys import make_task

from lightning_lossmeta import Candidate, Evaluation, GradientRefiner, LossFamily, Searcher, Status
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks import SymbolicArchive
from lightning_lossmeta.families import (
    FrozenCandidate,
    NormalisedFamily,
    Skeleton,
    Space,
    TaylorFamily,
)
from lightning_lossmeta.losses import (
    CrossEntropy,
    LossFunction,
    MeanAbsoluteError,
    MeanSquaredError,
)

PARTS = {"CE": CrossEntropy, "MAE": MeanAbsoluteError, "MSE": MeanSquaredError}


class WeightedSum(LossFunction):
    def __init__(self, structure, theta, offset):
        super().__init__()
        self.structure, self.offset = structure, offset
        self.parts = torch.nn.ModuleList(PARTS[name]() for name in structure.split("+"))
        self.register_buffer("theta", torch.tensor(theta, dtype=torch.float64), persistent=False)

    def per_sample(self, output, target):
        values = [part.per_sample(output, target) for part in self.parts]
        return sum(w.to(output.dtype) * v for w, v in zip(self.theta, values)) - self.offset  # noqa: B905


@dataclass(frozen=True)
class SumSpace(Space):
    names: tuple[str, ...]

    def sample(self, seed):
        chosen = np.random.default_rng(seed).permutation(self.names)[:2]
        return Candidate("+".join(chosen), (1.0, 1.0))


class SumFamily(LossFamily):
    """Weighted sums; an artefact holds how far they are moved so that uniform outputs give 0."""

    name = "test_sums"

    def __init__(self, offset: float = 0.0, measured: bool = False):
        self.offset, self.measured = offset, measured
        self.space = SumSpace(tuple(PARTS))

    def build(self, candidate):
        if not set(str(candidate.structure).split("+")) <= set(PARTS):
            raise ValueError(f"Expected names out of {list(PARTS)}, got {candidate.structure!r}.")
        offset = self.offset if self.measured else self._uniform(candidate)
        return WeightedSum(candidate.structure, candidate.theta, offset)

    def _uniform(self, candidate):
        loss = WeightedSum(candidate.structure, candidate.theta, 0.0)
        return float(loss.per_sample(torch.zeros(1, 3), torch.tensor([0])))

    def read(self, loss):
        return Candidate(loss.structure, tuple(loss.theta.tolist()))

    def formula(self, candidate):
        names = candidate.structure.split("+")
        return " + ".join(f"{w:g} {n}" for w, n in zip(candidate.theta, names, strict=True))

    def settings(self):
        return {"offset": self.offset, "measured": self.measured}

    def key(self, candidate):
        names = candidate.structure.split("+")
        return repr(sorted(zip(names, candidate.theta, strict=True)))

    def skeleton(self, candidate):
        names = candidate.structure.split("+")
        order = tuple(sorted(range(len(names)), key=names.__getitem__))
        untouched = all(weight == 1 for weight in candidate.theta)
        return Skeleton("+".join(sorted(names)), order, untouched)

    def freeze(self, candidate):
        return FrozenCandidate(SumFamily(self._uniform(candidate), measured=True), candidate)

    def local_search_obstacle(self):
        return "the offset depends on theta."


class SumSearcher(Searcher):
    accepts = (SumSpace,)
    accepts_refined = True

    def _start(self, space, seed):
        self.space, self.generator = space, np.random.default_rng(seed)

    def _ask(self):
        return [self.space.sample(self.generator) for _ in range(2)]

    def _tell(self, evaluations):
        pass


FAMILY = SumFamily()


def _archive(directory, *history, family=FAMILY):
    searcher = SumSearcher()
    searcher.start(family.space, 0)
    searcher._history = [[item] for item in history]
    archive = SymbolicArchive()
    archive.on_search_start(replace(make_search(directory), family=family, searcher=searcher))
    return archive


@pytest.mark.parametrize("family", [FAMILY, NormalisedFamily(FAMILY, 3, samples=20)])
def test_the_archive_asks_for_its_keys(tmp_path, family):
    tried = Evaluation.scored(Candidate("MAE+CE", (0.5, 2.0)), 0.75)
    archive = _archive(tmp_path, tried, family=family)
    for structure, theta, status in (
        ("CE+MAE", (2.0, 0.5), Status.CACHED),
        ("CE+MAE", (0.5, 2.0), None),
        ("CE+MSE", (2.0, 0.5), None),
    ):
        candidate = Candidate(structure, theta)
        verdict = archive.screen(candidate, family.build(candidate))
        assert (verdict and verdict.status) is status
        assert verdict is None or (verdict.fitness, verdict.candidate) == (0.75, candidate)


def test_the_archive_moves_what_a_local_search_came_to(tmp_path):
    refined = Candidate("MSE+CE+MAE", (0.25, 0.5, 2.0))
    archive = _archive(tmp_path, Evaluation.scored(refined, 0.75))
    new = Candidate("MAE+MSE+CE", (1.0, 1.0, 1.0))
    verdict = archive.screen(new, FAMILY.build(new))
    assert verdict.candidate == Candidate("MAE+MSE+CE", (2.0, 0.25, 0.5))
    assert FAMILY.key(verdict.candidate) == FAMILY.key(refined)
    touched = Candidate("MAE+MSE+CE", (1.0, 1.0, 1.5))
    assert archive.screen(touched, FAMILY.build(touched)) is None


def test_an_artefact_holds_what_was_measured(tmp_path):
    candidate = Candidate("CE+MAE", (2.0, 0.5))
    path = tmp_path / "sum.json"
    Artifact.of(FAMILY, candidate).save(path)
    read = Artifact.load(path)
    assert read.family.measured
    assert read.family.offset == pytest.approx(2 * math.log(3) + 0.5 * 4 / 3)
    outputs, target = torch.randn(5, 3), torch.arange(5) % 3
    assert torch.equal(read.build()(outputs, target), FAMILY.build(candidate)(outputs, target))


def test_a_normalised_one_holds_both(tmp_path):
    family = NormalisedFamily(FAMILY, 3, samples=20)
    candidate = Candidate("CE+MAE", (2.0, 0.5))
    artifact = Artifact.from_json(Artifact.of(family, candidate).to_json())
    assert artifact.family.measured
    assert artifact.normalisation is not None
    outputs, target = torch.randn(5, 3), torch.arange(5) % 3
    torch.testing.assert_close(
        artifact.build()(outputs, target), family.build(candidate)(outputs, target)
    )


def test_a_local_search_hears_its_reason():
    evaluator = GradientRefiner()
    assert evaluator.unsupported(FAMILY, [make_task()]) == "the offset depends on theta."


def test_a_searcher_of_its_space_takes_no_other():
    searcher = SumSearcher()
    searcher.start(FAMILY.space, 0)
    assert all(isinstance(FAMILY.build(candidate), WeightedSum) for candidate in searcher.ask())
    with pytest.raises(TypeError, match="of kind SumSpace for SumSearcher, got VectorSpace"):
        searcher.start(TaylorFamily().space, 0)
