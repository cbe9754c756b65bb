"""A search that was stopped goes on as if it had not been."""

import json
from functools import partial

import numpy as np
import pytest
import torch
from small_search import history, small_search
from torch import nn

from lightning_lossmeta import (
    AutoEvaluator,
    CMAESSearcher,
    CrossEntropy,
    DigitsDataModule,
    LossNormalisation,
    MachineError,
    MetaCallback,
    PopulationEvaluator,
    SupervisedModule,
    TaylorFamily,
    TrainerEvaluator,
)
from lightning_lossmeta.callbacks.search_state import load_state


class _StopAt(MetaCallback):
    """Interrupts in the middle of a generation."""

    def __init__(self, generation, error=KeyboardInterrupt):
        self.generation = generation
        self.error = error

    def on_generation_start(self, search, generation):
        if generation == self.generation:
            raise self.error


@pytest.mark.parametrize("stopped_at", [0, 1, 2])
def test_an_interrupted_search_goes_on_bit_for_bit(tmp_path, stopped_at):
    small_search(tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt, match="--resume"):
        small_search(tmp_path / "cut", [_StopAt(stopped_at)])
    assert len(history(tmp_path / "cut")) == 4 * stopped_at
    with (tmp_path / "cut" / "history.csv").open("a") as file:
        file.write(f"{stopped_at},0,ok,0.5,0.1,")  # what a crash may leave of a row
    result = small_search(None, resume=str(tmp_path / "cut"))
    assert history(tmp_path / "whole") == history(tmp_path / "cut")
    whole = json.loads((tmp_path / "whole" / "state.json").read_text())
    cut = json.loads((tmp_path / "cut" / "state.json").read_text())
    assert whole == cut
    assert (tmp_path / "whole" / "best.json").read_text() == (
        tmp_path / "cut" / "best.json"
    ).read_text()
    assert result.directory == tmp_path / "cut"


def test_interrupted_before_anything_was_done(tmp_path):
    with pytest.raises(KeyboardInterrupt, match=r"before the first generation was done.*--resume"):
        small_search(tmp_path / "run", [_StopAt(0)])
    assert small_search(None, resume=str(tmp_path / "run")).directory == tmp_path / "run"


def test_interrupted_while_the_evaluator_was_not_chosen(tmp_path):
    def evaluator():
        return AutoEvaluator([TrainerEvaluator(), PopulationEvaluator()], good_enough=0.0)

    with pytest.raises(KeyboardInterrupt):
        small_search(tmp_path / "run", [_StopAt(0)], evaluator=evaluator(), generations=1)
    small_search(None, resume=str(tmp_path / "run"), evaluator=evaluator(), generations=1)
    assert len(history(tmp_path / "run")) == 4


def test_a_search_goes_on_with_the_evaluator_that_it_chose(tmp_path):
    def evaluator():
        return AutoEvaluator([TrainerEvaluator(), PopulationEvaluator()], good_enough=0.0)

    small_search(tmp_path / "run", evaluator=evaluator(), generations=1)
    before = json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"]
    again = evaluator()
    small_search(None, resume=str(tmp_path / "run"), evaluator=again, generations=2)
    assert again.state_dict()["chosen"] == before["chosen"] != {}
    assert json.loads((tmp_path / "run" / "state.json").read_text())["evaluator"] == before


def test_more_generations_may_be_asked_of_a_finishedsmall_search(tmp_path):
    small_search(tmp_path / "run", generations=2)
    small_search(None, resume=str(tmp_path / "run"), generations=3)
    small_search(tmp_path / "whole", generations=3)
    assert history(tmp_path / "run") == history(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"steps": 16}, "session.steps: 15 -> 16"),
        ({"seed": 9}, "seed"),
        ({"searcher": CMAESSearcher(population=5)}, "searcher.population: 4 -> 5"),
        ({"family": TaylorFamily(start="mae")}, "family.start: 'mse' -> 'mae'"),
        ({"data": DigitsDataModule(batch_size=50)}, "batch_size: 100 -> 50"),
        ({"evaluator": TrainerEvaluator()}, "evaluator"),
        ({"callbacks": [LossNormalisation()]}, "family"),
    ],
)
def test_resume_refuses_other_settings_and_names_them(tmp_path, change, key):
    small_search(tmp_path / "run", generations=1)
    with pytest.raises(ValueError, match=key):
        small_search(None, resume=str(tmp_path / "run"), **change)


