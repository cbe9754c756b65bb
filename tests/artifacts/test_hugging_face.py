"""Cross-entropy by ``hf_loss`` trains tiny transformers as their own losses do; no download."""

import pytest
import torch

from lightning_lossmeta import hf_loss
from lightning_lossmeta.artifacts import Artifact, LearnedLoss
from lightning_lossmeta.artifacts.zoo import UnknownLossError
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.losses import BinaryCrossEntropy, RegressionSquaredError

SIZE = {"vocab_size": 11, "hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
TEXTS, LENGTH = 12, 6


@pytest.fixture(scope="module")
def transformers():
    pytest.importorskip("accelerate", reason="needs the extra hf")
    return pytest.importorskip("transformers", reason="needs the extra hf")


def _samples(kind, seed=0):
    generator = torch.Generator().manual_seed(seed)
    ids = torch.randint(11, (TEXTS, LENGTH), generator=generator)
    if kind == "sequence":
        labels = torch.randint(3, (TEXTS,), generator=generator)
    elif kind == "several":
        labels = torch.randint(2, (TEXTS, 3), generator=generator).float()
    elif kind == "number":
        labels = torch.randn(TEXTS, generator=generator)
    else:  # a different number of tokens counts in each batch
        labels = ids.clone() if kind == "language" else ids % 3
        labels[::2, 2:] = -100
    return [
        {"input_ids": i, "attention_mask": torch.ones_like(i), "labels": y}
        for i, y in zip(ids, labels, strict=True)
    ]


def _model(transformers, kind):
    torch.manual_seed(0)
    if kind == "language":
        config = transformers.GPT2Config(
            vocab_size=11, n_positions=8, n_embd=8, n_layer=1, n_head=2, bos_token_id=0
        )
        config.resid_pdrop = config.embd_pdrop = config.attn_pdrop = 0.0
        return transformers.GPT2LMHeadModel(config)
    config = transformers.BertConfig(**SIZE, intermediate_size=8, num_labels=3)
    config.hidden_dropout_prob = config.attention_probs_dropout_prob = 0.0
    if kind == "tokens":
        return transformers.BertForTokenClassification(config)
    if kind == "several":
        config.problem_type = "multi_label_classification"
    if kind == "number":
        config.num_labels = 1
    return transformers.BertForSequenceClassification(config)


def _weights(transformers, kind, folder, loss=None, parts=2, **options):
    """Weights after two steps of six samples, whose gradients are added up over the parts."""
    model = _model(transformers, kind)
    settings = {
        "output_dir": str(folder),
        "per_device_train_batch_size": 6 // parts,
        "gradient_accumulation_steps": parts,
        "max_steps": 2,
        "learning_rate": 0.1,
        "optim": "sgd",
        "report_to": [],
        "use_cpu": True,
        "save_strategy": "no",
        "disable_tqdm": True,
        "max_grad_norm": 0.0,
        "data_seed": 1,
    }
    transformers.Trainer(
        model=model,
        args=transformers.TrainingArguments(**settings, **options),
        train_dataset=_samples(kind),
        compute_loss_func=loss,
    ).train()
    return torch.cat([p.detach().flatten() for p in model.parameters()])


@pytest.mark.parametrize(
    ("kind", "loss"),
    [
        ("sequence", "cross_entropy"),
        ("tokens", "cross_entropy"),
        ("language", "cross_entropy"),
        ("several", BinaryCrossEntropy()),
        ("number", RegressionSquaredError()),
    ],
    ids=["sequence", "tokens", "language", "several", "number"],
)
def test_trains_in_parts_as_the_models_own_loss_in_one(transformers, kind, loss, tmp_path):
    start = torch.cat([p.detach().flatten() for p in _model(transformers, kind).parameters()])
    expected = _weights(transformers, kind, tmp_path, parts=1)
    found = _weights(transformers, kind, tmp_path, hf_loss(loss))
    assert (expected - start).abs().max() > 1e-3
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-6)


def test_a_learned_loss_trains_and_label_smoothing_changes_nothing(transformers, tmp_path):
    path = tmp_path / "best.json"
    Artifact(
        TaylorFamily(start="mse"), Candidate(None, TaylorFamily(start="mse").space.start)
    ).save(path)
    found = _weights(transformers, "sequence", tmp_path, hf_loss(path))
    smoothed = _weights(
        transformers, "sequence", tmp_path, hf_loss(path), label_smoothing_factor=0.3
    )
    assert torch.equal(found, smoothed)
    assert not torch.allclose(found, _weights(transformers, "sequence", tmp_path))


def test_sums_are_divided_by_the_items_of_all_batches(tmp_path):
    """Without transformers: outputs are a mapping, as its own are."""
    logits, labels = torch.randn(4, 5, 3), torch.tensor([[0, 1, -100, 2, 2]] * 4)
    Artifact(TaylorFamily(start="mse"), Candidate(None, (0.3,) * 8)).save(tmp_path / "a.json")
    loss = LearnedLoss(tmp_path / "a.json", "none")
    compute = hf_loss(str(tmp_path / "a.json"))
    each = loss(logits.movedim(-1, 1), labels)
    total = compute({"logits": logits}, labels, num_items_in_batch=torch.tensor(40))
    torch.testing.assert_close(total, each.sum() / 40)
    torch.testing.assert_close(compute({"logits": logits}, labels), each.sum() / 16)
    shifted = hf_loss(loss, causal=True)({"logits": logits}, labels, num_items_in_batch=1)
    torch.testing.assert_close(shifted, loss(logits[:, :-1].movedim(-1, 1), labels[:, 1:]).sum())


def test_what_it_can_not_use_is_refused():
    with pytest.raises(TypeError, match=r"a file, a name or a loss .* got CrossEntropyLoss"):
        hf_loss(torch.nn.CrossEntropyLoss())
    with pytest.raises(UnknownLossError, match=r"there is no file 'gone/best.json'"):
        hf_loss("gone/best.json")
    for outputs, labels in (({"logits": torch.zeros(2, 3)}, None), ((1, 2), torch.zeros(2))):
        with pytest.raises(ValueError, match="`logits` and the batch to have `labels`"):
            hf_loss("mse")(outputs, labels)
