"""The page of a run: what stands in it, what a file of a run can't do, and what is missing."""

import base64
import csv
import hashlib
import json
import re
import shutil
from html.parser import HTMLParser

import numpy as np
import pytest
from small_search import history, small_search

from lightning_lossmeta import Candidate, ComparisonConfig, InvariantCheck
from lightning_lossmeta.__main__ import main as lossmeta
from lightning_lossmeta.artifacts import Artifact
from lightning_lossmeta.comparison import Report, Row, with_p_values
from lightning_lossmeta.families import HandMadeFamily
from lightning_lossmeta.report import MissingChartsError, check_charts, page, write_report
from lightning_lossmeta.report.comparison_files import read_comparison
from lightning_lossmeta.search.run_lock import current_holder, run_lock

pytest.importorskip("vl_convert")
EVIL = "</script><script>alert(1)</script><img src=x onerror=alert(2)>"


class Page(HTMLParser):
    """Elements, attributes and texts of a page, by Python's own parser."""

    def __init__(self, path):
        super().__init__()
        self.tags, self.attributes, self.texts, self.scripts = [], [], [], []
        self._open = None
        self.feed(path.read_text("utf-8"))
        self.text = " ".join(" ".join(self.texts).split())
        self.specs = json.loads(self.scripts[0])

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self._open = tag

    def handle_endtag(self, tag):
        self._open = None

    def handle_data(self, data):
        (self.scripts if self._open == "script" else self.texts).append(data)

    @property
    def points(self):
        layers = self.specs["candidates"]["layer"]
        return [x for layer in layers for x in layer["data"]["values"] if _is_point(layer)]


def _is_point(layer):
    """Whether a layer has the candidates: not the line, nor the ring."""
    return layer["mark"].get("filled", False)


