import json
import math
import runpy

import pytest
import sympy
import torch
from sympy.parsing.sympy_parser import (
    convert_xor,
    implicit_multiplication,
    parse_expr,
    standard_transformations,
)

from lightning_lossmeta.artifacts import Artifact, ArtifactError, ExportError, export_file
from lightning_lossmeta.artifacts.zoo import find_loss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily, NormalisedFamily
from lightning_lossmeta.losses import CrossEntropy

#: Structures that together have every operator and constant, each in several places.
STRUCTURES = [
    "square(sub(f, y))",
    "mul(y, log(f))",
    "aq(sub(f, y), add(f, +1))",
    "add(min(f, y), max(sub(y, f), mul(f, -1)))",
    "sub(abs(sub(y, f)), sqrt(mul(f, tanh(y))))",
    "add(sign(sub(f, y)), square(square(add(sub(f, y), -1))))",
    "mul(add(f, y), sub(mul(f, -1), add(y, sub(+1, f))))",
    "max(aq(+1, f), aq(square(y), log(tanh(sqrt(abs(f))))))",
    "mul(mul(mul(f, f), sub(-1, y)), tanh(+1))",
    "sub(sqrt(log(sub(y, f))), min(-1, sub(sub(y, f), f)))",
]


def _candidate(structure, seed=0):
    count = structure.count("(") + structure.count(",")
    generator = torch.Generator().manual_seed(seed)
    weights = 1.5 * torch.randn(count, generator=generator, dtype=torch.float64)
    return Candidate(structure, tuple(round(value, 3) for value in weights.tolist()))


def _batch(classes=4):
    generator = torch.Generator().manual_seed(5)
    logits = 2 * torch.randn(6, classes, generator=generator, dtype=torch.float64)
    return logits, torch.arange(6) % classes


def test_settings_make_the_same_family():
    for family in (
        ExpressionFamily(),
        ExpressionFamily("regression", max_height=4, max_nodes=31, nonnegative=True),
    ):
        settings = json.loads(json.dumps(family.settings()))
        assert ExpressionFamily(**settings) == family
        assert (family.space.max_height, family.space.max_nodes) == (
            settings["max_height"],
            settings["max_nodes"],
        )
    assert ExpressionFamily() != ExpressionFamily("regression")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            {"problem": "segmentation"},
            "one of .*'classification', 'binary', 'regression'.*got 'segmentation'",
        ),
        ({"problem": ["regression"]}, "`problem`"),
        ({"max_height": 99}, "`max_height` to be an integer from 1 to 17, got 99"),
        ({"max_nodes": 1}, "`max_nodes`"),
        ({"nonnegative": "yes"}, "`nonnegative` to be True or False, got 'yes'"),
    ],
)
def test_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        ExpressionFamily(**arguments)


@pytest.mark.parametrize("task", ["classification", "binary", "regression"])
def test_reads_back_what_it_built(task):
    family = ExpressionFamily(task)
    for structure in STRUCTURES:
        candidate = _candidate(structure)
        assert family.read(family.build(candidate)) == candidate
    assert family.build(candidate).link.problem == task


def test_foreign_candidates_and_losses_are_refused():
    family = ExpressionFamily(max_height=2)
    with pytest.raises(ValueError, match="a height of at most 2, got more"):
        family.build(Candidate("tanh(square(sub(f, y)))", (1.0,) * 4))
    with pytest.raises(ValueError, match=r"an expression such as .* got None"):
        family.build(Candidate(None, (1.0,) * 8))
    with pytest.raises(ValueError, match="`theta` to have 2 weights"):
        family.build(Candidate("sub(f, y)", (1.0,)))
    with pytest.raises(ValueError, match=r"Expected ExpressionLoss for .*, got CrossEntropy"):
        family.read(CrossEntropy())
    regression = ExpressionFamily("regression").build(Candidate("sub(f, y)", (1.0, 1.0)))
    with pytest.raises(ValueError, match=r"got ExpressionLoss for .*'regression'"):
        family.read(regression)


@pytest.mark.parametrize(
    ("structure", "theta", "formula"),
    [
        ("square(sub(f, y))", (1, 1, 1), "(h - y)^2"),
        ("square(sub(f, y))", (-2, 0.5, 1), "4 (0.5 h - y)^2"),
        ("square(square(add(f, y)))", (2, 1, 1, -1), "4 ((h - y)^2)^2"),
        ("sub(f, mul(y, sub(f, -1)))", (1, -1, 1, 3, 1, 1), "h + 3 y (h + 1)"),
        ("sub(f, sub(y, add(f, +1)))", (1,) * 6, "h - (y - (h + 1))"),
        ("mul(y, log(f))", (-1, 1, 0.5), "-y log(0.5 abs(h) + 1e-07)"),
        ("aq(f, sub(y, +1))", (2, 1, 1, 1), "2 (h / sqrt(1 + (y - 1)^2))"),
        ("max(f, min(y, -1))", (1, 1, 1, 2), "max(h, min(y, -2))"),
        ("add(sign(f), sqrt(y))", (0, -1, 1, -6), "0 + sqrt(6 abs(y) + 1e-07)"),
        ("add(tanh(mul(f, y)), mul(+1, -1))", (1, 1, 1, 1, 1, 0.5, 1), "tanh(h y) - 0.5"),
    ],
)
def test_formula_is_as_one_would_write_it(structure, theta, formula):
    candidate = Candidate(structure, tuple(map(float, theta)))
    assert ExpressionFamily().formula(candidate) == f"mean_k[ {formula} ]"
    expected = formula.replace("h", "f").replace("tanf", "tanh")
    regression = ExpressionFamily("regression", nonnegative=True)
    assert regression.formula(candidate) == f"mean[ softplus({expected}) ]"


