import hashlib
import json
import random

import pytest
import torch
from torch import nn

from lightning_lossmeta.artifacts import Artifact, ArtifactError, ExportError, export_file
from lightning_lossmeta.artifacts.zoo import find_loss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.cli.commands import inspect
from lightning_lossmeta.families import (
    ExpressionFamily,
    ExpressionLoss,
    ExpressionSpace,
    NormalisedFamily,
)
from lightning_lossmeta.families.expression.algebra import canonical_form
from lightning_lossmeta.families.expression.isolated_random import IsolatedRandom
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.losses import Identity, depends_on_progress, set_progress
from lightning_lossmeta.searchers import GeneticProgrammingSearcher
from lightning_lossmeta.searchers.genetic_operators import crossover, mutate

TIMED = ExpressionFamily(progress=True)
FADING = "mul(sub(+1, t), square(sub(f, y)))"
POINTS = torch.randn(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def _plain(structure):
    return Candidate(structure, (1.0,) * (len(parse_expression(structure)) - 1))


def _batch(classes=4):
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(6, classes, generator=generator, dtype=torch.float64)
    return logits, torch.arange(6) % classes


def _trees(space, count=300):
    with IsolatedRandom(5).active():
        trees = [space.random_tree(2, 4) for _ in range(50)]
        for _ in range(count):
            pair = random.sample(trees, 2)
            children = crossover(*pair, space), mutate(pair[0], space)
            trees += [tree for tree in children if tree is not None]
    return trees


def test_without_time_the_draws_are_those_of_before_there_was_any():
    texts = [str(tree) for tree in _trees(ExpressionSpace(6, 60))]
    assert len(texts) == 636
    digest = hashlib.sha256("\n".join(texts).encode()).hexdigest()
    assert digest == "7e1145c15bb768fffb7d632ee9070194cf62aa3f748d994db915f3874b4a6d08"


@pytest.mark.parametrize("time", [False, True])
def test_t_is_drawn_where_the_space_has_it(time):
    space = ExpressionSpace(6, 60, time)
    trees = _trees(space)
    holding = [tree for tree in trees if any(node.name == "t" for node in tree)]
    assert bool(holding) is time
    assert len(holding) < len(trees)
    for tree in trees:
        assert space.holds(tree)
        assert {"f", "y"} <= {node.name for node in tree}
        assert parse_expression(str(tree), space) == tree
    assert not any(ExpressionSpace(6, 60).holds(tree) for tree in holding)


def test_a_search_asks_for_losses_of_the_time():
    searcher = GeneticProgrammingSearcher(population=20)
    searcher.start(TIMED.space, 0)
    losses = [TIMED.build(candidate) for candidate in searcher.ask()]
    assert {depends_on_progress(loss) for loss in losses} == {True, False}


def test_t_is_refused_elsewhere():
    candidate = _plain(FADING)
    message = r"one of add, .*, -1 at character 13, got 't'\. .*ExpressionFamily\(progress=True\)"
    with pytest.raises(ValueError, match=message):
        ExpressionFamily().build(candidate)
    with pytest.raises(ValueError, match="without the training's progress t, got 'mul"):
        ExpressionFamily().read(TIMED.build(candidate))
    for space in (None, TIMED.space):
        assert str(parse_expression(FADING, space)) == FADING


@pytest.mark.parametrize("text", ["add(f, t)", "add(t, y)", "t", "tanh(t)"])
def test_t_takes_no_place_of_f_and_y(text):
    with pytest.raises(ValueError, match="to hold both f and y, got no"):
        parse_expression(text, TIMED.space)


@pytest.mark.parametrize("text", ["add(f, T)", "add(f, t(y))", "add(f, time)", "t(f, y)"])
def test_nothing_else_is_let_in_with_t(text):
    with pytest.raises(ValueError, match="Expected"):
        parse_expression(text, TIMED.space)


@pytest.mark.parametrize("value", [1, "yes", None])
def test_the_setting_is_true_or_false(value):
    with pytest.raises(ValueError, match="`progress` to be True or False"):
        ExpressionFamily(progress=value)


@pytest.mark.parametrize("time", [0.0, 0.25, 1.0])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_value_is_the_formula_at_that_time(time, dtype):
    candidate = Candidate("add(mul(t, abs(sub(f, y))), square(t))", (1, 0.5, 2, 1, 1, 1, 1, 3))
    logits, target = _batch()
    logits = logits.to(dtype)
    loss = TIMED.build(candidate)
    set_progress(loss, time)
    error = (logits.softmax(1) - nn.functional.one_hot(target, 4)).abs()
    expected = (time / 2 * 2 * error + (3 * time) ** 2).mean(dim=1)
    torch.testing.assert_close(loss.per_sample(logits, target), expected.to(dtype))
    regression = ExpressionFamily("regression", progress=True).build(candidate)
    assert regression.link == Identity()
    set_progress(regression, time)
    expected = time * (POINTS[0] - POINTS[1]).abs() + 9 * time**2
    torch.testing.assert_close(regression.per_sample(*POINTS), expected)


def test_losses_without_t_are_built_as_ever():
    candidate = _plain("square(sub(f, y))")
    loss = TIMED.build(candidate)
    assert type(loss) is ExpressionLoss
    assert [name for name, _ in loss.named_buffers()] == ["theta"]
    fading = TIMED.build(_plain(FADING))
    assert type(fading) is ExpressionLoss
    assert [name for name, _ in fading.named_buffers()] == ["progress", "theta"]
    for found in (candidate, _plain(FADING)):
        assert TIMED.read(TIMED.build(found)) == found


def test_formula_and_file_hold_t(tmp_path):
    candidate = Candidate(FADING, (1.0, 1.0, 0.5, 3.0, 1.0, 0.8, 1.0))
    assert TIMED.formula(candidate) == "mean_k[ 3 (1 - 0.5 t) (0.8 h - y)^2 ]"
    Artifact(TIMED, candidate).save(tmp_path / "found.json")
    artifact = Artifact.load(tmp_path / "found.json")
    assert (artifact.family, artifact.candidate) == (TIMED, candidate)
    loss = artifact.build()
    values = []
    for time in (0.0, 1.0):
        set_progress(loss, time)
        values.append(loss(*_batch()))
    torch.testing.assert_close(values[1], 0.5 * values[0])
    content = json.loads((tmp_path / "found.json").read_text())
    content["family"]["settings"]["progress"] = False
    with pytest.raises(ArtifactError, match="parameters make no loss"):
        Artifact.from_json(json.dumps(content))


def test_a_file_from_before_the_setting_is_one_without_time():
    content = json.loads(Artifact(ExpressionFamily(), _plain("sub(f, y)")).to_json())
    del content["family"]["settings"]["progress"]
    assert Artifact.from_json(json.dumps(content)).family == ExpressionFamily()


def test_a_normalised_loss_is_timed_too():
    family = NormalisedFamily(TIMED, 4, samples=50)
    loss = family.build(_plain(FADING))
    first = loss(*_batch()).item()
    set_progress(loss, 1.0)
    last = loss(*_batch()).item()
    assert first != last
    assert last == pytest.approx(float(loss.scale * -loss.offset))


def test_an_expression_without_time_is_refused_with_advice(tmp_path):
    with pytest.raises(NotImplementedError, match=r"progress t.*load_loss.*set_progress"):
        TIMED.expression(_plain(FADING))
    assert str(TIMED.expression(_plain("square(sub(f, y))"))) == "(h - y)**2"
    Artifact(TIMED, _plain(FADING)).save(tmp_path / "found.json")
    with pytest.raises(ExportError):
        export_file(find_loss(str(tmp_path / "found.json")), "python", tmp_path / "found.py")
    assert not (tmp_path / "found.py").exists()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_inspect_tells_of_t(task, tmp_path, capsys):
    Artifact(ExpressionFamily(task, progress=True), _plain(FADING)).save(tmp_path / "found.json")
    assert inspect.main([str(tmp_path / "found.json")]) == 0
    assert "(1 - t)" in capsys.readouterr().out
    assert (tmp_path / "found-loss.png").stat().st_size > 1000


def _form(text):
    names = [node.name for node in parse_expression(text)]
    return canonical_form(names, [1.0] * (len(names) - 1))


def test_the_archive_takes_t_for_a_variable():
    same = ["mul(t, sub(f, y))", "sub(mul(f, t), mul(y, t))", "mul(-1, mul(sub(y, f), t))"]
    others = ["sub(f, y)", "mul(f, sub(t, y))", "mul(mul(t, t), sub(f, y))", "mul(t, sub(y, f))"]
    assert len({_form(text) for text in same}) == 1
    assert len({_form(text) for text in (same[0], *others)}) == 5
    assert _form("add(sub(f, y), sub(t, t))") == _form("sub(f, y)")


def test_random_timed_trees_of_one_form_are_equal_at_all_times():
    with IsolatedRandom(0).active():
        trees = {str(TIMED.space.random_tree(1, 3)) for _ in range(400)}
    groups = {}
    for text in sorted(trees):
        groups.setdefault(_form(text), []).append(text)
    compared = 0
    for first, *others in groups.values():
        for other in others:
            compared += "t" in first
            for time in (0.0, 0.375, 1.0):
                torch.testing.assert_close(*(_value(text, time) for text in (first, other)))
    assert compared > 3


def _value(text, time):
    loss = ExpressionLoss(text, _plain(text).theta, link=Identity())
    set_progress(loss, time)
    eighths = (8 * POINTS).round() / 8
    return loss.values(*eighths) + torch.zeros(50, dtype=torch.float64)


#: What torch makes of logits (B, n) or outputs, and a target.
ORACLES = {
    "cross_entropy": lambda z, y: nn.functional.cross_entropy(z, y) / z.shape[1],
    "mse": lambda z, y: nn.functional.mse_loss(z.softmax(1), _onehot(z, y)),
    "mae": lambda z, y: nn.functional.l1_loss(z.softmax(1), _onehot(z, y)),
    "squared error": nn.functional.mse_loss,
    "absolute error": nn.functional.l1_loss,
}


def _onehot(z, y):
    return nn.functional.one_hot(y, z.shape[1]).to(z.dtype)


@pytest.mark.parametrize("time", [False, True])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_hand_made_losses_are_those_of_torch(task, time):
    family = ExpressionFamily(task, progress=time)
    usual = family.baselines()
    assert next(iter(usual)) == {"classification": "cross_entropy"}.get(task, "squared error")
    assert set(usual) == set(list(ORACLES)[:3] if task == "classification" else list(ORACLES)[3:])
    for name, candidate in usual.items():
        output, target = _batch() if task == "classification" else POINTS.clone()
        output = output.clone().requires_grad_()
        values = [loss(output, target) for loss in (family.build(candidate), ORACLES[name])]
        torch.testing.assert_close(*values, rtol=1e-3, atol=0)
        slopes = [torch.autograd.grad(value, output)[0] for value in values]
        torch.testing.assert_close(*slopes, rtol=1e-3, atol=1e-8)


def test_hand_made_losses_belong_to_their_family():
    assert ExpressionFamily(nonnegative=True).baselines() == {}
    for height in (1, 2, 10):
        for nodes in (3, 4, 5, 200):
            family = ExpressionFamily(max_height=height, max_nodes=nodes)
            fits = {name for name in ORACLES if name in family.baselines()}
            assert bool(fits) is (height >= 2 and nodes >= 4)
            for candidate in family.baselines().values():
                assert family.read(family.build(candidate)) == candidate
