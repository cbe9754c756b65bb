"""Files as damage, typing errors and malice leave them: of their content, or of their bytes."""

import copy
import json

#: Values that a reader may not expect.
JUNK = [
    *(None, True, 0, -1, 2.5, 2**63, 10**400, 1e308, 1e-320, float("nan"), float("inf"), -0.0),
    *("", "x", "é😀", "\x00", "\ud800", "\x1b[31m", "a" * 20_000, "NaN", "../../etc/passwd", "1"),
    *(
        "__import__('os').system('touch EXECUTED')",
        "[red]x[/red]",
        "square(f, y)",
        "classification",
    ),
    *([], {}, [[]], [None], ["1"], [True], [1] * 1000, [10**9, 10**9], [-1], {"a": 1}),
    *({"class_path": "os.system", "init_args": {"command": "touch EXECUTED"}}, {"$ref": "x"}),
]
NAMES = ["x", "", None, 5, True, "class_path", "a.b", "..", "__class__", "\u202e"]
SNIPPETS = [
    *(b"\x00", b"\xff\xfe", b"NaN", b"Infinity", b"1e999", b"9" * 5000, b"{", b"]", b",", b'"'),
    *(b"\n", b"\\ud800", b"//c\n", b"-1", b"1.5", b"0x10", b"'", b"\x1b[2J", b"\xef\xbb\xbf"),
]


def places(value):
    """Each place in lists and dictionaries: what holds it, and its key."""
    if isinstance(value, (dict, list)):
        items = list(value.items() if isinstance(value, dict) else enumerate(value))
        for key, item in items:
            yield value, key
            yield from places(item)


def change(content, rng, junk=JUNK, names=NAMES, others=()):
    """Change one thing of a content, in place.

    Args:
        content: Dictionaries, lists and plain values.
        rng: Draws what and where.
        junk: Values that come in.
        names: Keys that take the place of others.
        others: Contents of which a part may come in.
    """
    holder, key = rng.choice(list(places(content)) or [({"x": 1}, "x")])
    old = holder[key]
    kind = rng.choice(["junk"] * 3 + ["delete", "rename", "typo", "extra", "wrap", "swap", "more"])
    if kind == "junk":
        holder[key] = copy.deepcopy(rng.choice(junk))
    elif kind == "delete":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[rng.choice(names)] = holder.pop(key)
    elif kind == "typo" and isinstance(old, str) and old:
        place = rng.randrange(len(old))
        holder[key] = old[:place] + old[place + 1 :]
    elif kind == "extra" and isinstance(old, dict):
        old[rng.choice(names)] = copy.deepcopy(rng.choice(junk))
    elif kind == "wrap":
        holder[key] = rng.choice([[old], {"x": old}])
    elif kind == "swap":
        other, place = rng.choice(list(places(rng.choice([content, *others]))) or [(holder, key)])
        holder[key] = copy.deepcopy(other[place])
    elif kind == "more" and isinstance(old, (list, str)):
        holder[key] = old * rng.choice([2, 50])


def changed_json(text, rng, others=()):
    """A JSON text with one to three things changed, as bytes."""
    content = json.loads(text)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        if isinstance(content, (dict, list)) and content:
            change(content, rng, others=others)
    written = json.dumps(_with_json_keys(content), ensure_ascii=rng.random() < 0.9)
    return written.encode("utf-8", "surrogatepass")


def _with_json_keys(value):
    if isinstance(value, dict):
        return {
            key if isinstance(key, str) else str(key): _with_json_keys(v)
            for key, v in value.items()
        }
    return [_with_json_keys(item) for item in value] if isinstance(value, list) else value


def damaged(data, rng):
    """Bytes as a crash, a bad disk or an editor leaves them."""
    kind = rng.choice(["cut", "flip", "flip", "insert", "hole", "zeros", "tail", "twice", "other"])
    place = rng.randrange(len(data)) if data else 0
    if kind == "cut":
        return data[:place]
    if kind == "flip" and data:
        found = bytearray(data)
        for _ in range(rng.choice([1, 1, 2, 8])):
            found[rng.randrange(len(found))] ^= 1 << rng.randrange(8)
        return bytes(found)
    if kind == "insert":
        return data[:place] + rng.choice(SNIPPETS) + data[place:]
    if kind == "hole":
        return data[:place] + data[place + rng.randint(1, 200) :]
    if kind == "zeros":
        return data[:place] + bytes(len(data) - place)
    if kind == "tail":
        return data + rng.choice(SNIPPETS)
    if kind == "twice":
        return rng.choice([data * 2, data.replace(b"\n", b"\r\n"), b"\xef\xbb\xbf" + data])
    return rng.choice(
        [b"", b"x", b"[]", b"{}", b"null", b"[" * 100_000, b'{"a":' * 2000, rng.randbytes(300)]
    )