class _Hidden(nn.Module):
    """A network with a setting that is not printed."""

    def __init__(self, temperature=1.0, link=None):
        super().__init__()
        self.layer = nn.Linear(64, 10)
        self.temperature = temperature
        self.link = link

    def forward(self, inputs):
        return self.layer(inputs.flatten(1)) / self.temperature


class _LargeData(DigitsDataModule):
    def __init__(self, extra=None):
        super().__init__()
        self.extra = extra


def _module(network=None, lr=0.1, kind=torch.optim.SGD, loss=None):
    network = _Hidden() if network is None else network
    return SupervisedModule(network, loss, optimizer=partial(kind, lr=lr))


@pytest.mark.parametrize(
    ("change", "key"),
    [
        ({"module": _module(lr=0.9)}, r"optimizers\.param_groups\.0\.lr: 0\.1 -> 0\.9"),
        ({"module": _module(kind=torch.optim.Adam)}, r"optimizers\.class: .*SGD.* -> .*Adam"),
        ({"module": _module(_Hidden(2.0))}, r"network\.temperature: 1\.0 -> 2\.0"),
        ({"module": _module(loss=nn.MSELoss())}, r"loss_fn\.class: .*CrossEntropy.* -> .*MSELoss"),
        (
            {"module": _module(loss=CrossEntropy(weight=torch.ones(10)))},
            r"loss_fn\.weight: None -> .*float64 \(10,\)",
        ),
        ({"data": _LargeData(np.ones(3))}, r"data\.extra: None -> .*array.*\(3,\)"),
        ({"data": _LargeData(torch.ones(3))}, r"data\.extra: None -> .*float32 \(3,\)"),
        ({"data": _LargeData({"rate": 0.3})}, r"data\.extra: None -> \{'rate': 0\.3\}"),
    ],
)
def test_resume_sees_what_is_not_printed(tmp_path, change, key):
    same = {"module": _module(), "data": _LargeData()}
    small_search(tmp_path / "run", generations=1, **same)
    with pytest.raises(ValueError, match=key):
        small_search(None, resume=str(tmp_path / "run"), **{**same, **change})
    small_search(None, resume=str(tmp_path / "run"), generations=1, **same)


def test_the_state_stays_small_whatever_the_data_hold(tmp_path):
    data = _LargeData([torch.zeros(5000, 784), np.zeros((5000, 784)), list(range(100_000))])
    network = nn.Sequential(nn.Flatten(), nn.Linear(64, 4000), nn.ReLU(), nn.Linear(4000, 10))
    small_search(tmp_path / "run", generations=1, module=_module(network), data=data)
    state = json.loads((tmp_path / "run" / "state.json").read_text())
    assert len(json.dumps(state["settings"])) < 50_000


def test_what_cannot_be_compared_is_said_and_the_rest_is_compared(tmp_path):
    def module(lr=0.1):
        return _module(_Hidden(link=lambda x: x), lr)

    small_search(tmp_path / "run", generations=1, module=module())
    with (
        pytest.raises(ValueError, match=r"optimizers\.param_groups\.0\.lr"),
        pytest.warns(UserWarning, match="which can't be seen.*`module.network.link`"),
    ):
        small_search(None, resume=str(tmp_path / "run"), module=module(0.9))
    with pytest.warns(UserWarning, match="which can't be seen.*`module.network.link`"):
        small_search(None, resume=str(tmp_path / "run"), generations=2, module=module())
    assert len(history(tmp_path / "run")) == 8


def test_resume_of_what_is_no_run(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"state\.json"):
        small_search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{")
    with pytest.raises(ValueError, match="no JSON"):
        small_search(None, resume=str(tmp_path))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(ValueError, match="state of a search"):
        small_search(None, resume=str(tmp_path))


def test_a_full_disk_leaves_the_last_state_readable(tmp_path, monkeypatch):
    import lightning_lossmeta.artifacts.files as files

    real = files.os.fsync
    calls = []

    def fsync(descriptor):
        calls.append(descriptor)
        if len(calls) > 9:
            raise OSError(28, "No space left on device")
        real(descriptor)

    monkeypatch.setattr(files.os, "fsync", fsync)
    with pytest.raises(MachineError, match=r"No space left.*; make room.* --resume .*run"):
        small_search(tmp_path / "run", generations=50)
    monkeypatch.undo()
    done = len(load_state(tmp_path / "run").history)
    assert 0 < done < 50
    small_search(None, resume=str(tmp_path / "run"), generations=done + 1)
    small_search(tmp_path / "whole", generations=done + 1)
    assert history(tmp_path / "run") == history(tmp_path / "whole")
