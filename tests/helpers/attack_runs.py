"""Runs to attack: the shipped experiments made small, and whether two wrote the same."""

import csv
import io
import json
import re

from forked import ROOT

from lightning_lossmeta.search.run_lock import HOLDER

_SEARCH = [
    *("--generations", "5", "--session.steps", "40", "--searcher.population", "6"),
    *("--finalists", "{count: 2, seeds: 2}"),
    *("--comparison", "{seeds: 2, tuning_seeds: 1, learning_rate_factors: [0.3, 1.0]}"),
]
_TINY = [
    *("--generations", "4", "--session.steps", "5", "--searcher.population", "4"),
    *("--finalists", "null", "--comparison", "null"),
    *("--model.init_args.network.init_args.hidden", "[4]"),
]
_COMPARISON = [
    *("--losses", "{CE: cross_entropy, MAE: mean_absolute_error}", "--accelerator", "cpu"),
    *("--comparison.seeds", "3", "--comparison.steps", "60", "--comparison.validations", "3"),
    *("--comparison.learning_rate_factors", "[0.3, 1]"),
]
_METHOD = {
    "file": str(ROOT / "configs/methods/taylorglo.yaml"),
    "searcher.init_args.population": 6,
    "generations": 3,
    "session.steps": 40,
    "finalists": {"count": 2, "seeds": 2},
}
_ALL_FILTERS = [
    {"class_path": f"lightning_lossmeta.{name}"}
    for name in (*("InvariantCheck", "SymbolicArchive", "RejectionFilter", "GradientEquivalence"),)
]


def _evaluator(name):
    return ["--evaluator", f"lightning_lossmeta.{name}"]


def _search(config, *more):
    path = ROOT / "configs" / "search" / f"{config}.yaml"
    return ["search", "--config", str(path), *_SEARCH, *more]


def _compare(*more):
    return ["compare", "--config", str(ROOT / "configs/compare/digits.yaml"), *_COMPARISON, *more]


#: Command lines without the run's folder.
CASES = {
    "tiny": _search("quickstart", *_TINY, *_evaluator("PopulationEvaluator")),
    "cma": _search("quickstart", *_evaluator("PopulationEvaluator")),
    "gp": _search(
        "evomal_digits",
        *("--refiner.meta_steps", "10", "--trainer.callbacks", json.dumps(_ALL_FILTERS)),
        *("--trainer.accelerator", "cpu"),
    ),
    "proc": _search("quickstart", *_evaluator("ProcessEvaluator"), "--evaluator.processes", "2"),
    # The first evaluator that can: which one is the fastest is not the same each time.
    "auto": _search("quickstart", "--evaluator.good_enough", "1000"),
    "compare": _compare(*_evaluator("TrainerEvaluator")),
    # Not in stacks: what is missing of one is trained in a smaller one, which rounds otherwise.
    "methods": _compare(
        *("--methods", json.dumps({"TaylorGLO": _METHOD}), "--searches", "2"),
        *_evaluator("TrainerEvaluator"),
    ),
}


#: A search to which a test adds evaluator and folder.
SMALL_SEARCH = _search("quickstart")


def begin(case, run):
    """The command that makes a run."""
    return [*CASES[case], "--run_dir", str(run)]


def go_on(case, run):
    """The command that goes on with a run, wherever it was stopped; as a user types it."""
    if CASES[case][0] == "search" and (run / "state.json").exists():
        return ["search", "--resume", str(run)]
    return begin(case, run)


def generations_done(run):
    """How many generations the rows of a run's history belong to."""
    try:
        with (run / "history.csv").open(newline="", encoding="utf-8") as file:
            return len({row["generation"] for row in csv.DictReader(file)})
    except OSError:
        return 0


def holds(command, run):
    """Whether the process of a command has a run's folder."""
    try:
        return json.loads((run / HOLDER).read_text())["pid"] == command.pid
    except (OSError, ValueError):
        return False


def assert_refused(command, run):
    """One that came second ended with words that name the folder and its process."""
    text = " ".join(command.text().split())
    assert command.status == 2, text[-1500:]
    assert str(run) in text
    assert "used by process" in text
    assert "Traceback" not in text


def differences(reference, run, pattern="**/*", curves=True):
    """What of a run is not as in another one but times, pictures and marks of the process.

    Args:
        reference: Folder of the run that is right.
        run: Folder of the run that may not be.
        pattern: Which files count.
        curves: Whether those of TensorBoard do.
    """
    found = []
    for path in sorted(reference.glob(pattern)):
        name = path.relative_to(reference)
        if path.is_dir() or _is_own(name):
            continue
        other = run / name
        if not other.exists():
            found.append(f"{name} is missing")
        elif path.suffix != ".png" and _content(path, reference) != _content(other, run):
            found.append(f"{name} differs")
    for path in sorted(run.glob(pattern)):
        name = path.relative_to(run)
        if path.is_file() and not _is_own(name) and not (reference / name).exists():
            found.append(f"{name} is left over")
    scalars = (_scalars(reference), _scalars(run)) if curves else ({}, {})
    keys = sorted(set(scalars[0]) | set(scalars[1]))
    wrong = [key for key in keys if scalars[0].get(key) != scalars[1].get(key)]
    return found + [f"TensorBoard's {key} differs" for key in wrong]


def _is_own(name):
    if any(part.endswith(".unfinished") for part in name.parts):  # set aside before it had a state
        return True
    return "tensorboard" in name.parts or name.name in (".lock", "config.yaml.seal", "config.yaml")


def _content(path, run):
    """A file's content without seconds and the folder's name."""
    text = re.sub(rf"[^\s'\"]*\b{re.escape(run.name)}/", "RUN/", path.read_text("utf-8"))
    if path.suffix == ".csv":
        return [_without_seconds(row) for row in csv.DictReader(io.StringIO(text))]
    if path.suffix == ".json":
        return _without_seconds(json.loads(text))
    if path.suffix == ".jsonl":
        return [_without_seconds(json.loads(line)) for line in text.splitlines()]
    return None if path.suffix in (".md", ".tex") else text  # tables of the same rows, and seconds


def _without_seconds(value):
    if isinstance(value, dict):
        times = ("seconds", "reports")
        return {k: _without_seconds(v) for k, v in value.items() if not k.endswith(times)}
    return [_without_seconds(item) for item in value] if isinstance(value, list) else value


def _scalars(run):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = {}
    for folder in sorted({path.parent for path in run.rglob("events.out*")}):
        events = EventAccumulator(str(folder), size_guidance={"scalars": 0})
        events.Reload()
        for tag in events.Tags()["scalars"]:
            points = [(event.step, event.value) for event in events.Scalars(tag)]
            found[f"{folder.relative_to(run)} {tag}"] = points
    return found
