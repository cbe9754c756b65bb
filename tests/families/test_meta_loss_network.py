"""Meta-loss networks against NumPy by hand, and where their searches start."""

import numpy as np
import pytest
import torch

from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.artifacts.export_onnx import to_onnx
from lightning_lossmeta.artifacts.export_python import to_python
from lightning_lossmeta.artifacts.zoo import ReadyLoss
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.data import DigitsDataModule, EpisodeDataModule
from lightning_lossmeta.families import FixedMetaLossNetwork, MetaLossNetworkFamily
from lightning_lossmeta.losses import CrossEntropy
from lightning_lossmeta.models import MLP
from lightning_lossmeta.modules import SupervisedModule
from lightning_lossmeta.search.preflight import check_loss
from lightning_lossmeta.task import Session, Task


def _softplus(x):
    return np.logaddexp(0, x)


def _split(theta, *shapes):
    parts, place = [], 0
    for shape in shapes:
        size = int(np.prod(shape))
        parts.append(np.array(theta[place : place + size]).reshape(shape))
        place += size
    assert place == len(theta)
    return parts


def _by_hand(theta, z, y, c=2, m=3):
    """The loss of one sample, class after class."""
    a, a0, b, b0, w, w0, v = _split(theta, (c, 2), c, (c, 1), c, (m, 3 * c), m, m)
    log_h = z - np.log(np.exp(z).sum())
    h = np.exp(log_h)
    channels = [_softplus(a @ np.array([h[k], log_h[k] / 4]) + a0) for k in range(len(z))]
    context = sum(y[k] * channels[k] for k in range(len(z)))
    values = []
    for k in range(len(z)):
        own = _softplus(b[:, 0] * y[k] + b0)
        values.append(v @ _softplus(w @ np.concatenate([channels[k], own, context]) + w0))
    return np.mean(values)


def _fixed_by_hand(theta, z, y, n=3, m=2):
    a, a0, b, b0, w, w0, v = _split(theta, (n, n), n, (n, n), n, (m, 2, 3), m, m)
    p = _softplus(a @ (np.exp(z) / np.exp(z).sum()) + a0)
    q = _softplus(b @ y + b0)
    padded = np.stack([np.concatenate([[0], p, [0]]), np.concatenate([[0], q, [0]])])
    values = [
        v @ _softplus(np.array([(w[i] * padded[:, k : k + 3]).sum() for i in range(m)]) + w0)
        for k in range(n)
    ]
    return np.mean(values)


@pytest.mark.parametrize(
    ("family", "reference"),
    [
        (MetaLossNetworkFamily(channels=2, hidden=3), _by_hand),
        (MetaLossNetworkFamily(hidden=2, num_classes=3), _fixed_by_hand),
    ],
)
def test_values_and_slopes_are_those_of_numpy(family, reference):
    theta = family.draw(4).theta
    loss = family.build(Candidate(None, theta))
    generator = np.random.default_rng(0)
    for soft in (False, True):
        z = 2 * generator.standard_normal(3)
        y = generator.dirichlet(np.ones(3)) if soft else np.eye(3)[1]
        logits = torch.tensor(z).unsqueeze(0).requires_grad_()
        target = torch.tensor(y).unsqueeze(0) if soft else torch.tensor([1])
        value = loss(logits, target)
        assert value.item() == pytest.approx(reference(theta, z, y), abs=1e-12)
        step = 1e-6 * np.eye(3)
        slopes = [(reference(theta, z + e, y) - reference(theta, z - e, y)) / 2e-6 for e in step]
        np.testing.assert_allclose(torch.autograd.grad(value, logits)[0][0], slopes, atol=1e-8)


@pytest.mark.parametrize("classes", [2, 3, 26, 100])
def test_the_order_of_classes_makes_no_difference_whatever_their_number(classes):
    family = MetaLossNetworkFamily()
    loss = family.build(family.draw(1))
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(40, classes, generator=generator, dtype=torch.float64)
    target = torch.randint(classes, (40,), generator=generator)
    order = torch.randperm(classes, generator=generator)
    permuted = loss.per_sample(logits[:, order], order.argsort()[target])
    torch.testing.assert_close(permuted, loss.per_sample(logits, target))
    assert permuted.std() > 0


@pytest.mark.parametrize("widths", [(3, 8), (2, 2), (5, 20)])
@pytest.mark.parametrize("classes", [2, 10, 26, 100])
def test_the_distilled_start_has_the_slopes_of_cross_entropy(widths, classes):
    family = MetaLossNetworkFamily(*widths)
    loss = family.build(Candidate(None, family.space.start))
    generator = torch.Generator().manual_seed(3)
    logits = 3 * torch.randn(200, classes, generator=generator, dtype=torch.float64)
    target = torch.randint(classes, (200,), generator=generator)
    slopes = []
    for function, share in ((loss, 1.0), (CrossEntropy(), 10 / classes)):
        free = logits.clone().requires_grad_()
        slopes.append(share * torch.autograd.grad(function(free, target), free)[0])
    assert (slopes[0] - slopes[1]).norm() < 1e-2 * slopes[1].norm()


