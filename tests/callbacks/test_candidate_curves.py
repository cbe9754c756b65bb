import math
import time
from dataclasses import replace

import pytest
from searches import evaluate, make_search, run_search
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_lossmeta.callbacks import CandidateCurves, SearchHistory
from lightning_lossmeta.evaluation import Status


def _events(folder):
    events = EventAccumulator(str(folder), {"images": 0, "scalars": 0, "tensors": 0})
    events.Reload()
    return events


def _values(events, tag):
    return [(event.step, pytest.approx(event.value, abs=1e-6)) for event in events.Scalars(tag)]


def _runs(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.glob("gen*/cand*"))


def test_one_run_a_candidate_with_its_curves(tmp_path):
    search = make_search(tmp_path)
    told = run_search(search, [CandidateCurves(pictures=False)], 2)
    folder = tmp_path / "tensorboard"
    assert _runs(folder) == [f"gen{g:03d}/cand{c:02d}" for g in range(2) for c in range(4)]
    events = _events(folder / "gen001" / "cand02")
    assert {"train_loss", "val_acc", "fitness"} <= set(events.Tags()["scalars"])
    for tag, curve in told[1][2].curves.items():
        assert _values(events, tag) == list(curve)
    assert _values(events, "fitness")[0] == (0, told[1][2].fitness)


def test_a_candidate_without_a_score_has_no_fitness(tmp_path):
    run_search(make_search(tmp_path), [CandidateCurves(pictures=False)], 1)
    folder = tmp_path / "tensorboard" / "gen000"
    assert "train_loss" not in _events(folder / "cand00").Tags()["scalars"]
    diverged = _events(folder / "cand01").Tags()["scalars"]
    assert "train_loss" in diverged
    assert "fitness" not in diverged


def test_parameters_stand_in_the_candidates_own_run(tmp_path):
    search = make_search(tmp_path)
    told = run_search(search, [CandidateCurves(pictures=False)], 1)
    events = _events(tmp_path / "tensorboard" / "gen000" / "cand03")
    data = events.summary_metadata["_hparams_/session_start_info"].plugin_data.content
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    found = HParamsPluginData.FromString(data).session_start_info.hparams
    assert found["status"].string_value == "ok"
    for index, value in enumerate(told[0][3].candidate.theta):
        assert found[f"theta{index}"].number_value == value


def test_the_run_of_the_search(tmp_path):
    search = make_search(tmp_path)
    run_search(search, [CandidateCurves(pictures=False)], 3)
    events = _events(tmp_path / "tensorboard" / "search")
    assert _values(events, "fitness/best") == [(1, 0.53), (2, 0.63), (3, 0.73)]
    assert _values(events, "fitness/median") == [(1, 0.525), (2, 0.625), (3, 0.725)]
    assert _values(events, "fitness/generation") == [(1, 0.53), (2, 0.63), (3, 0.73)]
    counts = {status: 0 for status in Status} | {
        Status.OK: 2,
        Status.REJECTED: 1,
        Status.DIVERGED: 1,
    }
    for status, count in counts.items():
        tag = f"candidates/{status.value}"
        assert _values(events, tag) == [(g, count) for g in range(1, 4)]
    assert len(events.Scalars("diversity")) == 3


def _filtered(search, callbacks, generations):
    """A search whose candidates were judged by these filters."""
    for callback in callbacks:
        callback.on_search_start(search)
    for names in generations:
        evaluations = evaluate(search.searcher.ask(), 0)
        search.searcher.tell(evaluations)
        named = [replace(item, filter=name) for item, name in zip(evaluations, names, strict=True)]
        for callback in callbacks:
            callback.on_generation_end(search, search.searcher.generation - 1, named)
    for callback in callbacks:
        callback.on_search_end(search)


