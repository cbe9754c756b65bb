import copy
import pickle

import pytest
import torch
from jsonargparse import ArgumentParser
from walking import each_example

from lightning_lossmeta.artifacts import Artifact, ArtifactError, LearnedLoss, load_loss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import (
    HandMadeFamily,
    LossFamily,
    NormalisedFamily,
    TaylorFamily,
)

THETA = (0.1, -0.2, 0.3, -0.4, 0.5, -0.6, 0.7, -0.8)


@pytest.fixture
def path(tmp_path):
    family = NormalisedFamily(TaylorFamily(), 3)
    Artifact.of(family, Candidate(None, THETA)).save(tmp_path / "best.json")
    return tmp_path / "best.json"


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(0)
    return torch.randn(6, 3, generator=generator), torch.tensor([0, 1, 2, 0, 1, 2])


def test_is_called_like_cross_entropy(path, batch):
    loss = load_loss(path)
    logits = batch[0].clone().requires_grad_()
    value = loss(logits, batch[1])
    value.backward()
    expected = NormalisedFamily(TaylorFamily(), 3).build(Candidate(None, THETA))
    assert value.shape == ()
    assert torch.equal(value, expected(*batch))
    assert logits.grad.abs().max() > 0


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_reduction_overrides_that_of_the_file(path, batch, reduction):
    losses = LearnedLoss(path, reduction)(*batch)
    each = LearnedLoss(path).per_sample(*batch)
    expected = {"mean": each.mean(), "sum": each.sum(), "none": each}[reduction]
    assert torch.equal(losses, expected)
    with pytest.raises(ValueError, match="`reduction`"):
        LearnedLoss(path, "max")


def test_reduction_of_the_file(tmp_path, batch):
    Artifact(TaylorFamily(), Candidate(None, THETA), reduction="sum").save(tmp_path / "a.json")
    loss = LearnedLoss(tmp_path / "a.json")
    assert torch.equal(loss(*batch), loss.per_sample(*batch).sum())


def test_derivatives_by_probabilities_are_those_of_the_family(path):
    h = torch.tensor([[0.7, 0.2, 0.3]], dtype=torch.float64)
    target = torch.tensor([1])
    expected = NormalisedFamily(TaylorFamily(), 3).build(Candidate(None, THETA))
    found = LearnedLoss(path).from_probabilities(h, target)
    assert torch.equal(found, expected.from_probabilities(h, target))


def test_says_what_it_is(path):
    assert Artifact.load(path).formula() in repr(LearnedLoss(path))
    assert LearnedLoss(path).artifact == Artifact.load(path)


def test_needs_its_file_no_more_once_it_is_read(path, batch):
    loss = LearnedLoss(path)
    path.unlink()
    for copied in (copy.deepcopy(loss), pickle.loads(pickle.dumps(loss))):
        assert torch.equal(copied(*batch), loss(*batch))


def test_leaves_no_trace_in_a_state_dict(path):
    assert torch.nn.ModuleList([LearnedLoss(path)]).state_dict() == {}


def test_refuses_what_is_no_learned_loss(tmp_path):
    (tmp_path / "a.json").write_text("{}")
    with pytest.raises(ArtifactError, match=r"a\.json"):
        load_loss(tmp_path / "a.json")
    with pytest.raises(FileNotFoundError):
        load_loss(tmp_path / "b.json")


def _family_files(folder):
    """A file for each family of losses of classes."""
    for family in each_example(LossFamily):
        family = family.values[0]()
        candidate = family.space.sample(0)
        if isinstance(family, HandMadeFamily):
            candidate = Candidate("logit_bias")  # a loss within a loss
        if not family.serializable or not family.build(family.space.sample(0)).link.simplex:
            continue
        path = folder / f"{len(list(folder.iterdir()))}.json"
        Artifact.of(family, candidate).save(path)
        yield path


def test_class_weights_and_another_index_to_ignore_in_each_family(path, tmp_path, batch):
    output, target = batch[0].double(), batch[1].clone()
    target[4] = 255
    kept = [0, 1, 2, 3, 5]
    weights = torch.tensor([0.5, 1.0, 3.0], dtype=torch.float64)[target[kept]]
    folder = tmp_path / "families"
    folder.mkdir()
    paths = [path, *_family_files(folder)]
    assert len(paths) > 3
    for path in paths:
        each = LearnedLoss(path).per_sample(output[kept], target[kept])
        loss = load_loss(path, weight=[0.5, 1.0, 3.0], ignore_index=255)
        expected = (each * weights).sum() / weights.sum()
        torch.testing.assert_close(loss(output, target), expected)
        own = torch.tensor([2.0, 0.0, 1.0, 1.0, 5.0, 4.0])
        both = weights * own[kept]
        expected = (each * both).sum() / both.sum()
        torch.testing.assert_close(loss(output, target, sample_weight=own), expected)
        with pytest.raises(RuntimeError):
            LearnedLoss(path)(output, target)
        assert loss.state_dict() == {}


def test_class_weights_that_do_not_fit(path, tmp_path, batch):
    with pytest.raises(ValueError, match=r"each class of logits of shape \(6, 3\), got 2"):
        LearnedLoss(path, weight=[1.0, 2.0])(*batch)
    with pytest.raises(ValueError, match=r"`weight`.*at least 0, got \[1.0, nan\]"):
        LearnedLoss(path, weight=[1.0, float("nan")])
    with pytest.raises(ValueError, match=r"Expected class indices.*`sample_weight`"):
        LearnedLoss(path, weight=[1.0, 2.0, 3.0])(batch[0], batch[0].softmax(1))
    Artifact(TaylorFamily(problem="binary"), Candidate(None, THETA)).save(tmp_path / "b.json")
    with pytest.raises(ValueError, match=r"loss of classes alone, got them with one for .*binary"):
        LearnedLoss(tmp_path / "b.json", ignore_index=255)


def test_lists_of_class_weights_in_yaml(path):
    """What torch's CrossEntropyLoss(weight: Tensor) can't be given there."""
    parser = ArgumentParser(exit_on_error=False)
    parser.add_argument("--loss", type=torch.nn.Module)
    for name, arguments in (
        ("lightning_lossmeta.LearnedLoss", {"path": str(path)}),
        ("lightning_lossmeta.losses.Focal", {}),
    ):
        spec = {"class_path": name, "init_args": {"weight": [1, 2.5, 3], **arguments}}
        loss = parser.instantiate_classes(parser.parse_object({"loss": spec})).loss
        assert loss.weight.tolist() == [1.0, 2.5, 3.0]
