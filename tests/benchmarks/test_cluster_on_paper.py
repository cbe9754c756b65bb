"""What many workers are worth on paper, against sums by hand."""

import pytest

from lightning_lossmeta.benchmarks.cluster import amdahl, foreseen


def test_efficiency_is_training_time_over_workers_time():
    # 25 trainings of 10 s on 10 workers: three rounds, and 0.5 + 25 * 0.02 = 1 s of the driver.
    assert foreseen(10.0, 25, 10, 0.02, 0.5) == pytest.approx(250 / (10 * 31))
    # As many workers as trainings, and nothing serial: all of them train all the time.
    assert foreseen(10.0, 25, 25, 0.0, 0.0) == 1.0
    # More workers than trainings: the others wait.
    assert foreseen(10.0, 25, 100, 0.0, 0.0) == 0.25


def test_no_number_of_workers_passes_what_the_driver_hands_out():
    rows = amdahl(0.004, lambda population: 0.1)
    assert {row["population"] for row in rows} == {25, 1000}
    assert all(row["trainings_a_second"] < 1 / 0.004 for row in rows)
    assert all(0 < row["efficiency"] <= 1 for row in rows)
