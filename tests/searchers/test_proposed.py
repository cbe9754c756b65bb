"""Formulas that somebody proposes: read, refused, stored, and asked for once."""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from searches import restore_searcher, stored_searcher
from small_search import history, small_search

from lightning_lossmeta import ExpressionFamily, GeneticProgrammingSearcher
from lightning_lossmeta.evaluation import Evaluation
from lightning_lossmeta.families.expression.space import ExpressionSpace
from lightning_lossmeta.searchers import (
    ChatProposer,
    CommandProposer,
    FormulaFile,
    FormulaList,
    ProposalRequest,
    ProposedExpressionSearcher,
    Proposer,
    ProposerError,
)
from lightning_lossmeta.searchers.proposed import read_reply

SPACE = ExpressionFamily().space
SIX = [f"{a}({b}(sub(f, y)))" for a in ("abs", "square", "tanh") for b in ("abs", "square")]
REQUEST = ProposalRequest(2, "Propose formulas.", frozenset())


class Scripted(Proposer):
    """Replies as it was told to, and keeps what it was asked."""

    def __init__(self, *replies):
        self.replies = list(replies)
        self.requests = []

    @classmethod
    def example(cls):
        return cls("square(sub(f, y))")

    def propose(self, request):
        self.requests.append(request)
        return self.replies.pop(0)


def _started(proposer, seed=0, **arguments):
    settings = {"proposals": 2, "population": 5, "task": "tell cats from dogs"} | arguments
    searcher = ProposedExpressionSearcher(proposer, **settings)
    searcher.start(SPACE, seed)
    return searcher


def _tell(searcher):
    told = [Evaluation.scored(c, 0.1 * i) for i, c in enumerate(searcher.ask())]
    searcher.tell(told)
    return [item.candidate.structure for item in told]


def test_proposals_take_the_place_of_children_and_the_rest_is_genetic_programming():
    plain = GeneticProgrammingSearcher(5)
    plain.start(SPACE, 0)
    expected = [c.structure for c in plain.ask()]
    searcher = _started(Scripted("\n".join(SIX[:3])))
    assert _tell(searcher) == [*expected[:3], *SIX[:2]]
    assert all(set(c.theta) <= {1.0} for c in searcher.history[0][3:] for c in [c.candidate])


def test_the_model_is_told_the_grammar_the_task_and_what_was_tried():
    proposer = Scripted(*SIX)
    searcher = _started(proposer)
    names = _tell(searcher)
    searcher.ask()
    first, second = (request.prompt for request in proposer.requests)
    for word in ("aq/2", "sqrt/1", "+1, -1", "tell cats from dogs", "Reply with 2 new formulas"):
        assert word in first
    assert "Tried so far" not in first
    assert "Tried so far: 5. The best with their fitness, of which more is better:" in second
    assert f"better:\n0.4000  {names[4]}\n0.3000  {names[3]}" in second
    assert proposer.requests[1].tried == set(names)


def test_nonsense_is_answered_with_the_parsers_message_and_then_an_error():
    wrong = "__import__('os').system('true')\nSure, here you are\nsquare(f)"
    proposer = Scripted(wrong, SIX[0], "", "[]")
    searcher = _started(proposer)
    assert _tell(searcher)[-1] == SIX[0]
    again = proposer.requests[1].prompt
    assert "Your last reply could not be used:\n__import__('os').system('true" in again
    assert "to hold both f and y, got no y" in again
    with pytest.raises(ProposerError, match=r"of Scripted, got none in two replies: .*empty reply"):
        searcher.ask()
    assert searcher.generation == 1
    proposer.replies = [SIX[0], SIX[1]]  # tried before, so one more is asked for
    assert _tell(searcher)[-1] == SIX[1]
    assert "was tried before" in proposer.requests[-1].prompt


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ("- mul( f,y )\n2) `abs(sub(f, y))`;\n", ["mul(f, y)", "abs(sub(f, y))"]),
        ('{"expression": "abs(sub(f, y))"}\n"mul(f, y)"', ["abs(sub(f, y))", "mul(f, y)"]),
        ('["mul(f, y)", {"expression": "mul(y, f)"}, 3, null]', ["mul(f, y)", "mul(y, f)"]),
        ("```\nmul(f, y)\nmul(f, y)\n```", ["mul(f, y)"]),
        ("[" * 100_000, []),
        ("square(" * 20_000, []),
        ("1" * 5000, []),
        ("\x00\x1b[31m mul(f, y", []),
    ],
)
def test_formulas_are_read_in_any_usual_form(reply, expected):
    found, complaints = read_reply(reply, ExpressionSpace())
    assert found == expected
    assert found or complaints


def test_a_list_that_comes_to_its_end_leaves_the_rest_to_genetic_programming():
    searcher = _started(FormulaList(SIX[:3]))
    assert _tell(searcher)[3:] == SIX[:2]
    assert _tell(searcher)[4] == SIX[2]
    assert len(_tell(searcher)) == 5
    assert [len(replies) for replies in searcher.state_dict()["replies"]] == [1, 1, 0]


