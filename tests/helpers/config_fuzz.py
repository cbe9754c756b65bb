"""Shipped configurations, mutated, through the parsers of the commands; nothing is trained."""

import contextlib
import io
import random
import tempfile
import traceback
from pathlib import Path

import yaml
from attacking import Hang, processor_limit
from mutations import change

from lightning_lossmeta.__main__ import main
from lightning_lossmeta.cli.configuration import HintingParser
from lightning_lossmeta.cli.search_methods import read_search_method

ROOT = Path(__file__).parents[2]
COMMANDS = {"search": "search", "fit": "fit", "compare": "compare", "tasks": "compare"}
CALL = {"class_path": "os.system", "init_args": {"command": "touch EXECUTED"}}
JUNK = [
    *(
        None,
        True,
        -1,
        2.5,
        float("nan"),
        10**30,
        "",
        "x",
        "é😀",
        "a" * 3000,
        [],
        {},
        [None],
        {"a": 1},
    ),
    *({"class_path": "no.such.Class"}, {"class_path": 5}, {"init_args": {}}, CALL, [CALL]),
    *("torch.nn.ReLU", "os.system", "../../etc/passwd", "/dev/null", "~", "${HOME}", "[", "{", "*"),
    *("a: b: c", "!!python/name:os.system", "lightning_lossmeta", "2026-01-01", "1_000", ".inf"),
]
NAMES = ["x", 5, None, "", True, "class_path", "init_args", "dict_kwargs", "a.b", "..", "model.x"]
TEXT = [
    *("!!python/object/apply:os.system ['touch EXECUTED']", "&a [*a]", "*nothing", "<<: *x", "\t"),
    *("%YAML 1.1", "---\n", "...\n", "{", "]", ": :", "- - -", "? x", "|", ">", "'", '"', "\x00"),
    *("\ufeff", "@", "`", "!!binary x", "!!timestamp 1", "!x y", "#", "a: &b {<<: *b}"),
]


class Parsed(BaseException):
    """The parser has let a configuration pass."""


def mutated(text, rng):
    """A configuration with a thing or two changed: of its content, or of its text."""
    if rng.random() < 0.7:
        content = yaml.safe_load(text)
        for _ in range(rng.choice([1, 1, 2])):
            change(content, rng, JUNK, NAMES)
        return yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode()
    place = rng.randrange(len(text))
    lines = text.splitlines()
    number = rng.randrange(len(lines))
    return rng.choice(
        [
            text[:place].encode(),
            (text[:place] + rng.choice(TEXT) + text[place:]).encode(),
            text[:place].encode() + rng.randbytes(2) + text[place:].encode(),
            "\n".join(
                [*lines[:number], rng.choice(" \t") + lines[number], *lines[number:]]
            ).encode(),
            text.encode("utf-16"),
            rng.choice(
                [b"", b"[]", b"5", b"- a", b"{" * 500, b"a: " * 100, b"model: &a\n  x: *a\n"]
            ),
        ]
    )


def outcome(source, content, folder):
    """How a configuration ends: ``parsed``, ``refused``, or the traceback of anything else."""
    path = folder / "config.yaml"
    path.write_bytes(content)
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said), contextlib.redirect_stdout(io.StringIO()):
            if source == "methods":
                read_search_method(str(path))
                return "parsed"
            status = main([COMMANDS[source], "--config", str(path)])
    except Parsed:
        return "parsed"
    except SystemExit as stop:
        status = stop.code
    except ValueError as error:
        if source == "methods" and str(error).startswith("Expected"):
            return "refused"
        return traceback.format_exc()
    except Exception:
        return traceback.format_exc()
    return "refused" if status == 2 and said.getvalue().strip() else f"status {status}, {said}"


def fuzz(count, seed, seconds=60):
    """Yields source, content and outcome of each configuration.

    Args:
        count: How many.
        seed: All draws derive from it.
        seconds: Processor time after which one hangs.
    """

    def stop(*_, **__):
        raise Parsed

    rng = random.Random(seed)
    sources = [
        (folder, path.read_text("utf-8"))
        for folder in [*COMMANDS, "methods"]
        for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))
    ]
    kept = HintingParser.instantiate_classes
    HintingParser.instantiate_classes = stop
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for _ in range(count):
                source, text = rng.choice(sources)
                content = mutated(text, rng)
                try:
                    with processor_limit(seconds):
                        ended = outcome(source, content, Path(folder))
                except Hang:
                    ended = "hangs"
                if Path("EXECUTED").exists():
                    ended = "executed"
                yield source, content, ended
    finally:
        HintingParser.instantiate_classes = kept
