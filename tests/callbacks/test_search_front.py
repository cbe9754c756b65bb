import csv
import math

import pytest
from searches import make_search
from strangers import BlobsData, StrangersNet
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from lightning_lossmeta.artifacts import Artifact, FrontFile
from lightning_lossmeta.callbacks import CandidateCurves, SearchCheckpoint, SearchFront
from lightning_lossmeta.callbacks.history import SearchHistory
from lightning_lossmeta.callbacks.search_state import load_state
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.search.run_folder import restore
from lightning_lossmeta.searchers import CMAESSearcher, NSGA2Searcher
from lightning_lossmeta.task import Objective, Session, Task

TWO = (Objective("val_acc"), Objective("val_loss", "min"))
# Objectives of four candidates a generation: accuracy, and the loss with its sign turned.
SCORES = [
    [None, (0.5, -1.0), (0.4, -0.5), (0.3, -2.0)],
    [(0.6, -1.5), (0.45, -0.4), (0.2, -0.6), None],
    [(0.1, -0.1), (0.55, -0.9), None, None],
]


def _search(directory, searcher=None, objectives=TWO):
    searcher = searcher or NSGA2Searcher(4)
    family = TaylorFamily(start="mse")
    searcher.start(family.space, 0, objectives)
    tasks = [Task(StrangersNet(), BlobsData(), Session(steps=5, objectives=objectives))]
    return make_search(directory, searcher=searcher, tasks=tasks, family=family)


def _generation(search, callbacks):
    number = search.searcher.generation
    told = [
        Evaluation(candidate, status=Status.DIVERGED)
        if scores is None
        else Evaluation(candidate, scores[: len(search.objectives)], Status.OK)
        for candidate, scores in zip(search.searcher.ask(), SCORES[number], strict=True)
    ]
    search.searcher.tell(told)
    for item in told:
        search.front.add(number, item)
    for callback in callbacks:
        callback.on_generation_end(search, number, told)


def _run(search, callbacks, generations=3):
    for callback in callbacks:
        callback.on_search_start(search)
    for _ in range(generations):
        _generation(search, callbacks)
    for callback in callbacks:
        callback.on_search_end(search)


def _area(points, reference, cells=400):
    """Share of a grid of cells that points dominate, above the reference and below (1, 0)."""
    (low_x, low_y), count = reference, 0
    width, height = 1 - low_x, 0 - low_y
    for i in range(cells):
        for j in range(cells):
            x, y = low_x + (i + 0.5) * width / cells, low_y + (j + 0.5) * height / cells
            count += any(a >= x and b >= y for a, b in points)
    return width * height * count / cells**2


def test_front_knee_and_volumes_are_written(tmp_path):
    search = _search(tmp_path)
    _run(search, [SearchFront()])
    found = FrontFile.load(tmp_path / "front.json")
    assert found.objectives == (("val_acc", "max"), ("val_loss", "min"))
    expected = [(0.6, 1.5), (0.55, 0.9), (0.45, 0.4), (0.1, 0.1)]
    assert [item.scores for item in found.members] == expected
    assert [item.generation for item in found.members] == [1, 2, 1, 2]
    # Scaled: (1, 0), (0.9, 0.43), (0.7, 0.79), (0, 1).
    assert found.members[found.knee].scores == (0.45, 0.4)
    assert found.reference == (0.3, 2.0), "the worst of each in the first generation"
    fronts = [
        [(0.5, -1.0), (0.4, -0.5)],
        [(0.5, -1.0), (0.6, -1.5), (0.45, -0.4)],
        [(0.6, -1.5), (0.55, -0.9), (0.45, -0.4)],
    ]
    volumes = [_area(front, (0.3, -2.0)) for front in fronts]
    assert found.hypervolumes == pytest.approx(volumes, abs=0.01)
    assert found.hypervolumes[0] == pytest.approx(0.1 * 1.5 + 0.1 * 1.0)
    assert (tmp_path / "front.png").read_bytes()[:4] == b"\x89PNG"


def test_each_member_is_a_learned_loss(tmp_path):
    search = _search(tmp_path)
    _run(search, [SearchFront()])
    found = FrontFile.load(tmp_path / "front.json")
    assert [item.file for item in found.members] == [f"front/0{i}.json" for i in range(4)]
    by_accuracy = {e.evaluation.objectives[0]: e.evaluation.candidate for e in search.front}
    for item in found.members:
        artifact = Artifact.load(tmp_path / item.file)
        assert artifact.candidate == by_accuracy[item.scores[0]]
        assert artifact.formula() == item.formula
        assert artifact.provenance["objectives"] == {
            "val_acc": item.scores[0],
            "val_loss": item.scores[1],
        }


