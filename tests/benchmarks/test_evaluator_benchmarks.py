"""What the benchmarks of evaluators measure is what they say."""

import time

import pytest
import torch

from lightning_lossmeta.benchmarks import memory, population, timing, workloads
from lightning_lossmeta.evaluators import AutoEvaluator, ProcessEvaluator


@pytest.mark.parametrize(
    ("name", "products"),
    [
        ("digits-MLP", 64 * 64 + 64 * 10),
        ("MNIST-logistic", 784 * 10),
        ("MLP-1000", 784 * 1000 + 1000 * 10),
        (
            "LeNet-5",
            28 * 28 * 25 * 6 + 10 * 10 * 150 * 16 + 400 * 120 + 120 * 84 + 84 * 10,
        ),
    ],
)
def test_operations_by_hand(name, products):
    assert workloads.WORKLOADS[name].flops() == 3 * 2 * 100 * products


def test_the_plain_loop_trains(monkeypatch):
    task = workloads.WORKLOADS["digits-MLP"].task("bf16-mixed", "cpu")
    ticks = iter(range(10))
    loop = workloads.PlainLoop(task, "cpu", lambda: float(next(ticks)))
    assert loop.fit(2) == 1.0
    trained = []
    real = torch.optim.SGD.step
    monkeypatch.setattr(
        torch.optim.SGD, "step", lambda self, *a, **k: trained.append(real(self, *a, **k))
    )
    loop.fit(7)
    assert len(trained) == 7


def test_the_rate_counts_two_operations_a_product():
    now = iter([0.0, 2.0])
    rate = workloads.matmul_rate(torch.float32, "cpu", lambda: next(now))
    assert rate == 4 * 2 * 1024**3 / 2.0


def test_processes_are_left_out_on_one_core():
    many, one = timing.evaluators("cpu", True), timing.evaluators("cpu", False)
    assert set(many) - set(one) == {"processes"}
    for found, expected in ((many, 3), (one, 2)):
        auto = found["auto"]
        assert isinstance(auto, AutoEvaluator)
        assert len(auto.evaluators) == expected
    assert not any(isinstance(item, ProcessEvaluator) for item in one.values())


def test_rows_and_table(monkeypatch):
    few = {name: timing.evaluators("cpu", False)[name] for name in ("trainer", "auto")}
    monkeypatch.setattr(timing, "evaluators", lambda device, processes: few)
    rows = timing.measure(workloads.WORKLOADS["digits-MLP"], "32-true", "cpu", False, 2, 1)
    assert [row["evaluator"] for row in rows] == ["plain loop", "trainer", "auto"]
    assert rows[0]["times_faster"] == 1
    for row in rows:
        assert row["step_ms"] > 0
        ratio = rows[0]["step_ms"] / row["step_ms"]
        assert row["times_faster"] == pytest.approx(ratio)
        assert row["share"] == pytest.approx(
            2_841_600 / row["step_ms"] / 1e-3 / (row["rate_gflops"] * 1e9)
        )
        row["peak_mb"] = 1.0
    assert "PopulationEvaluator" in rows[-1]["chosen"]
    assert population.table(rows).row_count == 3


def test_peak_memory_sees_a_block():
    before = timing._peak("cpu")
    block = torch.ones(30_000_000)
    assert timing._peak("cpu") >= before
    del block
    assert timing._peak("cpu") >= 120


def test_growth_of_a_few_fits():
    started = time.perf_counter()
    found = memory.growth(fits=3, warm=1, steps=1)
    assert found["fits"] == 3
    assert found["growth_mb"] == pytest.approx(
        found["at_the_end_mb"] - found["after_warm_up_mb"], abs=50
    )
    assert time.perf_counter() - started < 60
