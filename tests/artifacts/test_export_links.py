"""Losses of every link as files of every format, against themselves and against torch."""

import runpy

import pytest
import sympy
import torch
from torch import nn

from lightning_lossmeta.artifacts import Artifact, ExportError, ReadyLoss, export_file, export_text
from lightning_lossmeta.artifacts.zoo import find_loss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily, NetworkFamily, TaylorFamily
from lightning_lossmeta.losses import RegressionHuber

PROBLEMS = ("classification", "binary", "regression")
TREES = [
    "square(sub(f, y))",
    "aq(sub(f, y), add(f, +1))",
    "sub(abs(sub(y, f)), sqrt(mul(f, tanh(y))))",
    "add(sign(sub(f, y)), max(log(f), min(y, -1)))",
]


def _theta(count, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return tuple(torch.randn(count, generator=generator, dtype=torch.float64).tolist())


def _learned(problem):
    """Losses of all families that are written entry by entry."""
    yield TaylorFamily(problem=problem), Candidate(None, _theta(8))
    yield TaylorFamily(4, "robust", problem=problem), Candidate(None, _theta(12))
    for tree in TREES:
        weights = tuple(map(abs, _theta(tree.count("(") + tree.count(","))))
        yield ExpressionFamily(problem), Candidate(tree, weights)
        yield ExpressionFamily(problem, nonnegative=True), Candidate(tree, weights)


LEARNED = [(p, *pair) for p in PROBLEMS for pair in _learned(p)]
HAND_MADE = {
    "binary_cross_entropy": nn.BCEWithLogitsLoss(),
    "cross_entropy": nn.CrossEntropyLoss(),
    "regression_squared_error": nn.MSELoss(),
    "regression_absolute_error": nn.L1Loss(),
    "regression_huber": nn.HuberLoss(),
}


def _ready(family, candidate):
    artifact = Artifact(family, candidate)
    return ReadyLoss("found", artifact.build(), "Found.", artifact.formula(), artifact=artifact)


def _batches(link, extreme=True):
    """Outputs and targets of all shapes that a link takes."""
    generator = torch.Generator().manual_seed(1)
    output, target = link.example(6, 4, generator)
    yield output, target
    if extreme:
        yield 1e4 * output.sign(), target
    if link.simplex:
        yield output, output.flip(0).softmax(1)
        yield output, target.masked_fill(target == 1, -100)
        pixels = torch.randn(2, 4, 3, 5, generator=generator, dtype=torch.float64)
        yield pixels, torch.arange(30).view(2, 3, 5) % 4
        return
    for shape in ((6, 1), (6,), (2, 3, 4, 5)):
        other, label = link.example(120, 1, generator)
        count = int(torch.tensor(shape).prod())
        yield other[:count].reshape(shape), label[:count].reshape(shape)
    yield output[:, :1], (target[:, :1] > 0).to(target.dtype)


def _value_and_gradient(loss, output, target):
    output = output.clone().requires_grad_()
    value = loss(output, target)
    return value.detach(), torch.autograd.grad(value, output)[0]


def _exported(ready, folder, **arguments):
    export_file(ready, "python", folder / "found.py")
    return runpy.run_path(str(folder / "found.py"))["ExportedLoss"](**arguments)


@pytest.mark.parametrize(("problem", "family", "candidate"), LEARNED)
def test_a_python_file_of_a_learned_loss_is_the_loss(problem, family, candidate, tmp_path):
    ready = _ready(family, candidate)
    exported = _exported(ready, tmp_path)
    plain = candidate.structure is None
    for output, target in _batches(ready.loss.link, extreme=not plain or problem != "regression"):
        found = _value_and_gradient(exported, output, target)
        expected = _value_and_gradient(ready.loss, output, target)
        torch.testing.assert_close(found[0], expected[0], rtol=1e-9, atol=1e-9)
        torch.testing.assert_close(found[1], expected[1], rtol=1e-9, atol=1e-9)
    each = _exported(ready, tmp_path, reduction="none")(output, target)
    torch.testing.assert_close(each, ready.loss.per_sample(output, target))
    total = _exported(ready, tmp_path, reduction="sum")(output, target)
    torch.testing.assert_close(total, each.sum())


@pytest.mark.parametrize("name", HAND_MADE)
def test_a_python_file_of_a_hand_made_loss_is_that_of_torch(name, tmp_path):
    ready = find_loss(name)
    exported = _exported(ready, tmp_path)
    for output, target in _batches(ready.loss.link):
        found = _value_and_gradient(exported, output, target)
        expected = _value_and_gradient(HAND_MADE[name], output, target)
        torch.testing.assert_close(found, expected, rtol=1e-10, atol=1e-12)


def test_a_parameter_of_a_hand_made_loss_is_in_the_file(tmp_path):
    loss = RegressionHuber(delta=0.3)
    exported = _exported(ReadyLoss("huber", loss, "Huber.", "..."), tmp_path)
    output, target = loss.link.example(50, 2, torch.Generator().manual_seed(0))
    expected = _value_and_gradient(nn.HuberLoss(delta=0.3), output, target)
    torch.testing.assert_close(_value_and_gradient(exported, output, target), expected)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_a_python_file_refuses_labels_and_shapes_that_do_not_fit(problem, tmp_path):
    ready = _ready(TaylorFamily(problem=problem), Candidate(None, _theta(8)))
    exported = _exported(ready, tmp_path)
    output, target = ready.loss.link.example(3, 3, torch.Generator())
    if problem == "classification":
        for label in (-1, 3, 255):
            with pytest.raises((RuntimeError, IndexError)):
                exported(output, torch.tensor([0, 1, label]))
    else:
        with pytest.raises(ValueError, match="one shape"):
            exported(output, target[:, 0])


@pytest.mark.parametrize("ready", [_ready(*pair) for _, *pair in LEARNED])
def test_a_sympy_file_is_the_same_function(ready, tmp_path):
    export_file(ready, "sympy", tmp_path / "found.py")
    names = runpy.run_path(str(tmp_path / "found.py"))
    link = ready.loss.link
    entry = names["per_class" if link.simplex else "per_entry"]
    symbols = [names[link.letter], names["y"]]
    assert symbols == list(link.symbols())
    function = sympy.lambdify(symbols, entry, "math")
    for prediction, label in [(0.3, 1.0), (0.9, 0.0), (0.5, 0.25)]:
        pair = (torch.tensor([value], dtype=torch.float64) for value in (prediction, label))
        expected = ready.loss.values(*pair).item()
        assert function(prediction, label) == pytest.approx(expected, rel=1e-9, abs=1e-9)


@pytest.mark.parametrize("problem", PROBLEMS)
def test_latex_names_what_the_link_predicts(problem):
    ready = _ready(ExpressionFamily(problem), Candidate("square(sub(f, y))", (1.0,) * 3))
    letter = ready.loss.link.letter
    assert export_text(ready, "latex") == (
        r"\mathcal{L} = \frac{1}{n} \sum_{k=1}^{n} \left[ "
        rf"\left({letter}_{{k}} - y_{{k}}\right)^{{2}} \right]" + "\n"
    )


@pytest.mark.parametrize("problem", PROBLEMS)
@pytest.mark.parametrize("kind", ["taylor", "expression", "network", "hand-made"])
def test_an_onnx_graph_is_the_same_function(problem, kind, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    network = NetworkFamily([4], problem)
    ready = {
        "taylor": lambda: _ready(TaylorFamily(problem=problem), Candidate(None, _theta(8))),
        "expression": lambda: _ready(ExpressionFamily(problem), Candidate(TREES[1], _theta(6))),
        "network": lambda: _ready(network, Candidate(None, network.space.start)),
        "hand-made": lambda: find_loss(
            dict(zip(PROBLEMS, ("ce", "bce", "regression_huber"), strict=True))[problem]
        ),
    }[kind]()
    path = tmp_path / "loss.onnx"
    assert export_file(ready, "onnx", path) == ""
    session = onnxruntime.InferenceSession(str(path))
    for count, entries in [(1, 10), (5, 3)]:
        output, target = ready.loss.link.example(count, entries, torch.Generator())
        output = output.float()
        target = target.float() if target.is_floating_point() else target
        names = [node.name for node in session.get_inputs()]
        given = dict(zip(names, (output.numpy(), target.numpy()), strict=True))
        (value,) = session.run(None, given)
        assert float(value) == pytest.approx(ready.loss(output, target).item(), rel=2e-5, abs=1e-5)


def test_networks_are_not_written_entry_by_entry():
    family = NetworkFamily([3], "binary")
    with pytest.raises(ExportError, match="try --format onnx"):
        export_text(_ready(family, Candidate(None, family.space.start)), "python")


@pytest.mark.parametrize("name", ["evomal-california", "evomal-diabetes"])
@pytest.mark.parametrize("form", ["python", "sympy"])
def test_shipped_losses_for_regression_are_written(name, form, tmp_path):
    ready = find_loss(name)
    export_file(ready, form, tmp_path / "found.py")
    names = runpy.run_path(str(tmp_path / "found.py"))
    if form == "python":
        output, target = ready.loss.link.example(64, 1, torch.Generator().manual_seed(2))
        expected = _value_and_gradient(ready.loss, output, target)
        found = _value_and_gradient(names["ExportedLoss"](), output, target)
        torch.testing.assert_close(found, expected, rtol=1e-9, atol=1e-12)
    else:
        assert {symbol.name for symbol in names["per_entry"].free_symbols} == {"f", "y"}
