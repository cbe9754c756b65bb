"""Small seeded runs of the configurations that ship, and what they come to.

``python tests/guard/small_runs.py`` records them anew; a change of what is recorded is a change of
what users get, and belongs into CHANGELOG.md.
"""

import csv
import json
import sys
import tempfile
from pathlib import Path

from lightning_lossmeta.__main__ import main

ROOT = Path(__file__).parents[2]
RECORDED = Path(__file__).parent / "recorded"

_GRID = ["--comparison.learning_rate_factors", "[0.3, 1.0, 3.0]"]
_COMPARED = ["--comparison.seeds", "2", "--comparison.tuning_seeds", "1", *_GRID]
_FINALISTS = ["--finalists.count", "2", "--finalists.seeds", "2"]
_SMALL = ["--generations", "3", "--session.steps", "30", "--searcher.init_args.population", "6"]
_SEARCH = [*_SMALL, *_FINALISTS, *_COMPARED]
_STACKED = ["--evaluator", "lightning_lossmeta.PopulationEvaluator"]
_REFINED = ["--refiner.init_args.meta_steps", "5"]


def _config(path):
    return ["--config", str(ROOT / "configs" / path)]


#: Command lines by name of the run.
RUNS = {
    "quickstart": ["search", *_config("search/quickstart.yaml"), *_SEARCH, *_STACKED],
    "evomal_digits": ["search", *_config("search/evomal_digits.yaml"), *_SEARCH, *_REFINED],
    "multitask_digits": ["search", *_config("search/multitask_digits.yaml"), *_SEARCH, *_STACKED],
    "diabetes_expression": [
        "search",
        *_config("search/diabetes_expression.yaml"),
        *_SEARCH,
        *_STACKED,
    ],
    "timed_digits": ["search", *_config("search/timed_digits.yaml"), *_SEARCH],
    "compare_digits": [
        "compare",
        *_config("compare/digits.yaml"),
        *_COMPARED,
        *["--comparison.steps", "40", "--comparison.validations", "2"],
        *_STACKED,
    ],
}


def outcome(name, directory):
    """Run one of them in a new folder and read what it wrote: plain values without times."""
    assert main([*RUNS[name], "--run_dir", str(directory)]) == 0
    found = {"comparison": _comparison(directory)}
    if (directory / "best.json").exists():
        with (directory / "history.csv").open(newline="", encoding="utf-8") as file:
            found["history"] = [_row(row) for row in csv.DictReader(file)]
        best = json.loads((directory / "best.json").read_text("utf-8"))
        provenance = best["provenance"]
        found["best"] = {
            "family": best["family"]["name"],
            "candidate": best["candidate"],
            "normalisation": best["normalisation"],
            "fitness": provenance["fitness"],
            "generation": provenance["generation"],
        }
    return found


def _row(row):
    return {
        "generation": row["generation"],
        "index": row["index"],
        "status": row["status"],
        "filter": row["filter"],
        "fitness": row["fitness"],
        "structure": row["structure"],
        "theta": [float(value) for value in row["theta"].split()],
        "message": row["message"],
    }


def _comparison(directory):
    rows = json.loads((directory / "comparison.json").read_text("utf-8"))
    return [
        {
            "task": row["task"],
            "loss": row["loss"],
            "learning_rate_factor": row["learning_rate_factor"],
            "scores": row["scores"],
            "tuning": row["tuning"],
            "metrics": {k: v for k, v in row["metrics"].items() if "seconds" not in k},
        }
        for row in rows
    ]


if __name__ == "__main__":
    for run in sys.argv[1:] or RUNS:
        with tempfile.TemporaryDirectory() as folder:
            content = outcome(run, Path(folder) / run)
        text = json.dumps(content, indent=1, allow_nan=True)
        (RECORDED / f"{run}.json").write_text(text + "\n", "utf-8")
