"""What every loss family of the package keeps."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from walking import concrete_subclasses, constructor_arguments

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    ExpressionSpace,
    LossFamily,
    NormalisedFamily,
    NormalisedLoss,
    TaylorFamily,
    VectorSpace,
)
from lightning_lossmeta.losses import CrossEntropy, LossFunction, MeanSquaredError

#: How families are made that need arguments.
MADE = {
    "NormalisedFamily": lambda: {"family": TaylorFamily(start="mse"), "num_classes": 3},
    "NetworkFamily": lambda: {"hidden": [3, 2]},
    "NamedLosses": lambda: {"losses": {"CE": CrossEntropy(), "MSE": MeanSquaredError()}},
}
FAMILIES = concrete_subclasses(LossFamily)


@pytest.fixture(params=FAMILIES, ids=lambda cls: cls.__name__)
def family(request):
    return request.param(**MADE.get(request.param.__name__, dict)())


def _candidate(family, seed=0):
    """A member in general position."""
    if isinstance(family.space, VectorSpace):
        generator = torch.Generator().manual_seed(seed)
        theta = torch.randn(family.space.dimension, generator=generator, dtype=torch.float64)
        return Candidate(None, tuple(theta.tolist()))
    if isinstance(family.space, ExpressionSpace):
        return Candidate("square(sub(f, log(y)))", (-0.3, 0.7, -1.2, 2.0))
    return family.space.sample(seed)


def _batch():
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(6, 3, generator=generator, dtype=torch.float64)
    return logits, torch.arange(6) % 3


def test_the_walk_finds_what_there_is():
    assert {TaylorFamily, NormalisedFamily} <= set(FAMILIES)
    names = [cls.name for cls in FAMILIES]
    assert len(set(names)) == len(names)


def test_reads_back_what_it_built(family):
    candidate = _candidate(family)
    loss = family.build(candidate)
    assert isinstance(loss, LossFunction)
    assert family.read(loss) == candidate
    assert torch.equal(family.build(candidate)(*_batch()), loss(*_batch()))


def test_a_loss_of_elsewhere_is_not_read(family):
    class Foreign(LossFunction):
        def per_sample(self, output, target):
            return output.sum(1)

    with pytest.raises(ValueError, match="Expected"):
        family.read(Foreign())


def test_a_candidate_of_elsewhere_is_not_built(family):
    with pytest.raises(ValueError, match="Expected"):
        family.build(Candidate("no such structure", (0.25,)))


def test_formula_is_one_line(family):
    formula = family.formula(_candidate(family))
    assert formula
    assert "\n" not in formula
    assert "- -" not in formula
    assert "+ -" not in formula


def test_settings_are_json_and_make_it_again(family):
    settings = json.loads(json.dumps(family.settings(), allow_nan=False))
    assert settings == family.settings()
    if family.serializable:
        again = type(family)(**settings)
        assert again == family
        assert again.space == family.space
        assert set(settings) == set(constructor_arguments(type(family)))


def test_can_be_sent_to_another_process(family):
    received = pickle.loads(pickle.dumps(family))
    candidate = _candidate(family)
    assert received.space == family.space
    assert torch.equal(received.build(candidate)(*_batch()), family.build(candidate)(*_batch()))


def test_an_artefact_holds_it(family):
    candidate = _candidate(family)
    if not (family.serializable or isinstance(family, NormalisedFamily)):
        with pytest.raises(ValueError, match="serializable"):
            Artifact.of(family, candidate)
        return
    artifact = Artifact.of(family, candidate)
    read = Artifact.from_json(artifact.to_json())
    assert read == artifact
    assert torch.equal(read.build()(*_batch()), family.build(candidate)(*_batch()))
    assert read.formula() == family.formula(candidate)


def test_equal_keys_are_equal_functions(family):
    candidates = [family.space.sample(seed) for seed in range(20)]
    candidates += [_candidate(family), replace(_candidate(family))]
    by_key = {}
    for candidate in candidates:
        key = family.key(candidate)
        assert isinstance(key, str)
        assert key == family.key(replace(candidate))
        equal = by_key.setdefault(key, candidate)
        torch.testing.assert_close(
            family.build(candidate)(*_batch()), family.build(equal)(*_batch())
        )
    assert len(by_key) > 1


def test_a_skeleton_moves_theta_there_and_back(family):
    candidate = _candidate(family)
    skeleton = family.skeleton(candidate)
    if skeleton is None:
        return
    assert sorted(skeleton.order) == list(range(len(candidate.theta)))
    assert skeleton.restore(skeleton.arrange(candidate.theta)) == candidate.theta
    assert not skeleton.untouched
    other = family.skeleton(replace(candidate, theta=(1.0,) * len(candidate.theta)))
    assert (other.key, other.order) == (skeleton.key, skeleton.order)
    assert other.untouched


def test_what_is_frozen_builds_the_same_without_its_family(family):
    candidate = _candidate(family)
    frozen = family.freeze(candidate)
    assert family.freeze(candidate) == frozen
    loss = frozen.family.build(frozen.candidate)
    if frozen.normalisation is not None:
        loss = NormalisedLoss(loss, frozen.normalisation)
    assert torch.equal(loss(*_batch()), family.build(candidate)(*_batch()))


def test_what_keeps_a_local_search_away_is_a_sentence_or_nothing(family):
    reason = family.local_search_obstacle()
    assert reason is None or reason.endswith(".")


def test_a_search_starts_within_it(family):
    if not isinstance(family.space, VectorSpace):
        pytest.skip("no vector space")
    assert len(family.space.start) == len(family.space.names) == family.space.dimension
    assert len(set(family.space.names)) == family.space.dimension
    loss = family.build(Candidate(None, family.space.start))
    assert loss(*_batch()).isfinite()


def test_every_coefficient_moves_the_gradient(family):
    """An erratum of a published code: three of its coefficients stood where they had no effect."""
    if not isinstance(family.space, VectorSpace):
        pytest.skip("no vector space")
    logits, target = _batch()

    def slope(values):
        h = logits.softmax(1).requires_grad_()
        loss = family.build(Candidate(None, tuple(values)))
        return torch.autograd.grad(loss.from_probabilities(h, target).sum(), h)[0]

    still = set(family.space.names)
    for seed in range(20):  # a unit of a network may be off in one member, not in all
        theta = _candidate(family, seed).theta
        base = slope(theta)
        for index, name in enumerate(family.space.names):
            changed = [value + 0.1 * (i == index) for i, value in enumerate(theta)]
            if (slope(changed) - base).abs().max() > 1e-5:
                still.discard(name)
        if not still:
            break
    assert not still
