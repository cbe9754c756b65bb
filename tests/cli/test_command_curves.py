import csv
import math
import re

import pytest
from searches import make_search, run_search

from lightning_lossmeta.__main__ import main as lossmeta
from lightning_lossmeta.callbacks import CandidateCurves, SearchHistory
from lightning_lossmeta.cli.commands import curves
from lightning_lossmeta.cli.curves.runs import (
    HISTORY,
    NEEDED,
    UNNAMED,
    UnreadableRunError,
    find_runs,
    read_run,
    wall_seconds,
)
from lightning_lossmeta.cli.curves.summary import (
    LOST,
    TRAINED,
    Quantity,
    bests,
    quantities,
    shares,
    summarise_runs,
)

SCORE = "monitor: val_loss\nmode: min\n"
#: Status, filter, fitness, seconds; two generations of four.
COLUMNS = ("generation", "index", "status", "filter", "fitness")
COLUMNS += ("seconds", "structure", "theta", "message")
FIRST = [
    [
        ("ok", "", -0.5, 1.5),
        ("diverged", "", "-inf", 0.25),
        ("rejected", "RejectionFilter", "-inf", 0),
        ("failed", "", "-inf", 0.25),
    ],
    [
        ("ok", "", -0.75, 2.0),
        ("cached", "SymbolicArchive", -0.25, 0),
        ("diverged", "SymbolicArchive", "-inf", 0),
        ("ok", "", -0.6, 1.0),
    ],
]
SECOND = [
    [("rejected", "RejectionFilter", "-inf", 0)] * 3 + [("diverged", "", "-inf", 1.0)],
    [("ok", "", -0.5, 1.0)] * 4,
    [("ok", "", -0.125, 1.0)] * 4,
]


def write(folder, generations, score=SCORE, end=""):
    rows = [",".join(COLUMNS)]
    for number, outcomes in enumerate(generations):
        for index, (status, name, fitness, seconds) in enumerate(outcomes):
            rows.append(f"{number},{index},{status},{name},{fitness},{seconds},,0.5 1.0,")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / HISTORY).write_text("\n".join(rows) + "\n" + end)
    if score:
        (folder / "config.yaml").write_text(score)
    return folder


def squeezed(text):
    return re.sub(r"[\s│┃]+", " ", text)


def table_of(path):
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    return {
        (r["method"], r["quantity"], r["filter"]): (r["runs"], r["mean"], r["std"]) for r in rows
    }


def test_the_files_are_those_that_a_search_writes(tmp_path):
    assert SearchHistory.file_name == HISTORY
    SearchHistory().on_search_start(make_search(tmp_path))
    header = (tmp_path / HISTORY).read_text().strip().split(",")
    assert {*NEEDED, "filter"} <= set(header)


def test_the_score_is_the_first_objective_of_the_session(tmp_path):
    one = "monitor: null\nsession:\n  objectives: [{monitor: val_loss, mode: min, weight: 1.0}]\n"
    run = read_run(write(tmp_path / "one", FIRST, score=one))
    assert (run.monitor, run.best_so_far()) == ("val_loss", [0.5, 0.25])
    several = one.replace("}]", "}, {monitor: val_acc, mode: max}]")
    assert read_run(write(tmp_path / "several", FIRST, score=several)).monitor == "fitness"


def test_numbers_of_one_run(tmp_path):
    run = read_run(write(tmp_path / "a", FIRST))
    assert run.best_so_far() == [0.5, 0.25]
    assert (run.monitor, run.mode, run.unfinished) == ("val_loss", "min", 0)
    found = quantities(run, ["RejectionFilter", "SymbolicArchive"])
    assert math.isnan(found.pop(Quantity("wall seconds")))
    assert found == {
        Quantity("best score"): 0.25,
        Quantity("generations"): 2,
        Quantity("candidates"): 8,
        Quantity("trained"): 3,
        Quantity("diverged"): 1,
        Quantity("failed"): 1,
        Quantity("rejected", "RejectionFilter"): 1,
        Quantity("cached", "RejectionFilter"): 0,
        Quantity("rejected", "SymbolicArchive"): 1,
        Quantity("cached", "SymbolicArchive"): 1,
        Quantity("core seconds"): 5.0,
    }


def test_shares_and_curves_over_runs_of_one_method(tmp_path):
    runs = [read_run(write(tmp_path / "a", FIRST)), read_run(write(tmp_path / "b", SECOND))]
    found = shares(runs, ["RejectionFilter", "SymbolicArchive"])
    assert {name: part.tolist() for name, part in found.items()} == {
        TRAINED: [0.125, 0.75],
        LOST: [0.375, 0.0],
        "RejectionFilter": [0.5, 0.0],
        "SymbolicArchive": [0.0, 0.25],
    }
    table = bests(runs).tolist()
    assert table[0][0] == 0.5
    assert math.isnan(table[0][1]), "nothing was trained yet"
    assert table[1:] == [[0.25, 0.5]], "as long as the shortest run"