def test_how_many_candidates_each_filter_judged(tmp_path):
    search = make_search(tmp_path)
    generations = [["A", "", "", ""], ["", "", "", ""], ["B", "B", "A", "B"], ["B", "", "", ""]]
    _filtered(search, [CandidateCurves(pictures=False)], generations)
    events = _events(tmp_path / "tensorboard" / "search")
    assert _values(events, "filters/A") == [(1, 1), (2, 0), (3, 1), (4, 0)]
    assert _values(events, "filters/B") == [(3, 3), (4, 1)]


def test_resumed_knows_the_filters_that_were_seen(tmp_path):
    search = make_search(tmp_path)
    _filtered(search, [CandidateCurves(pictures=False), SearchHistory()], [["A", "", "", ""]])
    with (tmp_path / "history.csv").open("a") as file:
        file.write("1,0,ok,B,0.5,0.1,,0.1 0.2,\n")  # of a generation that a crash cut
    _filtered(search, [CandidateCurves(pictures=False), SearchHistory()], [[""] * 4])
    events = _events(tmp_path / "tensorboard" / "search")
    assert _values(events, "filters/A") == [(1, 1), (2, 0)]
    assert "filters/B" not in events.Tags()["scalars"]


def test_another_search_begins_without_filters(tmp_path):
    callback = CandidateCurves(pictures=False)
    _filtered(make_search(tmp_path / "one"), [callback], [["A", "", "", ""]])
    _filtered(make_search(tmp_path / "two"), [callback], [[""] * 4])
    tags = _events(tmp_path / "two" / "tensorboard" / "search").Tags()["scalars"]
    assert not [tag for tag in tags if tag.startswith("filters/")]


def test_only_the_best_of_every_nth_generation(tmp_path):
    callback = CandidateCurves(top_k=1, every_n_generations=2, pictures=False)
    run_search(make_search(tmp_path), [callback], 3)
    assert _runs(tmp_path / "tensorboard") == ["gen000/cand03", "gen002/cand03"]
    events = _events(tmp_path / "tensorboard" / "search")
    assert len(events.Scalars("fitness/best")) == 3


def test_resumed_drops_what_a_crash_left(tmp_path):
    search = make_search(tmp_path)
    first = CandidateCurves(pictures=False)
    run_search(search, [first], 1)
    # A crash amid generation 1: its curves are written, but the searcher was not told.
    first.on_search_start(search)
    crashed = evaluate(search.searcher.ask(), 7)
    first.on_generation_end(search, 1, crashed)
    first.on_search_end(search)
    assert len(_runs(tmp_path / "tensorboard")) == 8
    time.sleep(1.1)  # event files are read by name, and their names tell seconds apart
    second = CandidateCurves(top_k=1, pictures=False)
    run_search(search, [second], 1)
    assert _runs(tmp_path / "tensorboard") == [
        *[f"gen000/cand{c:02d}" for c in range(4)],
        "gen001/cand03",
    ]
    events = _events(tmp_path / "tensorboard" / "search")
    assert _values(events, "fitness/generation") == [(1, 0.53), (2, 0.63)]


def test_a_picture_a_generation(tmp_path):
    search = make_search(tmp_path)
    run_search(search, [CandidateCurves()], 1)
    images = _events(tmp_path / "tensorboard" / "search").Images("best loss")
    assert [image.step for image in images] == [1]
    assert images[0].encoded_image_string.startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments", [{"top_k": 0}, {"top_k": -1}, {"every_n_generations": 0}])
def test_refuses(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` to be at least 1"):
        CandidateCurves(**arguments)


def test_every_candidate_rejected_is_no_fault(tmp_path):
    search = make_search(tmp_path)
    callback = CandidateCurves()
    callback.on_search_start(search)
    rejected = [evaluate(search.searcher.ask(), 0)[0]] * 4
    callback.on_generation_end(search, 0, rejected)
    callback.on_search_end(search)
    tags = _events(tmp_path / "tensorboard" / "search").Tags()
    assert "fitness/best" not in tags["scalars"]
    assert tags["images"] == []
    assert math.isinf(rejected[0].fitness)
