"""What every callback of the outer loop keeps."""

import copy
import json
import pickle

import pytest
from searches import evaluate, make_search, run_search
from strangers import BlobsData, StrangersNet
from walking import concrete_subclasses, constructor_arguments

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.callbacks import InvariantCheck, MetaCallback, SearchHistory
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families import LossFamily, TaylorFamily
from lightning_lossmeta.task import Task

CALLBACKS = concrete_subclasses(MetaCallback)


@pytest.fixture(params=CALLBACKS, ids=lambda cls: cls.__name__)
def callback(request):
    return request.param.example()


def test_the_walk_finds_what_there_is():
    assert {InvariantCheck, SearchHistory} <= set(CALLBACKS)


def test_takes_part_in_a_search(callback, tmp_path):
    search = make_search(tmp_path)
    run_search(search, [callback], 2)
    assert search.searcher.generation == 2


def test_takes_part_in_a_resumed_search(callback, tmp_path):
    search = make_search(tmp_path)
    run_search(search, [callback], 1)
    run_search(search, [type(callback).example()], 1)
    assert search.searcher.generation == 2


def test_a_search_that_ends_before_it_began(callback, tmp_path):
    callback.on_search_end(make_search(tmp_path))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("method", ["screen", "screen_refined"])
def test_screens_or_lets_pass(callback, method, tmp_path):
    search = make_search(tmp_path)
    callback.on_search_start(search)
    for candidate in search.searcher.ask():
        verdict = getattr(callback, method)(candidate, search.family.build(candidate))
        assert verdict is None or isinstance(verdict, Evaluation)
        assert verdict is None or (verdict.candidate == candidate and not verdict.trained)
    callback.on_search_end(search)


def test_gives_a_family_and_a_session(callback):
    assert isinstance(callback.wrap_family(TaylorFamily(start="mse"), 3), LossFamily)
    assert isinstance(callback.configure_task(Task(StrangersNet(), BlobsData())), Task)


def test_evaluations_are_not_changed(callback, tmp_path):
    search = make_search(tmp_path)
    told = run_search(search, [callback], 1)
    expected = evaluate([item.candidate for item in told[0]], 0)
    assert told[0] == expected


def test_can_be_copied_and_sent(callback):
    for copied in (copy.deepcopy(callback), pickle.loads(pickle.dumps(callback))):
        assert fingerprint(copied) == fingerprint(callback)


def test_what_it_was_made_with_can_be_read_off(callback):
    found = fingerprint(callback)
    assert set(constructor_arguments(type(callback))) <= set(found)
    json.dumps(found, allow_nan=False)