def test_mean_and_deviation_over_runs(tmp_path):
    groups = {
        "m": [read_run(write(tmp_path / "a", FIRST)), read_run(write(tmp_path / "b", SECOND))]
    }
    found = summarise_runs(groups)["m"]
    assert found[Quantity("candidates")] == (10.0, pytest.approx(math.sqrt(8)))
    assert found[Quantity("best score")] == (0.1875, pytest.approx(0.125 / math.sqrt(2)))
    assert found[Quantity("rejected", "RejectionFilter")] == (2.0, pytest.approx(math.sqrt(2)))
    assert found[Quantity("core seconds")] == (7.0, pytest.approx(math.sqrt(8)))


def test_the_command(tmp_path, capsys):
    runs = [write(tmp_path / "m-1", FIRST), write(tmp_path / "m-seed2", SECOND)]
    runs.append(write(tmp_path / "other", SECOND))
    out = tmp_path / "new" / "out"
    assert lossmeta(["curves", *map(str, runs), "--out", str(out)]) == 0
    shown, errors = capsys.readouterr()
    assert errors == ""
    for part in (
        "m: runs of 2 to 3 generations",
        "runs 2 1",
        "best val_loss 0.1875 ± 0.0884 0.1250",
        "candidates 10.0 ± 2.8 12",
        "rejected by RejectionFilter 2.0 ± 1.4 3",
        "cached by SymbolicArchive 0.5 ± 0.7 0",
        "wall seconds unknown unknown",
    ):
        assert part in squeezed(shown)
    assert "cached by RejectionFilter" not in shown
    assert max(map(len, shown.split(str(out))[0].splitlines())) <= 100
    for name in curves.FILES:
        assert str(out / name) in shown
        assert (out / name).stat().st_size > 500
    found = table_of(out / "curves.csv")
    assert found["other", "core seconds", ""] == ("1", "9.0", "")
    assert found["m", "core seconds", ""][:2] == ("2", "7.0")
    assert found["m", "wall seconds", ""] == ("2", "", "")
    assert found["m", "cached", "RejectionFilter"] == ("2", "0.0", "0.0")


def test_a_real_search(tmp_path, capsys):
    search = make_search(tmp_path)
    told = run_search(search, [CandidateCurves(pictures=False), SearchHistory()], 3)
    assert curves.main([str(tmp_path)]) == 0
    shown = squeezed(capsys.readouterr().out)
    assert "best fitness 0.7300" in shown
    assert re.search(r"rejected by [\w ]+ 3 ", shown)
    found = table_of(tmp_path / "curves.csv")
    assert found[tmp_path.name, "trained", ""] == ("1", "6.0", "")
    assert found[tmp_path.name, "core seconds", ""] == ("1", "3.0", "")
    best = float(found[tmp_path.name, "best score", ""][1])
    assert best == max(item.fitness for part in told for item in part)
    wall = float(found[tmp_path.name, "wall seconds", ""][1])
    assert 0 < wall < 60
    (file,) = (tmp_path / "tensorboard" / "search").iterdir()
    for damaged in (file.read_bytes()[:-20], b"no events at all", b""):
        file.write_bytes(damaged)
        assert not wall_seconds(tmp_path) > wall, "what can be read"


def test_methods_by_the_names_of_folders(tmp_path):
    names = ["m-1", "m_seed2", "m-seed-3", "m", "one-1", "x-1/m-1", "x-1/m-2", "y-20", "z-1", "3"]
    for name in names:
        write(tmp_path / name, FIRST)
    found = find_runs([str(tmp_path / name) for name in names], [])
    short = {
        label: [str(path.relative_to(tmp_path)) for path in paths] for label, paths in found.items()
    }
    assert short == {
        str(tmp_path / "m"): ["m-1", "m_seed2", "m-seed-3", "m"],
        "one-1": ["one-1"],
        str(tmp_path / "x-1" / "m"): ["x-1/m-1", "x-1/m-2"],
        "y-20": ["y-20"],
        "z-1": ["z-1"],
        "3": ["3"],
    }


def test_labels_and_patterns(tmp_path):
    for name in ("a-1", "a-2", "b", "c-1", "c-2"):
        write(tmp_path / name, FIRST)
    (tmp_path / "a-3").mkdir()
    given = [("mine", f"{tmp_path}/a-*"), ("mine", f"{tmp_path}/b"), ("mine", f"{tmp_path}/b")]
    found = find_runs([f"{tmp_path}/*"], given)
    assert {label: [path.name for path in paths] for label, paths in found.items()} == {
        "mine": ["a-1", "a-2", "b"],
        "c": ["c-1", "c-2"],
    }
    with pytest.raises(UnreadableRunError, match=r"got two for '.*b'"):
        find_runs([], [("x", f"{tmp_path}/b"), ("y", f"{tmp_path}/b")])
    with pytest.raises(UnreadableRunError, match=r"no folder '.*q\*' with a history.csv"):
        find_runs([f"{tmp_path}/q*"], [])


