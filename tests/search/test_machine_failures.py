"""Data and disks that are gone stop a search, which then goes on as if nothing had been."""

import errno
import os
import zipfile
from pathlib import Path

import pytest
import torch
from small_search import history, small_search
from strangers import BlobsData
from torch.utils.data import DataLoader, Dataset

from lightning_lossmeta import (
    MLP,
    CMAESSearcher,
    ComparisonConfig,
    CrossEntropy,
    Finalists,
    MachineError,
    MetaCallback,
    PopulationEvaluator,
    ProcessEvaluator,
    RunStore,
    SearchError,
    SupervisedModule,
    Task,
    TaylorFamily,
    TrainerEvaluator,
    compare_losses,
)
from lightning_lossmeta.callbacks.search_state import load_state
from lightning_lossmeta.losses import Focal
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.task import Session


class _Readable(Dataset):
    """Samples on a disk that is gone while a file is there."""

    def __init__(self, samples, gone, error):
        self.samples = samples
        self.gone = gone
        self.error = error

    def __len__(self):
        return len(self.samples)

    def __getitem__(self, index):
        if self.gone.exists():
            raise self.error
        return self.samples[index]


class Mounted(BlobsData):
    def __init__(self, gone, error=None):
        super().__init__()
        self.gone = gone
        self.error = error or OSError(errno.EIO, os.strerror(errno.EIO), "images.lmdb")

    def train_dataloader(self):
        return DataLoader(_Readable(self.parts[0], self.gone, self.error), 20, shuffle=True)


class FlakyModule(SupervisedModule):
    """Breaks, by an error that says nothing about whose fault it is, while a file is there."""

    gone = Path("nowhere")

    def validation_step(self, batch, batch_idx):
        if self.gone.exists():
            raise RuntimeError("broken\nby something")
        return super().validation_step(batch, batch_idx)


class Breaks(MetaCallback):
    """Makes the file in the second generation, at its start or after its first training."""

    def __init__(self, gone, amid):
        self.gone = gone
        self.amid = amid

    def on_generation_start(self, search, generation):
        if generation == 1 and not self.amid:
            self.gone.touch()

    def on_progress(self, search, what, done, count):
        if search.searcher.generation == 1 and self.amid:
            self.gone.touch()


def _search(directory, data, callbacks=(), module=None, **settings):
    module = module or SupervisedModule(MLP(6, [4], 3))
    return small_search(directory, callbacks, module, data, **({"steps": 9} | settings))


SAID = r"Input/output error: 'images.lmdb'.* Go on with: lossmeta search --resume \S+/run$"


@pytest.mark.parametrize(("make", "amid"), [(TrainerEvaluator, True), (PopulationEvaluator, False)])
def test_data_that_are_gone_stop_a_search_which_then_goes_on_bit_for_bit(tmp_path, make, amid):
    run, whole = tmp_path / "run", tmp_path / "whole"
    evaluator, data = make(), Mounted(tmp_path / "gone")
    with pytest.raises(MachineError, match=SAID):
        _search(run, data, [Breaks(data.gone, amid)], evaluator=evaluator)
    assert len(load_state(run).history) == 1
    assert len(history(run)) == 4
    data.gone.unlink()
    _search(None, data, resume=str(run), evaluator=evaluator)
    _search(whole, data, evaluator=evaluator)
    assert history(run) == history(whole)
    for name in ("history.jsonl", "best.json"):
        assert (run / name).read_bytes() == (whole / name).read_bytes()


def test_what_a_worker_can_not_read_stops_the_search_too(tmp_path):
    data = Mounted(tmp_path / "gone")
    with pytest.raises(MachineError, match=SAID):
        _search(tmp_path / "run", data, [Breaks(data.gone, True)],
                evaluator=ProcessEvaluator(processes=1))  # fmt: skip
    assert len(load_state(tmp_path / "run").history) == 1


def test_whatever_reading_raises_is_no_candidates_fault(tmp_path):
    data = Mounted(tmp_path / "gone", zipfile.BadZipFile("Bad CRC-32"))
    with pytest.raises(MachineError, match=r"can't be read: BadZipFile: Bad CRC-32 \(.*\.py, line"):
        _search(tmp_path / "run", data, [Breaks(data.gone, True)], evaluator=TrainerEvaluator())


