"""A search in loggers of Lightning."""

import csv
import statistics

import pytest
import yaml
from pytorch_lightning.loggers import CSVLogger, TensorBoardLogger
from small_search import history, small_search
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_lossmeta.callbacks import SearchLogger


def test_generations_are_logged_to_files_and_boards(tmp_path):
    table, board = CSVLogger(tmp_path / "csv"), TensorBoardLogger(tmp_path / "board")
    callbacks = [SearchLogger(table), SearchLogger(board)]
    result = small_search(tmp_path / "run", callbacks)
    with open(f"{table.log_dir}/metrics.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["step"] for row in rows] == ["1", "2", "3"]
    fitness = [float(row["fitness"]) for row in history(tmp_path / "run")]
    assert float(rows[-1]["fitness/best"]) == pytest.approx(max(fitness))
    assert float(rows[1]["fitness/median"]) == pytest.approx(statistics.median(fitness[4:8]))
    with open(f"{table.log_dir}/hparams.yaml") as file:
        settings = yaml.safe_load(file)
    assert settings["seed"] == 7
    assert settings["formula"] == result.artifact.formula()
    events = EventAccumulator(board.log_dir)
    events.Reload()
    best = [event.value for event in events.Scalars("fitness/best")]
    assert best == pytest.approx([float(row["fitness/best"]) for row in rows])


def test_what_is_no_logger_is_refused():
    with pytest.raises(TypeError, match="logger of Lightning, got str"):
        SearchLogger("wandb")