@pytest.mark.parametrize("structure", STRUCTURES)
def test_formula_is_what_is_computed(structure):
    family, candidate = ExpressionFamily(), _candidate(structure)
    text = family.formula(candidate).removeprefix("mean_k[").removesuffix("]")
    found = parse_expr(
        text,
        local_dict={"min": sympy.Min, "max": sympy.Max, "abs": sympy.Abs},
        transformations=(*standard_transformations, implicit_multiplication, convert_xor),
    )
    _compare(family, candidate, found, rel=2e-2)


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize("structure", STRUCTURES)
def test_sympy_computes_the_same(structure, nonnegative):
    family, candidate = ExpressionFamily(nonnegative=nonnegative), _candidate(structure)
    _compare(family, candidate, family.expression(candidate), rel=1e-9)


def _compare(family, candidate, expression, rel):
    loss = family.build(candidate)
    for h, y in [(0.3, 1.0), (0.9, 0.0), (0.5, 0.25)]:
        values = {symbol: {"h": h, "y": y}[symbol.name] for symbol in expression.free_symbols}
        point, label = (torch.tensor([[value]], dtype=torch.float64) for value in (h, y))
        found = loss.from_probabilities(point, label).item()
        assert float(expression.subs(values)) == pytest.approx(found, rel=rel, abs=1e-9)


def test_no_expression_of_a_constant():
    constant = Candidate("sign(add(f, add(y, +1)))", (1.0,) * 5)
    with pytest.raises(NotImplementedError, match="is constant"):
        ExpressionFamily().expression(constant)


def test_an_artefact_is_exact_and_read_by_the_whitelist(tmp_path):
    family = ExpressionFamily(max_height=6)
    candidate = Candidate(STRUCTURES[7], (0.1, 1 / 3, math.pi, -1e-17, 1e5 + 1e-9, *[0.7] * 6))
    Artifact(family, candidate).save(tmp_path / "found.json")
    artifact = Artifact.load(tmp_path / "found.json")
    assert artifact.family == family
    assert artifact.candidate == candidate
    assert torch.equal(artifact.build()(*_batch()), family.build(candidate)(*_batch()))
    content = json.loads((tmp_path / "found.json").read_text())
    for structure in ("__import__('os')", "square(" * 10_000 + "f", "square(f)", None):
        content["candidate"]["structure"] = structure
        with pytest.raises(ArtifactError, match=r"its parameters make no loss\. Expected"):
            Artifact.from_json(json.dumps(content))
    content["family"]["settings"]["max_height"] = 10**9
    with pytest.raises(ArtifactError, match="family 'expression' can't be made"):
        Artifact.from_json(json.dumps(content))


@pytest.mark.parametrize("kind", ["plain", "nonnegative", "normalised"])
def test_a_python_file_computes_the_same(tmp_path, kind):
    family = ExpressionFamily(nonnegative=kind == "nonnegative")
    if kind == "normalised":
        family = NormalisedFamily(family, 4, samples=50)
    logits, target = _batch()
    logits.requires_grad_()
    for structure in STRUCTURES:
        artifact = Artifact.of(family, _candidate(structure))
        artifact.save(tmp_path / "found.json")
        ready = find_loss(str(tmp_path / "found.json"))
        export_file(ready, "python", tmp_path / "found.py")
        exported = runpy.run_path(str(tmp_path / "found.py"))["ExportedLoss"]()
        losses = exported(logits, target), artifact.build()(logits, target)
        torch.testing.assert_close(*losses, rtol=1e-10, atol=1e-10)
        gradients = [torch.autograd.grad(loss, logits)[0] for loss in losses]
        torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-10)


@pytest.mark.parametrize("structure", STRUCTURES[:4])
def test_latex_and_sympy_can_be_read(tmp_path, structure):
    artifact = Artifact(ExpressionFamily(), _candidate(structure))
    artifact.save(tmp_path / "found.json")
    ready = find_loss(str(tmp_path / "found.json"))
    export_file(ready, "sympy", tmp_path / "found.py")
    names = runpy.run_path(str(tmp_path / "found.py"))
    _compare(artifact.family, artifact.candidate, names["per_class"], rel=1e-9)
    export_file(ready, "latex", tmp_path / "found.tex", digits=3)
    text = (tmp_path / "found.tex").read_text()
    assert text.startswith(r"\mathcal{L} = \frac{1}{n} \sum_{k=1}^{n} \left[ ")
    assert "h_{k}" in text
    assert "y_{k}" in text


def test_a_constant_is_not_exported(tmp_path):
    constant = Candidate("sign(add(f, add(y, +1)))", (1.0,) * 5)
    Artifact(ExpressionFamily(), constant).save(tmp_path / "found.json")
    with pytest.raises(ExportError):
        export_file(find_loss(str(tmp_path / "found.json")), "python", tmp_path / "found.py")


def test_exports_as_onnx(tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    structure = (
        "add(min(f, aq(y, f)), max(sign(sub(f, y)), "
        "mul(log(f), sub(tanh(sqrt(f)), square(abs(add(y, -1)))))))"
    )
    Artifact(ExpressionFamily(nonnegative=True), _candidate(structure)).save(
        tmp_path / "found.json"
    )
    ready = find_loss(str(tmp_path / "found.json"))
    export_file(ready, "onnx", tmp_path / "found.onnx")
    session = onnxruntime.InferenceSession(str(tmp_path / "found.onnx"))
    logits, target = _batch()
    fed = {"logits": logits.float().numpy(), "target": target.numpy()}
    (found,) = session.run(None, fed)
    assert float(found) == pytest.approx(ready.loss(logits.float(), target).item(), rel=1e-4)