def test_a_generation_of_nothing_but_failures_is_done_again(tmp_path):
    data, module = Mounted(tmp_path / "other"), FlakyModule(MLP(6, [4], 3))
    module.gone = data.gone
    evaluator = TrainerEvaluator()
    said = "generation 2 failed, .* with: RuntimeError: broken by something Go on with: .*--resume"
    with pytest.raises(SearchError, match=said):
        _search(tmp_path / "run", BlobsData(), [Breaks(data.gone, False)], module,
                evaluator=evaluator)  # fmt: skip
    data.gone.unlink()
    _search(None, BlobsData(), (), module, resume=str(tmp_path / "run"), evaluator=evaluator)
    _search(tmp_path / "whole", BlobsData(), (), module, evaluator=evaluator)
    assert history(tmp_path / "run") == history(tmp_path / "whole")


class _BreaksAfter(MetaCallback):
    def __init__(self, gone):
        self.gone = gone

    def on_search_end(self, search):
        self.gone.touch()


def test_finalists_that_all_fail_are_no_result(tmp_path):
    module = FlakyModule(MLP(6, [4], 3))
    module.gone = tmp_path / "gone"
    settings = {"evaluator": TrainerEvaluator(), "finalists": Finalists(2, 1), "generations": 1}
    with pytest.raises(SearchError, match=r"Every finalist failed; .*broken.*--resume"):
        _search(tmp_path / "run", BlobsData(), [_BreaksAfter(module.gone)], module, **settings)
    module.gone.unlink()
    result = _search(None, BlobsData(), (), module, resume=str(tmp_path / "run"), **settings)
    whole = _search(tmp_path / "whole", BlobsData(), (), module, **settings)
    assert result.evaluation.objectives == whole.evaluation.objectives


class Odd(LossFunction):
    """Raises an error of the system, or gives what no training survives."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def per_sample(self, output, target):
        if self.error is None:
            return output.sum(dim=1) * torch.inf
        raise self.error


class Oddities(TaylorFamily):
    name = "oddities"

    def __init__(self, error, above):
        super().__init__(start="mse")
        self.error = error
        self.above = above

    def build(self, candidate):
        return Odd(self.error) if candidate.theta[0] > self.above else super().build(candidate)

    def settings(self):
        return {"above": self.above}


@pytest.mark.parametrize("evaluator", [TrainerEvaluator, PopulationEvaluator])
def test_what_a_loss_raises_is_its_own_whatever_the_type(tmp_path, evaluator):
    family = Oddities(OSError(errno.EIO, "mine"), above=0.0)
    _search(tmp_path / "run", BlobsData(), family=family, evaluator=evaluator(),
            searcher=CMAESSearcher(8))  # fmt: skip
    rows = history(tmp_path / "run")
    assert {row["status"] for row in rows} == {"ok", "failed"}
    for row in rows:
        assert (row["status"] == "failed") == (float(row["theta"].split()[0]) > 0)


def test_a_first_generation_without_a_score_is_said(tmp_path):
    failing = Oddities(ArithmeticError("mine"), above=-torch.inf)
    with pytest.raises(SearchError, match=r"Every candidate of the first generation.*Error: mine"):
        _search(tmp_path / "failing", BlobsData(), family=failing)
    assert history(tmp_path / "failing") == []
    diverging = Oddities(None, above=-torch.inf)
    said = r"No candidate of the first generation has a score; the first diverged.*learning rate"
    with pytest.warns(UserWarning, match=said), pytest.raises(SearchError, match="be trained"):
        _search(tmp_path / "diverging", BlobsData(), family=diverging, generations=1)


def test_a_comparison_stops_and_keeps_what_was_trained(tmp_path):
    data = Mounted(tmp_path / "gone")
    task = Task(SupervisedModule(MLP(6, [4], 3)), data, Session(steps=9))
    losses = {"CE": CrossEntropy(), "focal": Focal()}
    settings = ComparisonConfig(seeds=2, learning_rate_factors=(1.0,))
    done = []

    def compare(store, progress):
        return compare_losses(losses, task, TrainerEvaluator(), settings, progress, store)

    def breaks(stage, count, total):
        if count == 3:
            data.gone.touch()

    with pytest.raises(MachineError, match="Input/output error"):
        compare(RunStore(tmp_path / "trainings"), breaks)
    assert len(list((tmp_path / "trainings").iterdir())) == 3
    data.gone.unlink()
    rows = compare(RunStore(tmp_path / "trainings"), lambda *now: done.append(now))
    whole = compare(RunStore(), lambda *now: None)
    assert [row.scores for row in rows] == [row.scores for row in whole]
    assert len(list((tmp_path / "trainings").iterdir())) == 4
