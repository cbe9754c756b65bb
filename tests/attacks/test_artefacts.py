"""Files of learned losses, mutated: each is a loss or is refused, and nothing in it is run."""

import collections
import contextlib
import io
import json
import random
import warnings

import pytest
import torch
from attacking import ending, sizes, watched
from mutations import changed_json, damaged
from walking import concrete_subclasses

from lightning_lossmeta import load_loss
from lightning_lossmeta.__main__ import main
from lightning_lossmeta.artifacts import Artifact, ArtifactError
from lightning_lossmeta.families import LossFamily
from lightning_lossmeta.losses import Identity

#: Of so many files that load one is drawn and exported.
SHOWN = 10
FORMATS = ("python", "latex", "sympy", "json")


def _originals():
    """Files of every family of the package, for each kind of problem."""
    found = []
    for cls in concrete_subclasses(LossFamily):
        if cls.serializable:
            for family in cls.examples():
                candidates = [family.space.sample(seed) for seed in range(2)]
                provenance = {"num_classes": 10, "data": "Digits", "tasks": [{"name": "a"}]}
                found += [Artifact.of(family, item, provenance).to_json() for item in candidates]
    assert len(found) >= 10
    return found


def _use(loss):
    """One step with a loss: what it raises is clear, however strange its numbers are."""
    link = getattr(loss, "loss", loss).link
    shape = (4, 1) if isinstance(link, Identity) else (4, 3)
    output = torch.randn(shape, requires_grad=True)
    class_index = link.problem == "classification"
    target = torch.tensor([0, 1, 2, 0]) if class_index else torch.rand(shape).round()
    loss(output, target).sum().backward()


def _show(path, number):
    """Inspect and export; a refusal is status 2 and words."""
    out = path.with_name("picture.png")
    form = FORMATS[number % len(FORMATS)]
    for argv in (
        ["inspect", str(path), "--out", str(out)],
        ["export", str(path), "--format", form, "--out", str(path.with_name("exported"))],
    ):
        said = io.StringIO()
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            status = main(argv)
        text = said.getvalue()
        if status not in (0, 2) or not text.strip() or "\x1b" in text or "Traceback" in text:
            raise RuntimeError(f"{argv[0]}: status {status}, {text[-300:]!r}")


@pytest.mark.filterwarnings("ignore")
@sizes(small=150, large=10_000)
def test_mutated_files_are_losses_or_refused(tmp_path, monkeypatch, count, seed, report):
    monkeypatch.chdir(tmp_path)
    originals, rng, path = _originals(), random.Random(seed), tmp_path / "best.json"
    contents = [json.loads(text) for text in originals]
    for text in originals:  # what is imported late is no finding
        path.write_text(text)
        _use(load_loss(path))
    ends, wrong, loaded = collections.Counter(), {}, 0

    def note(end, kind, data):
        ends[kind if end == "ok" else end] += 1
        if end not in ("ok", "refused"):
            wrong.setdefault(f"{kind}: {end}", data[:2000])

    for _ in range(count):
        text = rng.choice(originals)
        tree = rng.random() < 0.6
        data = changed_json(text, rng, contents) if tree else damaged(text.encode(), rng)
        path.write_bytes(data)
        with watched() as events:
            found = []
            end = ending(lambda: found.append(load_loss(path)), ArtifactError)  # noqa: B023
        note(end if not events else f"did {events}", "loaded", data)
        if not found:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            note(ending(lambda: _use(found[0]), ValueError), "used", data)  # noqa: B023
        loaded += 1
        if loaded % SHOWN == 0:
            note(ending(lambda: _show(path, loaded // SHOWN), (), 60), "shown", data)  # noqa: B023
    report(f"{count} files, seed {seed}: {dict(ends)}")
    assert not wrong
    assert not (tmp_path / "EXECUTED").exists()
    assert ends["loaded"] > count / 10
    assert ends["refused"] > count / 10