def test_while_a_search_goes_on_there_are_no_losses_yet(tmp_path):
    search, callback = _search(tmp_path), SearchFront()
    callback.on_search_start(search)
    _generation(search, [callback])
    found = FrontFile.load(tmp_path / "front.json")
    assert [item.file for item in found.members] == ["", ""]
    assert not (tmp_path / "front").exists()


def test_a_resumed_search_writes_the_same(tmp_path):
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    for folder in (whole, cut):
        folder.mkdir()
    _run(_search(whole), [SearchFront(), SearchCheckpoint()])
    _run(_search(cut), [SearchFront(), SearchCheckpoint()], 2)
    again = _search(cut)

    class Nothing:
        def load_state_dict(self, state):
            pass

    restore(again, Nothing())
    _run(again, [SearchFront(), SearchCheckpoint()], 1)
    for name in ("front.json", "best.json", "front/00.json", "front/03.json"):
        assert (whole / name).read_bytes() == (cut / name).read_bytes(), name
    assert len(load_state(cut).front) == 4


def test_one_objective_has_no_front(tmp_path):
    search = _search(tmp_path, CMAESSearcher(4), TWO[:1])
    _run(search, [SearchFront()])
    assert list(tmp_path.iterdir()) == []


def test_the_best_loss_is_the_knee_if_a_front_is_looked_for_else_that_of_the_best_sum(tmp_path):
    for name, searcher, accuracy in (
        ("front", NSGA2Searcher(4), 0.45),
        ("sum", CMAESSearcher(4), 0.45 if 0.45 - 0.4 > 0.1 - 0.1 else 0.1),
    ):
        folder = tmp_path / name
        folder.mkdir()
        search = _search(folder, searcher)
        _run(search, [SearchCheckpoint()])
        best = Artifact.load(folder / "best.json")
        assert best.provenance["objectives"]["val_acc"] == accuracy
        assert search.best.objectives[0] == accuracy


def test_a_knee_that_moves_to_an_older_candidate_is_written(tmp_path):
    """In the second generation the front's end moves away, and what was no knee becomes one."""
    search = _search(tmp_path)
    checkpoint = SearchCheckpoint()
    checkpoint.on_search_start(search)
    scores = [
        [(0.5, -0.2), (0.9, -0.8), (1.0, -1.0), None],
        [(0.0, -0.19), None, None, None],
    ]
    knees = []
    for number, generation in enumerate(scores):
        told = [
            Evaluation(c, status=Status.FAILED) if own is None else Evaluation(c, own, Status.OK)
            for c, own in zip(search.searcher.ask(), generation, strict=True)
        ]
        search.searcher.tell(told)
        for item in told:
            search.front.add(number, item)
        checkpoint.on_generation_end(search, number, told)
        knees.append(Artifact.load(tmp_path / "best.json").provenance["objectives"]["val_acc"])
    assert knees == [0.9, 0.5]


def test_history_and_tensorboard_have_all_of_it(tmp_path):
    search = _search(tmp_path)
    _run(search, [SearchHistory(), CandidateCurves()])
    with (tmp_path / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [rows[1][name] for name in ("val_acc", "val_loss")] == ["0.5", "1.0"]
    assert [rows[0][name] for name in ("val_acc", "val_loss")] == ["", ""]
    folder = str(tmp_path / "tensorboard" / "search")
    events = EventAccumulator(folder, {"images": 0, "scalars": 0}).Reload()
    found = [(event.step, event.value) for event in events.Scalars("front/hypervolume")]
    again = _search(tmp_path / "again")
    (tmp_path / "again").mkdir()
    _run(again, [SearchFront()])
    volumes = FrontFile.load(tmp_path / "again" / "front.json").hypervolumes
    assert found == [(i + 1, pytest.approx(v, rel=1e-6)) for i, v in enumerate(volumes)]
    assert [event.value for event in events.Scalars("front/size")] == [2, 3, 4]
    (picture,) = events.Images("front")
    assert picture.step == 3
    assert math.prod((picture.width, picture.height)) > 100_000


def test_a_search_without_any_score_has_an_empty_front(tmp_path):
    search, callback = _search(tmp_path), SearchFront()
    callback.on_search_start(search)
    told = [Evaluation(c, status=Status.FAILED) for c in search.searcher.ask()]
    search.searcher.tell(told)
    callback.on_generation_end(search, 0, told)
    callback.on_search_end(search)
    found = FrontFile.load(tmp_path / "front.json")
    assert (found.members, found.knee, found.reference, found.hypervolumes) == (
        (),
        None,
        (),
        (0.0,),
    )
