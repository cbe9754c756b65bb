import json
import math
import os
import re
import runpy
import subprocess
import sys
import textwrap

import pytest
import sympy
import torch
from sympy import Abs, Max, Min, sqrt, tanh

from lightning_lossmeta.artifacts import (
    Artifact,
    ExportError,
    LearnedLoss,
    ReadyLoss,
    export_file,
    export_text,
)
from lightning_lossmeta.artifacts.export_forms import SYMBOLS, closed_form
from lightning_lossmeta.artifacts.export_python import TorchPrinter
from lightning_lossmeta.artifacts.zoo import describe_ready, find_loss, ready_names
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import LossFamily, NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import Focal, GeneralizedCrossEntropy

JOINT = {
    "bootstrap_hard",
    "ce_epsilon_and_mae",
    "logit_bias",
    "normalized_cross_entropy",
    "nce_and_agce",
    "nce_and_amse",
    "nce_and_mae",
    "nce_and_nnce",
    "nce_and_rce",
}
# Sees all classes of a sample at once; its Python file is tested with its family.
NETWORKS = {"mln-fashion", "mln-fashion-paper"}
BY_CLASS = [
    name
    for name in ready_names()
    if name not in JOINT | NETWORKS and find_loss(name).loss.link.simplex
]
THETA = {3: 8, 4: 12, 5: 17}


def learned(order=3, convention="taylorglo", normalised=False):
    family = TaylorFamily(order=order, convention=convention)
    generator = torch.Generator().manual_seed(order)
    theta = torch.randn(THETA[order], generator=generator, dtype=torch.float64)
    if normalised:
        family = NormalisedFamily(family, num_classes=10)
    return Artifact.of(family, Candidate(None, tuple(theta.tolist())), {"network": "MLP"})


LEARNED = {
    "order3": learned(),
    "order3_normalised": learned(normalised=True),
    "order4": learned(4, "robust"),
    "order4_normalised": learned(4, "robust", normalised=True),
    "order5": learned(5),
}

