"""Expressions, mutated: each is parsed, built and trained by, or refused with words."""

import collections
import random

import pytest
import torch
from attacking import ending, sizes, watched

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.families import ExpressionFamily
from lightning_lossmeta.families.expression.parser import parse_expression

PIECES = [
    *("(", ")", ",", " ", "\n", "\x00", "é", "\u0663", "1", "+2", "-1.0", "1e5", "nan", "inf"),
    *("__import__('os').system('touch EXECUTED')", "lambda: 0", "f.__class__", "exec", "SQUARE(f)"),
    *("f f", ",,", "((", "))", "square", "sub(f,y", "\u202e", "'", '"', "#", "[0]", "{}", "%s"),
    *("\uff0b1", "\uff46", "\u017fquare(f)", "t", "x", "True", "0", "-", "\U0001f600"),
]
NOT_TEXT = [None, 1, 1.5, b"square(sub(f, y))", ["f"], {"f": 1}, True, object(), type]


def _mutated(text, rng):
    for _ in range(rng.choice([0, 0, 1, 1, 2, 5])):
        place = rng.randrange(len(text) + 1)
        kind = rng.randrange(5)
        if kind == 0:
            text = text[:place] + rng.choice(PIECES) + text[place:]
        elif kind == 1:
            text = text[:place] + text[place + rng.randint(1, 5) :]
        elif kind == 2:
            depth = rng.choice([1, 9, 17, 300, 100_000])
            text = rng.choice(["square(", "abs(", "sub(f, "]) * depth + text + ")" * depth
        elif kind == 3:
            text *= rng.choice([2, 50, 2000])
        else:
            text = text.replace(rng.choice("fy(,)"), rng.choice(PIECES), rng.choice([1, -1]))
        text = text[:300_000]
    return text


def _use(text, family, rng):
    """Everything that is done with an expression from its text to a training step."""
    tree = parse_expression(text)
    again = str(tree)
    if str(parse_expression(again)) != again:
        raise RuntimeError(f"reads {again!r} as another")
    theta = tuple(rng.gauss(0, 10.0 ** rng.randint(-3, 3)) for _ in range(len(tree) - 1))
    candidate = Candidate(text, theta)
    loss = family.build(candidate)
    if family.read(loss) != Candidate(again, theta):
        raise RuntimeError(f"builds {family.read(loss)} of {candidate}")
    family.formula(candidate)
    family.key(candidate)
    family.skeleton(candidate)
    output = torch.randn(4, 3, requires_grad=True)
    targets = {"classification": torch.tensor([0, 1, 2, 0])}
    loss(output, targets.get(family.problem, torch.ones(4, 3))).backward()


@pytest.mark.filterwarnings("ignore")
@sizes(small=120, large=10_000)
def test_mutated_expressions_are_losses_or_refused(tmp_path, monkeypatch, count, seed, report):
    monkeypatch.chdir(tmp_path)
    rng, ends, wrong = random.Random(seed), collections.Counter(), {}
    families = [*ExpressionFamily.examples(), ExpressionFamily(progress=True, max_height=17)]
    for family in families:
        _use("square(sub(f, y))", family, rng)
    for number in range(count):
        family = rng.choice(families)
        text = _mutated(family.space.sample(rng.randrange(2**32)).structure, rng)
        if number % 50 == 0:
            text = rng.choice(NOT_TEXT)
        with watched() as events:
            end = ending(lambda: _use(text, family, rng), ValueError)  # noqa: B023
        end = f"did {events}" if events else end
        ends[end] += 1
        if end not in ("ok", "refused"):
            wrong.setdefault(end, repr(text)[:500])
    report(f"{count} expressions, seed {seed}: {dict(ends)}")
    assert not wrong
    assert ends["ok"] > count / 20
    assert ends["refused"] > count / 20