@pytest.fixture(scope="module")
def searched(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "small"
    comparison = ComparisonConfig(seeds=3, tuning_seeds=1, learning_rate_factors=(1.0, 3.0))
    small_search(folder, callbacks=[InvariantCheck()], comparison=comparison)
    return folder


@pytest.fixture
def run(searched, tmp_path):
    return shutil.copytree(searched, tmp_path / "run")


def test_a_search(run):
    shown = Page(write_report(run))
    rows = history(run)
    best = Artifact.load(run / "best.json")
    assert len(shown.points) == len(rows)
    scores = [point["y"] for point in shown.points if "y" in point]
    assert scores == [float(row["fitness"]) for row in rows if row["fitness"] != "-inf"]
    assert shown.specs["candidates"]["layer"][0]["data"]["values"][-1]["y"] == max(scores)
    learned = [point["formula"] for point in shown.points if "learned" in point]
    assert learned == [best.formula()]
    for line in (run / "comparison.md").read_text().splitlines():
        if line.startswith("- "):
            assert line[2:].replace("\\", "") in shown.text, "the verdict of the search itself"
    for part in (best.formula(), "SupervisedModule", "seed", "InvariantCheck", "load_loss"):
        assert part in shown.text or part in str(shown.specs)
    assert "math" in shown.tags


def test_the_page_loads_nothing_and_runs_one_script(run):
    path = write_report(run)
    shown = Page(path)
    (policy,) = re.findall(r"script-src 'sha256-([^']+)'", path.read_text("utf-8"))
    digest = hashlib.sha256(shown.scripts[1].encode()).digest()
    assert policy == base64.b64encode(digest).decode()
    names = [name for name, _ in shown.attributes]
    assert not {"src", "href", "onclick"} & set(names)
    assert any("default-src 'none'" in (value or "") for _, value in shown.attributes)
    charts = [value for name, value in shown.attributes if name == "aria-label"]
    assert sum("candidates of" in text for text in charts) == 1
    assert shown.attributes.count(("role", "img")) == len(shown.specs)


def _poisoned(run):
    """The run with markup in every text that a report shows."""
    with (run / "history.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    for row in rows:
        row[header.index("message")] = row[header.index("filter")] = EVIL
        row[header.index("structure")], row[header.index("theta")] = EVIL, ""
    header = [EVIL if name == "val_accuracy" else name for name in header]
    with (run / "history.csv").open("w", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    best = json.loads((run / "best.json").read_text())
    best["provenance"] |= {"monitor": EVIL, "versions": {EVIL: EVIL}, "seed": EVIL}
    best["provenance"]["not_learned"] = EVIL
    (run / "best.json").write_text(json.dumps(best))
    table = json.loads((run / "comparison.json").read_text())
    for item in table:
        item["loss"] = item["loss"].replace("MSE", EVIL)
        item["task"] = EVIL
    (run / "comparison.json").write_text(json.dumps(table))
    config = {"generations": 3, "model": {"class_path": EVIL, "init_args": {EVIL: EVIL}}}
    (run / "config.yaml").write_text(json.dumps(config))
    return run.rename(run.with_name(EVIL.replace("/", "-")))


def test_markup_in_a_run_is_text_in_its_report(run):
    clean = Page(write_report(run))
    shown = Page(write_report(_poisoned(run)))
    assert set(shown.tags) <= {*clean.tags, "details", "section", "p", "pre"}
    assert shown.tags.count("script") == clean.tags.count("script") == 2
    assert "onerror" not in dict(shown.attributes)
    assert shown.text.count(EVIL) > 5
    assert all(point["formula"].startswith(EVIL[:20]) for point in shown.points)


def _many(run, count):
    with (run / "history.csv").open(newline="") as file:
        header, *rows = csv.reader(file)
    generator = np.random.default_rng(0)
    with (run / "history.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])
        for number in range(len(rows), count):
            row = list(rows[0])
            row[:2] = [str(3 + number // 100), str(number % 100)]
            row[header.index("fitness")] = row[header.index("val_accuracy")] = str(
                generator.uniform()
            )
            row[header.index("theta")] = " ".join(map(str, generator.normal(size=8)))
            row[header.index("message")] = "a long message " * 30
            writer.writerow(row)


@pytest.mark.parametrize(("count", "drawn"), [(10_000, 10_000), (12_345, 10_000)])
def test_ten_thousand_candidates(run, count, drawn):
    _many(run, count)
    path = write_report(run)
    assert path.stat().st_size < 5_000_000
    shown = Page(path)
    assert abs(len(shown.points) - drawn) <= 1
    assert sum("learned" in point for point in shown.points) == 1
    assert all(point["formula"].startswith("mean_k[") for point in shown.points)
    assert f"{count} candidates of" in str(shown.attributes)
    assert ("left out, evenly" in shown.text) == (count > drawn)


def test_what_is_missing_is_said(run, capsys):
    with (run / "history.csv").open("a") as file:
        file.write("x,y,z\n3,0,ok,,0.9")
    (run / "best.json").write_text('{"format": 1}')
    (run / "config.yaml").write_text("generations: 30\n")
    (run / "comparison.json").write_text('[{"task": "t"}]')
    assert lossmeta(["report", str(run), "--out", str(run / "new" / "page.html")]) == 0
    text = Page(run / "new" / "page.html").text
    for part in (
        "2 lines of history.csv can't be read",
        "cut short in or after generation 3 of 30",
        "lossmeta search --resume",
        "expected a learned loss",
        "'comparison.json' is damaged",
        "nothing is known of whether the learned loss helps",
    ):
        assert part in text
    assert str(run / "new" / "page.html") in capsys.readouterr().out


def test_a_run_of_another_release(run):
    """Without columns that came later, and without what tables keep since."""
    with (run / "history.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    kept = [name for name in rows[0] if name not in ("filter", "trainings", "message")]
    with (run / "history.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, kept, extrasaction="ignore")
        writer.writeheader()
        writer.writerows(rows)
    table = json.loads((run / "comparison.json").read_text())
    for item in table:
        del item["searches"], item["at_edge"]
    (run / "comparison.json").write_text(json.dumps(table))
    (run / "state.json").write_text('{"version": 1}')
    shown = Page(write_report(run))
    assert len(shown.points) == len(rows)
    assert "is damaged" not in shown.text


def test_a_run_that_goes_on(run):
    assert current_holder(run) is None
    with run_lock(run):
        assert "this process since" in current_holder(run)
        assert "The run is still going, in this process since" in Page(write_report(run)).text
    assert current_holder(run) is None
    (run / ".lock-holder.json").write_text('{"pid": 4194399, "host": "elsewhere"}')
    assert "elsewhere" in current_holder(run)


@pytest.mark.parametrize("kind", ["nothing", "a file", "an empty folder"])
def test_no_run(kind, tmp_path, capsys):
    path = tmp_path / "place"
    if kind == "a file":
        path.write_text("{}")
    elif kind != "nothing":
        path.mkdir()
    assert lossmeta(["report", str(path)]) == 2
    out, errors = capsys.readouterr()
    assert out == ""
    assert errors.startswith("lossmeta report: Expected the folder of a")
    assert str(path) in errors


def test_a_search_asks_for_the_charts_before_it_trains(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(page, "find_spec", lambda name: None if name == "vl_convert" else True)
    with pytest.raises(MissingChartsError, match=r"no vl_convert: pip install .*\[report\]"):
        check_charts()
    arguments = ["search", "--config", "configs/search/quickstart.yaml", "--report"]
    assert lossmeta([*arguments, "--run_dir", str(tmp_path / "run")]) == 2
    assert "[report]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_a_comparison_is_read_as_it_was_written(tmp_path):
    """With several searches of a method, failures, and learning rates at the edge."""
    rows = [
        Row("CE", 1.0, False, (0.9, 0.91, 0.93), tuning={0.1: 0.8, 1.0: 0.9, 3.0: float("nan")}),
        Row("EvoMAL", 3.0, True, (0.8, 0.95, 0.9, 0.99, 0.97, 0.98), searches=3),
        Row("broken", 1.0, False, (float("nan"), 0.9, 0.8), failures={0: "no <b>"}),
    ]
    rows = [row for task in ("a", "b") for row in [Row(**{**vars(r), "task": task}) for r in rows]]
    written = Report(with_p_values(rows, "CE", "min"), "test mse", "CE", "min")
    written.write(tmp_path)
    read = read_comparison(tmp_path, "CE", "min", baseline_better=False)
    assert read.markdown() == written.markdown()
    assert "Welch" in read.markdown()


def test_a_search_that_kept_a_usual_loss(run):
    """As one with finalists ends: ``best.json`` is the usual loss, the learned one beside it."""
    learned = json.loads((run / "best.json").read_text())
    learned["provenance"]["against"] = {"said": "No difference shown between these two."}
    (run / "learned.json").write_text(json.dumps(learned))
    kept = Artifact.of(
        HandMadeFamily(), Candidate("cross_entropy"), {"not_learned": "cross-entropy"}
    )
    kept.save(run / "best.json")
    shown = Page(write_report(run))
    assert "No difference shown between these two." in shown.text
    assert "best.json holds cross-entropy, with which the search ended" in shown.text
    assert sum("learned" in point for point in shown.points) == 1
    assert "was not learned" not in shown.text