@pytest.mark.parametrize(
    ("generations", "end", "kept", "left"),
    [
        (FIRST, "2,0,ok,,-0.1", 2, 0),
        (FIRST[:1], "0,4,ok,,-0.1", 0, 4),
        (FIRST[:1], "1,0,ok,,-0.1", 1, 0),
        ([*FIRST, FIRST[0][:3]], "", 2, 3),
        ([*FIRST, FIRST[0][:1]], "2,1,ok", 2, 1),
        (FIRST[:1], "", 1, 0),
        ([], "0,0,o", 0, 0),
        ([], "", 0, 0),
    ],
)
def test_a_generation_under_way_is_left_out(tmp_path, generations, end, kept, left):
    run = read_run(write(tmp_path, generations, end=end))
    assert (len(run.generations), run.unfinished) == (kept, left)


def test_runs_without_a_generation_are_left_out(tmp_path, capsys):
    begun, done = write(tmp_path / "begun", []), write(tmp_path / "done", FIRST)
    assert curves.main([str(begun)]) == 2
    assert "at least one run with a finished generation" in capsys.readouterr().err
    assert curves.main([str(begun), str(done)]) == 0
    assert f"'{begun}' has no finished generation yet: left out" in capsys.readouterr().out
    assert (begun / "fitness.png").exists(), "the first run's folder"
    assert {key[0] for key in table_of(begun / "curves.csv")} == {"done"}


def test_a_history_without_filters(tmp_path):
    path = write(tmp_path, FIRST) / HISTORY
    rows = [line.split(",") for line in path.read_text().splitlines()]
    path.write_text("".join(",".join(row[:3] + row[4:]) + "\n" for row in rows))
    found = quantities(read_run(tmp_path), [UNNAMED])
    assert found[Quantity("rejected", UNNAMED)] == 1
    assert found[Quantity("cached", UNNAMED)] == 1
    assert found[Quantity("diverged")] == 2


def test_the_best_loss_tells_the_score_before_the_configuration(tmp_path):
    write(tmp_path, FIRST)
    (tmp_path / "best.json").write_text('{"provenance": {"monitor": "val_fgsm", "mode": "max"}}')
    run = read_run(tmp_path)
    assert (run.monitor, run.best_so_far()) == ("val_fgsm", [-0.5, -0.25])
    run = read_run(write(tmp_path / "bare", FIRST, score=""))
    assert (run.monitor, run.best_so_far()) == ("fitness", [-0.5, -0.25])


def _damaged(path, **files):
    write(path, FIRST)
    for name, content in files.items():
        (path / name.replace("_", ".")).write_bytes(content)


HEAD = ",".join(COLUMNS).encode() + b"\n"


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({"history_csv": b""}, "to have columns"),
        ({"history_csv": b"generation,status,fitness\n0,ok,1\n"}, "not {'seconds'}"),
        ({"history_csv": HEAD + b"0,0,fine,,1,1,,,\n"}, "line 2: 'fine' is not a valid Status"),
        ({"history_csv": HEAD + b"0,0,ok,,much,1,,,\n"}, "line 2: could not convert"),
        ({"history_csv": HEAD + b"0,0,ok\n"}, "line 2: float() argument"),
        ({"history_csv": HEAD + b"3,0,ok,,1,1,,,\n"}, "generation 3 after 0 generations"),
        ({"history_csv": HEAD + b"0,0,ok,,1,1,,\xff,\n"}, "to be a text file"),
        ({"best_json": b"{"}, "best.json' to tell `monitor` and `mode`"),
        ({"best_json": b'{"provenance": {"monitor": 1, "mode": "max"}}'}, "best.json' to tell"),
        ({"config_yaml": b"a: b: c"}, "config.yaml' to tell"),
        ({"config_yaml": b""}, "config.yaml' to tell"),
        ({"config_yaml": b"monitor: x\nmode: up"}, "config.yaml' to tell"),
    ],
)
def test_damaged_files_are_named(tmp_path, capsys, files, message):
    _damaged(tmp_path, **files)
    assert curves.main([str(tmp_path)]) == 2
    errors = capsys.readouterr().err
    assert errors.startswith("lossmeta curves: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert not set(curves.FILES) & {file.name for file in tmp_path.iterdir()}


def test_what_is_no_run_is_told(tmp_path, capsys):
    assert curves.main([str(tmp_path / "nowhere")]) == 2
    assert "nowhere' is no folder" in capsys.readouterr().err
    assert curves.main([str(tmp_path)]) == 2
    assert f"'{tmp_path}' holds no history.csv" in capsys.readouterr().err
    one = write(tmp_path / "one", FIRST)
    two = write(tmp_path / "two", FIRST, score="monitor: val_accuracy\nmode: max\n")
    assert curves.main([str(one), str(two)]) == 2
    assert "val_loss (min) in" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [[], ["--label", "x"], ["--label", "=x"], ["--label", "x="]])
def test_arguments_are_checked(arguments, capsys):
    with pytest.raises(SystemExit) as caught:
        curves.main(arguments)
    assert caught.value.code == 2
    assert "expected" in capsys.readouterr().err