def test_what_came_is_stored_and_replayed_without_the_model():
    searcher = _started(Scripted("nonsense", *SIX))
    for _ in range(3):
        _tell(searcher)
    stored = json.loads(json.dumps(stored_searcher(searcher)))
    silent = Scripted(SIX[5])
    restored = _started(silent)
    restore_searcher(restored, stored)
    assert silent.requests == []
    assert restored.state_dict() == {"replies": [["nonsense", SIX[0]], [SIX[1]], [SIX[2]]]}
    searcher.proposer.replies = [SIX[5]]
    assert _tell(restored) == _tell(searcher)
    for state in ({}, {"replies": []}, {"replies": [[1], [], []]}):
        with pytest.raises(ValueError, match="hold the replies of"):
            restored.load_state_dict(state)


def test_a_search_goes_on_after_its_proposer_failed(tmp_path):
    settings = {"family": ExpressionFamily(), "generations": 2, "steps": 3}

    def search(*replies, **more):
        searcher = ProposedExpressionSearcher(Scripted(*replies), proposals=2, population=4)
        return small_search(tmp_path / "run", searcher=searcher, **settings, **more)

    with pytest.raises(ProposerError, match="got none in two replies"):
        search(SIX[0], "no", "idea")
    assert history(tmp_path / "run")[3]["structure"] == SIX[0]
    search(SIX[1], resume=str(tmp_path / "run"))
    rows = history(tmp_path / "run")
    assert [rows[3]["structure"], rows[7]["structure"]] == SIX[:2]


def test_a_command_gets_the_prompt_and_gives_formulas():
    code = "import sys; print('mul(f, y)' if 'Propose' in sys.stdin.read() else 'f')"
    assert CommandProposer([sys.executable, "-c", code]).propose(REQUEST) == "mul(f, y)\n"


@pytest.mark.parametrize(
    ("command", "message"),
    [
        (["sleep", "60"], "within 0.5 seconds, got nothing"),
        (["yes"], "at most 200000 bytes, got"),
        (["false"], "status 0, got 1"),
        (["/nowhere/model"], "to start, got: .*No such file"),
    ],
)
def test_a_command_that_hangs_floods_or_fails_is_stopped(command, message):
    with pytest.raises(ProposerError, match=message):
        CommandProposer(command, timeout=0.5 if command[0] == "sleep" else 60).propose(REQUEST)


@pytest.fixture
def server():
    """An address that speaks as OpenAI's does."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["Content-Length"]))
            seen.append((self.path, self.headers["Authorization"], json.loads(body)))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(replies.pop(0))

        def log_message(self, *args):
            pass

    replies = []
    httpd = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=httpd.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{httpd.server_port}/v1/", replies, seen
    httpd.shutdown()
    httpd.server_close()


def test_an_address_is_asked_as_openai_is(server, monkeypatch):
    url, replies, seen = server
    content = json.dumps({"choices": [{"message": {"content": "mul(f, y)"}}]}).encode()
    replies += [content, b"<html>", b'{"choices": []}', b"x" * 300_000]
    monkeypatch.setenv("MY_KEY", "secret")
    proposer = ChatProposer(url, "small", key_variable="MY_KEY")
    assert proposer.propose(REQUEST) == "mul(f, y)"
    path, key, body = seen[0]
    assert (path, key) == ("/v1/chat/completions", "Bearer secret")
    assert body == {"model": "small", "messages": [{"role": "user", "content": REQUEST.prompt}]}
    for message in ("choices as OpenAI's", "choices as OpenAI's", "at most 200000 bytes"):
        with pytest.raises(ProposerError, match=message):
            proposer.propose(REQUEST)
    assert "secret" not in str(vars(proposer))
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(ProposerError, match="variable MY_KEY to hold the key"):
        proposer.propose(REQUEST)
    with pytest.raises(ProposerError, match="to reply within 1 seconds, got"):
        ChatProposer("http://127.0.0.1:9", "small", timeout=1).propose(REQUEST)


def test_a_file_of_formulas(tmp_path):
    path = tmp_path / "formulas.jsonl"
    path.write_text('"mul(f, y)"\n\n{"name": "distance", "expression": "abs(sub(f, y))"}\n')
    assert FormulaFile(str(path)).formulas == ("mul(f, y)", "abs(sub(f, y))")
    path.write_text('"mul(f, y)"\nmul(f, y)\n')
    with pytest.raises(ValueError, match=r"line 2 of .*got mul\(f, y\)"):
        FormulaFile(str(path))


def test_bad_arguments():
    for make in (
        lambda: ProposedExpressionSearcher("my-model"),
        lambda: ProposedExpressionSearcher(FormulaList(SIX), proposals=5, population=5),
        lambda: ProposedExpressionSearcher(FormulaList(SIX), proposals=0),
        lambda: CommandProposer([]),
        lambda: CommandProposer(["echo"], timeout=0),
        lambda: ChatProposer("localhost:80", "x"),
    ):
        with pytest.raises(ValueError, match="Expected argument"):
            make()
