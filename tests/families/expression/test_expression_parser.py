import ast
import re
import time

import pytest
from deap import gp
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from lightning_lossmeta.families.expression.grammar import ARITIES
from lightning_lossmeta.families.expression.parser import parse_expression
from lightning_lossmeta.families.expression.space import ExpressionSpace

SPACE = ExpressionSpace(max_height=10, max_nodes=200)
LEAVES = st.sampled_from(["f", "y", "+1", "-1"])
UNARY = st.sampled_from(["sign", "square", "abs", "log", "sqrt", "tanh"])
BINARY = st.sampled_from(["add", "sub", "mul", "aq", "min", "max"])


def _grow(inner):
    unary = st.builds(lambda name, a: (f"{name}({a[0]})", a[1] + 1), UNARY, inner)
    binary = st.builds(
        lambda name, a, b: (f"{name}({a[0]}, {b[0]})", max(a[1], b[1]) + 1), BINARY, inner, inner
    )
    return unary | binary


def _with_both(drawn):
    text, height = drawn
    return f"add({text}, sub(f, y))", max(height + 1, 2)


#: Expressions as text, and their heights.
EXPRESSIONS = st.recursive(LEAVES.map(lambda name: (name, 0)), _grow, max_leaves=12).map(_with_both)


@given(EXPRESSIONS)
@settings(max_examples=200, deadline=None)
def test_text_comes_back(drawn):
    text, height = drawn
    assume(height <= 17)
    tree = parse_expression(text)
    assert isinstance(tree, gp.PrimitiveTree)
    assert str(tree) == text
    assert tree.height == height
    assert parse_expression(str(tree)) == tree


@given(EXPRESSIONS, st.text(" \t\n", max_size=3))
@settings(max_examples=60, deadline=None)
def test_white_space_does_not_matter(drawn, space):
    text, height = drawn
    assume(height <= 17)
    spaced = text.replace(" ", "")
    for sign in "(),":
        spaced = spaced.replace(sign, f"{space}{sign}{space}")
    assert str(parse_expression(space + spaced + space)) == text


@given(st.text(max_size=60) | st.text("fy+-1(), \nadsubmul", max_size=60))
@example("sub(f, y)\x00")
@example("\U0001d453")  # an italic f
@settings(max_examples=300, deadline=None)
def test_any_text_is_an_expression_or_refused(text):
    tree, message = _parsed(text)
    if tree is None:
        assert message.startswith("Expected")
        assert len(message) < 300
    else:
        assert {node.name for node in tree} >= {"f", "y"}
        assert all(node.name in ARITIES for node in tree)


PIECES = ["(", ")", ",", "+1", "-1", "+", "1", "f", "y", "t", "sub", "tanh", " ", "\n", "\xa0"]
PIECES += ["#", "\\", "'", "\x00", "\ud800", "[", "*", "lambda:", ".a", "=", "1_0", "\uff59", "()"]
EDITS = st.lists(
    st.tuples(st.integers(0, 60), st.integers(0, 3), st.sampled_from(["", *PIECES])), max_size=3
)


@pytest.mark.filterwarnings("ignore::SyntaxWarning")  # of Python's parser: "1if"
@given(EXPRESSIONS, EDITS)
@settings(max_examples=500, deadline=None)
def test_what_is_nearly_an_expression_is_read_as_python_reads_it(drawn, edits):
    text, height = drawn
    assume(height <= 7)  # an edit may add to it
    for place, length, piece in edits:
        text = text[:place] + piece + text[place + length :]
    assume(len(text) < 200)  # where Python's parser is safe
    tree, message = _parsed(text)
    assert (tree is not None) == _is_call_tree(text), message
    assert tree is None or str(tree).split() == str(parse_expression(str(tree))).split()
    assert tree is not None or message.startswith("Expected")


def _is_call_tree(text):
    """The oracle: the grammar as Python reads it, without brackets or signs of other kinds."""
    compact = "".join(text.split())
    try:
        written = ast.unparse(ast.parse(re.sub(r"\s", " ", text).strip(), mode="eval"))
    except (SyntaxError, ValueError):
        return False
    names = re.findall(r"[a-z]+", compact)
    nodes = list(ast.walk(ast.parse(written, mode="eval")))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    operators = {id(node.func) for node in calls}
    variables = {n.id for n in nodes if isinstance(n, ast.Name) and id(n) not in operators}
    return (
        written.replace(" ", "") == compact
        and re.search(r"[+-]\s|[+-](?!1)|1\w|(?<![+-])1", text) is None
        and all(ARITIES.get(getattr(c.func, "id", ""), 0) == len(c.args) > 0 for c in calls)
        and all(type(node) in KINDS for node in nodes)
        and variables == {"f", "y"}
        and set(names) <= set(ARITIES)
    )