IN_A_STRANGERS_PROCESS = """
    import importlib.util, pathlib, sys
    import torch

    sys.modules["lightning_lossmeta"] = None  # any import of it fails
    folder = pathlib.Path(sys.argv[1])
    given, found = torch.load(folder / "given.pt"), {}
    for path in sorted(folder.glob("*.py")):
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        for kind, (logits, target) in given.items():
            logits = logits.clone().requires_grad_()
            values = module.ExportedLoss(reduction="none")(logits, target)
            (gradient,) = torch.autograd.grad(values.sum(), logits)
            found[path.stem, kind] = values.detach(), gradient
            assert torch.equal(module.ExportedLoss()(logits, target), values.mean())
    torch.save(found, folder / "found.pt")
"""


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """Losses, inputs, and what exported files make of them where this package can't be imported."""
    folder = tmp_path_factory.mktemp("exported")
    generator = torch.Generator().manual_seed(0)
    logits = 2 * torch.randn(6, 10, generator=generator, dtype=torch.float64)
    image = torch.randn(2, 10, 3, 4, generator=generator, dtype=torch.float64)
    extreme = torch.full((4, 10), -1e4)
    extreme[range(4), range(4)] = 1e4
    given = {
        "indices": (logits, torch.arange(6)),
        "soft": (logits, logits.flip(0).softmax(dim=1)),
        "image": (image, torch.arange(24).view(2, 3, 4) % 10),
        "extreme": (extreme, torch.tensor([0, 1, 0, 5])),
        "extreme bf16": (extreme.bfloat16(), torch.tensor([0, 1, 0, 5])),
    }
    torch.save(given, folder / "given.pt")
    losses = {}
    for name, artifact in LEARNED.items():
        artifact.save(folder / f"{name}.json")
        losses[name] = LearnedLoss(folder / f"{name}.json")
        export_file(find_loss(str(folder / f"{name}.json")), "python", folder / f"{name}.py")
    for name in BY_CLASS:
        ready = describe_ready(name)
        losses[name] = ready.loss
        export_file(ready, "python", folder / f"{name}.py")
    script = folder / "stranger.txt"
    script.write_text(textwrap.dedent(IN_A_STRANGERS_PROCESS))
    subprocess.run(
        [sys.executable, str(script), str(folder)],
        check=True,
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return losses, given, torch.load(folder / "found.pt")


@pytest.mark.parametrize("kind", ["indices", "soft", "image"])
@pytest.mark.parametrize("name", [*LEARNED, *BY_CLASS])
def test_a_python_file_gives_values_and_gradients_without_this_package(exported, name, kind):
    losses, given, found = exported
    logits, target = given[kind]
    logits = logits.clone().requires_grad_()
    values = losses[name].per_sample(logits, target)
    (gradient,) = torch.autograd.grad(values.sum(), logits)
    scale = max(1.0, values.abs().max().item())
    torch.testing.assert_close(found[name, kind][0], values.detach(), rtol=0, atol=1e-12 * scale)
    torch.testing.assert_close(found[name, kind][1], gradient, rtol=1e-12, atol=1e-12 * scale)


@pytest.mark.parametrize("kind", ["extreme", "extreme bf16"])
@pytest.mark.parametrize("name", [*LEARNED, *BY_CLASS])
def test_a_python_file_is_finite_for_extreme_logits(exported, name, kind):
    losses, given, found = exported
    values, gradient = found[name, kind]
    assert values.isfinite().all()
    assert gradient.isfinite().all()
    assert values.dtype == torch.float32
    logits, target = given[kind]
    torch.testing.assert_close(values, losses[name].per_sample(logits.float(), target))


@pytest.mark.parametrize("name", [*LEARNED, *BY_CLASS])
def test_a_python_file_is_short_and_says_what_it_is(name):
    text = export_text(ready(name), "python")
    lines = text.splitlines()
    assert len(lines) < 60
    assert max(map(len, lines)) <= 100
    assert "lightning_lossmeta" not in text.split('"""')[2]
    docstring = " ".join(text.split('"""')[1].split())
    assert " ".join(ready(name).formula.split()) in docstring


def ready(name):
    if name in LEARNED:
        artifact = LEARNED[name]
        return ReadyLoss(name, artifact.build(), "Learned.", artifact.formula(), artifact=artifact)
    return describe_ready(name)


def test_coefficients_are_written_to_the_last_bit():
    text = export_text(ready("order3_normalised"), "python")
    written = {float(number) for number in re.findall(r"\d+\.\d+(?:e-?\d+)?", text)}
    artifact = LEARNED["order3_normalised"]
    constants = (*artifact.candidate.theta, artifact.normalisation.scale)
    assert {abs(value) for value in constants} <= written


def test_what_a_file_says_of_itself_can_not_become_code():
    artifact = LEARNED["order3"]
    bad = '"""\nimport os\nos.abort()\n"""\\'
    text = export_text(
        ReadyLoss(bad, artifact.build(), bad, artifact.formula() + bad, artifact=artifact), "python"
    )
    compile(text, "exported", "exec")
    assert not re.search(r"^\s*(import os|os\.abort)", text, re.MULTILINE)
    symbolic = export_text(
        ReadyLoss(bad, artifact.build(), bad, artifact.formula(), artifact=artifact), "sympy"
    )
    compile(symbolic, "exported", "exec")
    assert not re.search(r"^\s*(import os|os\.abort)", symbolic, re.MULTILINE)


@pytest.mark.parametrize("name", [*LEARNED, *BY_CLASS])
def test_a_sympy_file_is_the_same_function(name, tmp_path):
    path = tmp_path / "loss.py"
    export_file(ready(name), "sympy", path)
    found = runpy.run_path(str(path))
    function = sympy.lambdify([found["h"], found["y"], found["n"]], found["per_class"], "math")
    h = torch.tensor([[0.5, 0.2, 0.3]], dtype=torch.float64)
    y = torch.tensor([[0.1, 0.6, 0.3]], dtype=torch.float64)
    total = sum(function(a.item(), b.item(), 3) for a, b in zip(h[0], y[0], strict=True))
    if closed_form(ready(name)).over == "mean":
        total /= 3
    expected = ready(name).loss.per_sample(h.log(), y).item()
    assert total == pytest.approx(expected, rel=1e-10, abs=1e-10)


def test_latex_is_simplified_and_rounded_on_request():
    mse = Artifact(TaylorFamily(), Candidate(None, (0.25, 0.5, 0.0, -1 / 3, 0.0, 2 / 3, 0.0, 0.0)))
    ready = ReadyLoss("mse", mse.build(), "", "", artifact=mse)
    full = export_text(ready, "latex")
    assert "0.333333333333333" in full
    short = export_text(ready, "latex", digits=3)
    # (h - 1/2)^2 / 3 - 2 (h - 1/2) (y - 1/4) / 3 has h - 1/2 as a factor.
    assert short == (
        r"\mathcal{L} = \frac{1}{n} \sum_{k=1}^{n} \left[ \left(0.333 h_{k} - "
        r"0.667 y_{k}\right) \left(h_{k} - 0.5\right) \right]" + "\n"
    )


def test_latex_of_a_normalised_loss_has_its_scale():
    plain, normalised = (export_text(ready(n), "latex") for n in ("order3", "order3_normalised"))
    assert plain != normalised
    assert "nan" not in normalised


def test_json_is_the_artefact_itself():
    text = export_text(ready("order4_normalised"), "json")
    assert Artifact.from_json(text) == LEARNED["order4_normalised"]
    published = json.loads(export_text(find_loss("taylorglo-allcnnc-cifar10"), "json"))
    assert published["candidate"]["theta"][2] == -373.917


@pytest.mark.parametrize(
    ("name", "num_classes", "any_count"),
    [("order3_normalised", 10, True), ("sparse_label_smoothing", 7, False)],
)
def test_onnx_agrees_with_onnxruntime(name, num_classes, any_count, tmp_path):
    onnxruntime = pytest.importorskip("onnxruntime")
    path = tmp_path / "new" / "loss.onnx"
    note = export_file(ready(name), "onnx", path, num_classes=num_classes)
    assert (note == "") == any_count
    session = onnxruntime.InferenceSession(str(path))
    for batch, classes in [(1, num_classes), (5, num_classes), *([(4, 23)] if any_count else [])]:
        logits, target = 3 * torch.randn(batch, classes), torch.randint(classes, (batch,))
        (value,) = session.run(None, {"logits": logits.numpy(), "target": target.numpy()})
        expected = ready(name).loss(logits, target).item()
        assert float(value) == pytest.approx(expected, rel=2e-5, abs=1e-5)
    assert os.getcwd().encode() not in path.read_bytes()


def test_onnx_without_its_package_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxscript", None)
    with pytest.raises(ExportError, match=r"pip install .lightning-lossmeta\[onnx\]"):
        export_file(ready("order3"), "onnx", tmp_path / "x.onnx")
    assert not (tmp_path / "x.onnx").exists()


@pytest.mark.parametrize("format", ["python", "latex", "sympy"])
@pytest.mark.parametrize("name", sorted(JOINT))
def test_losses_that_mix_classes_point_to_onnx(name, format):
    with pytest.raises(ExportError, match=f"'{name}' is not a mean or sum over classes.*onnx"):
        export_text(ready(name), format)


def test_a_family_without_expressions_points_to_onnx(monkeypatch):
    monkeypatch.setattr(TaylorFamily, "expression", LossFamily.expression)
    with pytest.raises(ExportError, match="try --format onnx"):
        export_text(ready("order3"), "latex")


def test_a_hand_made_loss_has_no_artefact():
    with pytest.raises(ExportError, match=r"class_path lightning_lossmeta\.losses\.Baikal"):
        export_text(ready("baikal"), "json")


@pytest.mark.parametrize("format", ["python", "json", "onnx"])
def test_exact_formats_refuse_to_round(format, tmp_path):
    with pytest.raises(ExportError, match="latex and sympy"):
        export_file(ready("order3"), format, tmp_path / "x", digits=3)


def test_digits_and_formats_that_do_not_exist():
    with pytest.raises(ExportError, match="positive"):
        export_text(ready("order3"), "latex", digits=0)
    with pytest.raises(ExportError, match="no text format 'word'"):
        export_text(ready("order3"), "word")


@pytest.mark.parametrize("loss", [Focal(gamma=0.5), GeneralizedCrossEntropy(q=1.0)])
def test_other_parameters_than_the_usual(loss):
    text = export_text(ReadyLoss("loss", loss, "A loss.", "L"), "python")
    space = {}
    exec(compile(text, "exported", "exec"), space)
    logits = torch.tensor([[40.0, 0, 0], [0.3, 0.1, -2]], requires_grad=True)
    target = torch.tensor([0, 2])
    found = space["ExportedLoss"]()(logits, target)
    torch.testing.assert_close(found, loss(logits, target))
    (gradient,) = torch.autograd.grad(found, logits)
    assert gradient.isfinite().all()


H, Y = SYMBOLS.h, SYMBOLS.y


@pytest.mark.parametrize(
    "expression",
    [
        H / sqrt(1 + Y**2),
        sympy.sign(H - Y) * tanh(H * Y) - 1,
        sqrt(Abs(H - Y) + sympy.Float(1e-10)),
        sympy.log(Abs(H - Y) + sympy.Float(1e-10)) ** 2,
        Min(H, Y, sympy.Float(0.3)) + Max(Y - H, 2 * H, -1),
        (H**2 + Y) ** sympy.Rational(-3, 2),
        1 / (1 + H) - Y / H**2 + H ** sympy.Float(1.5) + 3 * sqrt(H),
        sympy.Rational(2, 3) * H * (1 - Y) / SYMBOLS.n - sympy.log(SYMBOLS.n),
        sympy.Integer(1),
    ],
)
def test_the_operators_of_symbolic_losses_are_written_for_torch(expression):
    code = TorchPrinter().doprint(expression)
    h = torch.tensor([0.01, 0.4, 0.99], dtype=torch.float64)
    y = torch.tensor([1.0, 0.2, 0.5], dtype=torch.float64)
    names = {"torch": torch, "math": math, "h": h, "y": y, "n": 3, "log_h": h.log()}
    found = eval(code, {**names, "bounded_exp": torch.exp})
    function = sympy.lambdify([H, Y, SYMBOLS.n], expression, "math")
    expected = [function(a, b, 3) for a, b in zip(h.tolist(), y.tolist(), strict=True)]
    assert torch.as_tensor(found).expand(3).tolist() == pytest.approx(expected, rel=1e-12)
