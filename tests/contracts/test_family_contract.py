"""What every loss family of the package keeps."""

import json
import pickle
from dataclasses import replace

import pytest
import torch
from walking import concrete_subclasses, constructor_arguments, each_example

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.callbacks.filters.rejection import improvement
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    ExpressionFamily,
    ExpressionSpace,
    LossFamily,
    NormalisedFamily,
    NormalisedLoss,
    TaylorFamily,
    VectorSpace,
)
from lightning_lossmeta.losses import LossFunction, Sigmoid

FAMILIES = concrete_subclasses(LossFamily)


@pytest.fixture(params=each_example(LossFamily))
def family(request):
    return request.param()


def _candidate(family, seed=0):
    """A member in general position."""
    if isinstance(family.space, VectorSpace):
        generator = torch.Generator().manual_seed(seed)
        theta = torch.randn(family.space.dimension, generator=generator, dtype=torch.float64)
        return Candidate(None, tuple(theta.tolist()))
    if isinstance(family.space, ExpressionSpace):
        return Candidate("square(sub(f, log(y)))", (-0.3, 0.7, -1.2, 2.0))
    return family.space.sample(seed)


def _batch(loss):
    return loss.link.example(6, 3, torch.Generator().manual_seed(1))


def test_the_walk_finds_what_there_is():
    assert {TaylorFamily, NormalisedFamily} <= set(FAMILIES)
    names = [cls.name for cls in FAMILIES]
    assert len(set(names)) == len(names)


def test_reads_back_what_it_built(family):
    candidate = _candidate(family)
    loss = family.build(candidate)
    assert isinstance(loss, LossFunction)
    assert family.read(loss) == candidate
    assert torch.equal(family.build(candidate)(*_batch(loss)), loss(*_batch(loss)))


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
    loss = family.build(candidate)
    assert torch.equal(received.build(candidate)(*_batch(loss)), loss(*_batch(loss)))


def test_an_artefact_holds_it(family):
    candidate = _candidate(family)
    if not (family.serializable or isinstance(family, NormalisedFamily)):
        with pytest.raises(ValueError, match="serializable"):
            Artifact.of(family, candidate)
        return
    artifact = Artifact.of(family, candidate)
    read = Artifact.from_json(artifact.to_json())
    assert read == artifact
    loss = family.build(candidate)
    assert read.build().link == loss.link
    assert torch.equal(read.build()(*_batch(loss)), loss(*_batch(loss)))
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
        loss = family.build(candidate)
        torch.testing.assert_close(loss(*_batch(loss)), family.build(equal)(*_batch(loss)))
    assert len(by_key) > 1 or len(getattr(family.space, "structures", ())) == 1


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
    assert torch.equal(loss(*_batch(loss)), family.build(candidate)(*_batch(loss)))


def test_what_keeps_a_local_search_away_is_a_sentence_or_nothing(family):
    reason = family.local_search_obstacle()
    assert reason is None or reason.endswith(".")


def test_a_search_starts_within_it(family):
    if not isinstance(family.space, VectorSpace):
        pytest.skip("no vector space")
    assert len(family.space.start) == len(family.space.names) == family.space.dimension
    assert len(set(family.space.names)) == family.space.dimension
    loss = family.build(Candidate(None, family.space.start))
    assert loss(*_batch(loss)).isfinite()


def test_every_coefficient_moves_the_gradient(family):
    """An erratum of a published code: three of its coefficients stood where they had no effect."""
    if not isinstance(family.space, VectorSpace):
        pytest.skip("no vector space")

    def slope(values):
        loss = family.build(Candidate(None, tuple(values)))
        output, target = _batch(loss)
        prediction = loss.link.predict(output).requires_grad_()
        if loss.link.simplex:
            values = loss.from_probabilities(prediction, target)
        else:
            values = loss.values(prediction, loss.link.label(output, target))
        return torch.autograd.grad(values.sum(), prediction)[0]

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


def test_baselines_are_members_that_learn(family):
    """Down the slope of each, free predictions come nearer to their targets."""
    for name, candidate in family.baselines().items():
        loss = family.build(candidate)
        assert improvement(loss, *loss.link.example(60, 3, torch.Generator())) > 0, name


def test_a_loss_for_another_problem_is_not_read(family):
    others = [other for other in type(family).examples() if other != family]
    built = family.build(_candidate(family))
    for other in others:
        with pytest.raises(ValueError, match=f"for problem='{other.problem}', got"):
            other.read(built)


def test_baselines_of_a_problem_equal_hand_made_losses():
    output, target = Sigmoid().example(40, 1, torch.Generator().manual_seed(0))
    family = ExpressionFamily("binary")
    cross_entropy = family.build(family.baselines()["binary_cross_entropy"])
    expected = torch.nn.functional.binary_cross_entropy_with_logits(output, target)
    torch.testing.assert_close(cross_entropy(output, target), expected, rtol=1e-5, atol=1e-6)
    soft = torch.rand(40, 1, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    expected = torch.nn.functional.binary_cross_entropy_with_logits(output, soft)
    torch.testing.assert_close(cross_entropy(output, soft), expected, rtol=1e-5, atol=1e-6)
    for family in (ExpressionFamily("binary"), TaylorFamily(problem="binary")):
        for name, reference in (("mse", torch.nn.MSELoss()), ("mae", torch.nn.L1Loss())):
            loss = family.build(family.baselines()[name])
            points = output.clone().requires_grad_()
            (found,) = torch.autograd.grad(loss(points, target), points)
            (slope,) = torch.autograd.grad(reference(points.sigmoid(), target), points)
            torch.testing.assert_close(found, slope)
