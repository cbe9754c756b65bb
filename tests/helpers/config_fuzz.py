"""Shipped configurations, mutated, through the parsers of the commands; nothing is made or trained.

By hand, from the top of the repository: python tests/helpers/config_fuzz.py COUNT SEED
"""

import contextlib
import copy
import io
import random
import signal
import sys
import tempfile
import traceback
from pathlib import Path

import yaml

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


class Hang(BaseException):
    """A configuration took longer than any should."""


def mutated(text, rng):
    """A configuration with a thing or two changed: of its content, or of its text."""
    if rng.random() < 0.7:
        content = yaml.safe_load(text)
        for _ in range(rng.choice([1, 1, 2])):
            _change(content, rng)
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


def _places(value, path=()):
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in items:
        yield value, key
        if isinstance(item, (dict, list)):
            yield from _places(item, (*path, key))


def _change(content, rng):
    holder, key = rng.choice(list(_places(content)) or [({"x": 1}, "x")])
    kind = rng.choice(["junk", "junk", "junk", "delete", "rename", "typo", "extra", "wrap"])
    old = holder[key]
    if kind == "junk":
        holder[key] = copy.deepcopy(rng.choice(JUNK))
    elif kind == "delete":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[rng.choice(NAMES)] = holder.pop(key)
    elif kind == "typo" and isinstance(old, str) and old:
        place = rng.randrange(len(old))
        holder[key] = old[:place] + old[place + 1 :]
    elif kind == "extra" and isinstance(old, dict):
        old[rng.choice(["extra", "callbacks", "steps", "resume", "tasks", "config"])] = (
            copy.deepcopy(rng.choice(JUNK))
        )
    elif kind == "wrap":
        holder[key] = rng.choice([[old], {"x": old}])


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

    def late(*_):
        raise Hang

    rng = random.Random(seed)
    sources = [
        (folder, path.read_text("utf-8"))
        for folder in [*COMMANDS, "methods"]
        for path in sorted((ROOT / "configs" / folder).glob("*.yaml"))
    ]
    kept = HintingParser.instantiate_classes
    HintingParser.instantiate_classes = stop
    alarm = signal.signal(signal.SIGVTALRM, late)
    try:
        with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
            for _ in range(count):
                source, text = rng.choice(sources)
                content = mutated(text, rng)
                signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
                try:
                    ended = outcome(source, content, Path(folder))
                except Hang:
                    ended = "hangs"
                finally:
                    signal.setitimer(signal.ITIMER_VIRTUAL, 0)
                if Path("EXECUTED").exists():
                    ended = "executed"
                yield source, content, ended
    finally:
        HintingParser.instantiate_classes = kept
        signal.signal(signal.SIGVTALRM, alarm)


if __name__ == "__main__":
    counts = {}
    for name, data, end in fuzz(int(sys.argv[1]), int(sys.argv[2])):
        key = end if end in ("parsed", "refused", "hangs", "executed") else end[-1500:]
        if key not in counts and key not in ("parsed", "refused"):
            print(name, key, data.decode("utf-8", "replace")[:600], sep="\n", flush=True)
        counts[key] = counts.get(key, 0) + 1
    print({key[-200:]: number for key, number in counts.items()})