KINDS = {ast.Expression, ast.Call, ast.Name, ast.Load, ast.UnaryOp, ast.UAdd, ast.USub}
KINDS |= {ast.Constant}


def _parsed(text):
    try:
        return parse_expression(text, SPACE), ""
    except ValueError as error:
        return None, str(error)


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "add(f, __import__('os'))",
        "add(f, (lambda: y)())",
        "sub(f, y).__class__",
        "add(f, y) or exit()",
        "exec(f, y)",
        "f if y else f",
        "add(f, 10**10**10)",
        "add(f, y); import os",
        "add(*f, y)",
        "add[f, y]",
        "add(f, y) # comment",
        "f + y",
        "add(f, {y})",
        "add(f, '%s' % y)",
        "ADD(F, Y)",
        "add(f, ARG0)",
        "add(f, 1)",
        "add(f, nan)",
        "sub(f, \uff59)",  # a full-width y
    ],
)
def test_code_is_refused(text):
    with pytest.raises(ValueError, match="Expected"):
        parse_expression(text)


@pytest.mark.parametrize(
    "text",
    [
        "square(" * 10_000 + "f" + ")" * 10_000,
        "square(" * 2_000 + "f" + ")" * 2_000,
        "add(f, " * 2_000 + "y" + ")" * 2_000,
        "(" * 10_000,
        "f" * 10_000,
        "sub(f, y" + ")" * 10_000,
        "sub(f, y)" + " " * 10**6,
        " " * 19_000 + "g",
        "9" * 19_000,
        "add(" + "f, " * 6_000 + "y)",
        "+1" * 9_000,  # this and the next two end ast.parse, whatever brackets are allowed
        "f y " * 4_000,
        "sub" + "(f)" * 6_000,
    ],
)
def test_large_texts_are_refused_at_once(text):
    started = time.perf_counter()
    with pytest.raises(ValueError, match="Expected"):
        parse_expression(text)
    assert time.perf_counter() - started < 0.5


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("subb(f, y)", r"one of add, sub, .*, -1 at character 1, got 'subb'. Did you mean 'sub'\?"),
        ("add(f, Tan(y))", r"at character 8, got 'Tan'. Did you mean 'tanh'\?"),
        ("add(f, 1)", r"at character 8, got '1'. Did you mean '[+-]1'\?"),
        ("sub(f)", "'sub' to have 2 arguments in brackets, got 1 at character 6"),
        ("sub(f, y, y)", "'sub' to have 2 arguments in brackets, got more at character 9"),
        ("add(f, tanh(y, y))", "'tanh' to have 1 argument in brackets, got more at character 14"),
        ("sub()", "'sub' to have 2 arguments in brackets, got none at character 5"),
        ("sub f y", "'sub' to have 2 arguments in brackets, got 'f' at character 5"),
        ("sub(f, y) y", "to end before character 11, got 'y'"),
        ("sub(f, y))", r"to end before character 10, got '\)'"),
        ("f(y)", r"to end before character 2, got '\('"),
        ("sub(f y)", "a comma or a closing bracket at character 7, got 'y'"),
        ("sub(f, y", r"an expression to go on, got the end of the text within 'sub\(...\)'"),
        ("sub(f,", r"an expression to go on, got the end of the text within 'sub\(...\)'"),
        ("sub", "an expression to go on, got the end of the text"),
        ("", "an expression, got the end of the text"),
        ("  \n", "an expression, got the end of the text"),
        ("square(f)", "to hold both f and y, got no y"),
        ("log(+1)", "to hold both f and y, got no f and no y"),
        ("tanh(" * 10 + "sub(f, y)" + ")" * 10, "a height of at most 10, got more"),
        (None, r"an expression such as 'square\(sub\(f, y\)\)', got None"),
        (["f"], r"got \['f'\]"),
        ("sub(f, y)" + " " * 20_000, "at most 20000 characters, got 20009"),
    ],
)
def test_says_what_is_wrong(text, message):
    with pytest.raises(ValueError, match=message):
        parse_expression(text, SPACE)


def test_limits_are_limits_and_no_less():
    deepest = "tanh(" * 9 + "sub(f, y)" + ")" * 9
    assert parse_expression(deepest, SPACE).height == 10
    full = "f"
    for _ in range(6):
        full = f"add({full}, {full})"
    full = f"sub({full}, y)"
    assert len(parse_expression(full, ExpressionSpace(10, 129))) == 129
    with pytest.raises(ValueError, match="at most 128 nodes, got more"):
        parse_expression(full, ExpressionSpace(10, 128))