def test_extreme_logits_leave_values_and_slopes_finite():
    for family in (MetaLossNetworkFamily(), MetaLossNetworkFamily(num_classes=4)):
        loss = family.build(Candidate(None, family.space.start))
        for dtype in (torch.float32, torch.float64):
            logits = 1e4 * torch.tensor([[1.0, -1, 0, 0], [0, 0, 0, 0], [-1, 1, 1, -1]])
            logits = logits.to(dtype).requires_grad_()
            value = loss(logits, torch.tensor([1, 2, 0]))
            assert value.isfinite()
            assert torch.autograd.grad(value, logits)[0].isfinite().all()


def test_zero_trains_nothing_and_random_samples_are_drawn_anew():
    zero = MetaLossNetworkFamily(start="zero")
    logits = torch.randn(5, 3, requires_grad=True)
    value = zero.build(Candidate(None, zero.space.start))(logits, torch.tensor([0, 1, 2, 0, 1]))
    assert not torch.autograd.grad(value, logits)[0].any()
    drawn = MetaLossNetworkFamily(start="random")
    one, other = (np.array(drawn.space.sample(seed, sigma=0.0).theta) for seed in (0, 1))
    assert np.abs(one - other).min() > 0
    # uniform on +-1/sqrt(inputs), of which A has 2, B one, W 9 and the readout 8
    bounds = np.repeat([2, 1, 9, 8], [9, 6, 80, 8]) ** -0.5
    assert (np.abs(one) <= bounds).all()
    assert np.abs(one[-8:]).max() > 0.2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"channels": 0}, "`channels`"),
        ({"hidden": 2.5}, "`hidden`"),
        ({"num_classes": 1}, "`num_classes`"),
        ({"start": "mse"}, "`start`"),
    ],
)
def test_what_makes_no_network_is_refused(arguments, message):
    with pytest.raises(ValueError, match=f"Expected argument {message}"):
        MetaLossNetworkFamily(**arguments)


def test_a_loss_for_ten_classes_is_refused_on_seven_before_any_training():
    family = MetaLossNetworkFamily(num_classes=10)
    loss = family.build(Candidate(None, family.space.start))
    data = EpisodeDataModule(DigitsDataModule(), ways=7, queries=20)
    task = Task(SupervisedModule(MLP(64, [4], 7)), data, Session(accelerator="cpu"))
    with pytest.raises(ValueError, match=r"for 7 classes.* fixed to 10"):
        check_loss(loss, task, "paper's")
    with pytest.raises(ValueError, match=r"logits of 10 classes.* got 7"):
        loss(torch.zeros(1, 7), torch.tensor([0]))


def test_the_forms_do_not_read_each_other():
    free, fixed = MetaLossNetworkFamily(), MetaLossNetworkFamily(num_classes=3)
    loss = fixed.build(fixed.draw(0))
    assert isinstance(loss, FixedMetaLossNetwork)
    assert fixed.read(loss) == fixed.draw(0)
    again = Artifact.from_json(Artifact.of(fixed, fixed.draw(0)).to_json()).build()
    assert torch.equal(again.theta, loss.theta)
    with pytest.raises(ValueError, match="Expected a FreeMetaLossNetwork"):
        free.read(loss)


def test_onnx_takes_any_number_of_classes(tmp_path):
    runtime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    family = MetaLossNetworkFamily()
    loss = family.build(family.draw(0))
    ready = ReadyLoss("MLN", loss, None, "network")
    assert to_onnx(ready, tmp_path / "loss.onnx")
    session = runtime.InferenceSession(tmp_path / "loss.onnx")
    logits, target = torch.randn(7, 26), torch.arange(7)
    (found,) = session.run(None, {"logits": logits.numpy(), "target": target.numpy()})
    assert found == pytest.approx(loss(logits, target).item(), rel=1e-5)


def test_the_exported_python_file_is_the_loss_itself():
    family = MetaLossNetworkFamily()
    loss = family.build(family.draw(0))
    scope = {}
    exec(to_python(ReadyLoss("MLN", loss, 'a "quoted" remark', "network")), scope)
    exported = scope["ExportedLoss"]
    generator = torch.Generator().manual_seed(0)
    logits = 5 * torch.randn(9, 4, 2, generator=generator, dtype=torch.float64)
    target = torch.randint(4, (9, 2), generator=generator)
    target[3] = -100
    soft = torch.rand(9, 4, 2, generator=generator, dtype=torch.float64).softmax(dim=1)
    for given in (target, soft):
        torch.testing.assert_close(exported()(logits, given), loss(logits, given))
        slices = exported("none")(logits, given)
        torch.testing.assert_close(slices, loss.per_sample(logits, given))
