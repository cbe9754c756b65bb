"""What the benchmarks measure is what they say."""

import json

import pytest
import torch

from lightning_lossmeta.benchmarks import invariant, record, sparse_lsr
from lightning_lossmeta.families import TaylorLoss


@pytest.mark.parametrize("num_classes", [2, 10, 100])
def test_digits(num_classes):
    data = invariant.digits(num_classes, seed=0)
    assert data.labels.unique().tolist() == list(range(num_classes))
    assert data.inputs.shape[1] == (128 if num_classes == 100 else 64)
    assert data.inputs.max() == 1
    if num_classes == 100:
        halves = torch.cat([data.validation_inputs[:, :64], data.validation_inputs[:, 64:]])
        training = {tuple(row) for row in invariant.digits(10, seed=0).inputs.tolist()}
        shared = sum(tuple(row) in training for row in halves.tolist())
        assert shared == 0


def test_stacked_training_is_training_one_by_one():
    thetas = torch.tensor([[0, 0, 0, -1.0, 0, 2, 0, 0], [0.3, -0.2, 0.5, -1, 0.7, 1.1, -0.4, 0.9]])
    data = invariant.digits(10, seed=3)
    stacked = invariant.train(thetas.double(), data, 10, learning_rate=1.0, seed=3, steps=60)
    for theta, accuracy in zip(thetas.tolist(), stacked.tolist(), strict=True):
        torch.manual_seed(3)
        network = torch.nn.Sequential(
            torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 10)
        )
        optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
        generator = torch.Generator().manual_seed(3)
        for _ in range(60):
            batch = torch.randint(len(data.inputs), (100,), generator=generator)
            optimizer.zero_grad()
            TaylorLoss(theta)(network(data.inputs[batch]), data.labels[batch]).backward()
            optimizer.step()
        found = network(data.validation_inputs).argmax(1)
        alone = (found == data.validation_labels).float().mean().item()
        assert accuracy == pytest.approx(alone, abs=0.005)


def test_figures_of_the_invariant():
    result = invariant.measure(10, losses=4, seed=0, steps=2)
    assert result["threshold"] == pytest.approx(0.3)
    assert result["learning_rates"] == pytest.approx([0.1, 1.0])
    assert len(result["accuracies"][0]) == 4
    assert all(0 <= value <= 1 for value in result["exact"].values())


def test_sparse_table_and_record(tmp_path, monkeypatch):
    rows = sparse_lsr.measure(3, rounds=1, seconds=1e-4)
    assert len(rows) == 5
    assert all(row["forward"] > 0 for row in rows)
    assert sparse_lsr.table(rows, softmax=False).row_count == 1
    monkeypatch.setattr("sys.argv", ["x", "--seed", "7"])
    path = record.save("sparse_lsr", rows, tmp_path, seed=7)
    text = json.loads(path.read_text())
    assert text["command"] == "python -m lightning_lossmeta.benchmarks.sparse_lsr --seed 7"
    assert text["figures"] == rows
    assert text["machine"]["torch"] == torch.__version__


def test_a_stored_measurement_is_drawn_without_measuring(tmp_path, monkeypatch, capsys):
    def refuse(*arguments):
        raise RuntimeError("measured")

    path = record.save(
        "sparse_lsr", sparse_lsr.measure(3, rounds=1, seconds=1e-4), tmp_path, batch=7
    )
    stored, picture = path.read_text(), tmp_path / "new" / "figure.png"
    monkeypatch.setattr(sparse_lsr, "measure", refuse)
    monkeypatch.setattr("sys.argv", ["x", "--from-json", str(path), "--figure", str(picture)])
    sparse_lsr.main()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    assert path.read_text() == stored
    assert "with log-softmax" in capsys.readouterr().out


def test_a_picture_of_another_kind_is_refused_before_measuring(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["x", "--figure", "x.gif"])
    with pytest.raises(SystemExit):
        sparse_lsr.main()
    assert "`--figure` to end in .png, .svg, .pdf, got 'x.gif'" in capsys.readouterr().err
