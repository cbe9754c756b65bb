import json
import logging
import time

import pytest
from engines import TaskByTask
from inner_fits import CANDIDATES, FAMILY, MSE, make_task

from lightning_lossmeta._fingerprint import fingerprint
from lightning_lossmeta.evaluation import Evaluation, Status
from lightning_lossmeta.evaluators import (
    AutoEvaluator,
    PopulationEvaluator,
    ProcessEvaluator,
    TrainerEvaluator,
)
from lightning_lossmeta.evaluators import auto as auto_file
from lightning_lossmeta.evaluators import probe as probe_file
from lightning_lossmeta.evaluators.base import Job
from lightning_lossmeta.task import Horizons


class _Clock:
    """Time that passes as evaluators say."""

    def __init__(self, monkeypatch):
        self.now = 0.0
        monkeypatch.setattr(probe_file.time, "perf_counter", lambda: self.now)


class _Timed(TaskByTask):
    """Takes so many seconds for a fit, a step and a validation."""

    def __init__(self, clock, fit=0.0, step=0.0, validation=0.0, noise=(), status=Status.OK):
        self.clock = clock
        self.costs = fit, step, validation
        self.noise = list(noise)
        self.status = status
        self.reason = None
        self.sessions = []
        self.widths = []
        self.closed = 0
        self.state = {}

    def unsupported(self, family, tasks):
        return self.reason

    def state_dict(self):
        return self.state

    def load_state_dict(self, state):
        self.state = state

    def close(self):
        self.closed += 1

    def _evaluate_task(self, candidates, family, task):
        session = task.session
        self.sessions.append((session.steps, session.validations))
        self.widths.append(len(candidates))
        fit, step, validation = self.costs
        self.clock.now += fit + step * session.steps + validation * session.validations
        self.clock.now += self.noise.pop(0) if self.noise else 0.0
        status = self.status if task.name != "hard" else Status.FAILED
        scores = (1.0,) if status is Status.OK else ()
        return [Evaluation(candidate, scores, status) for candidate in candidates]


@pytest.fixture
def clock(monkeypatch):
    return _Clock(monkeypatch)


def _evaluate(evaluator, **changes):
    name = changes.pop("name", "task")
    task = make_task(**changes)
    task = type(task)(task.module, task.data, task.session, name=name)
    return evaluator.evaluate(CANDIDATES, FAMILY, [task])


def _chosen(evaluator, among, name="task"):
    return among.index(evaluator.chosen[name])


def test_the_whole_session_counts_not_the_probe(clock):
    cheap_start = _Timed(clock, fit=1.0, step=1.0)
    cheap_steps = _Timed(clock, fit=50.0, step=0.5)
    among = [cheap_start, cheap_steps]
    for steps, best in ((50, 0), (500, 1)):
        evaluator = AutoEvaluator(among, good_enough=0.0)
        _evaluate(evaluator, steps=steps, validations=1)
        assert _chosen(evaluator, among) == best
        assert among[best].sessions[-1] == (steps, 1)


def test_validations_count(clock):
    among = [_Timed(clock, step=1.0, validation=20.0), _Timed(clock, step=1.5)]
    for validations, best in ((1, 0), (10, 1)):
        evaluator = AutoEvaluator(among, good_enough=0.0)
        _evaluate(evaluator, steps=100, validations=validations)
        assert _chosen(evaluator, among) == best


def test_a_disturbed_measurement_of_a_close_rival_is_repeated(clock):
    slower = _Timed(clock, fit=1.0, step=1.2)
    # Warm-up, then the short session, the longer one, and the one validated more often.
    faster = _Timed(clock, fit=1.0, step=1.0, noise=[0.0, 0.0, 3.0, 0.0])
    evaluator = AutoEvaluator([slower, faster], good_enough=0.0)
    _evaluate(evaluator, steps=200)
    assert _chosen(evaluator, [slower, faster]) == 1


def test_a_distant_rival_is_measured_once(clock):
    fast, slow = _Timed(clock, step=1.0), _Timed(clock, step=9.0)
    _evaluate(AutoEvaluator([fast, slow], good_enough=0.0), steps=200)
    assert slow.sessions == [(1, 1), (6, 1), (24, 1), (6, 4)]


def test_good_enough_ends_the_search(clock):
    among = [_Timed(clock, step=0.01), _Timed(clock, step=0.001)]
    evaluator = AutoEvaluator(among, good_enough=3.5)
    _evaluate(evaluator, steps=200)
    assert _chosen(evaluator, among) == 0
    assert among[1].sessions == []


def test_two_candidates_are_measured_and_a_whole_stack(clock):
    among = [_Timed(clock, step=2.0), _Timed(clock, step=1.0)]
    _evaluate(AutoEvaluator(among, good_enough=0.0), steps=100)
    assert set(among[0].widths) == {2}
    assert PopulationEvaluator(max_candidates=8).probe_size(20) == 8
    assert ProcessEvaluator(processes=3).probe_size(20) == 3


@pytest.mark.parametrize(("generations", "measured"), [(1, 1), (100, 2)])
def test_measuring_takes_a_tenth_of_the_search_at_the_most(clock, generations, measured):
    among = [_Timed(clock, fit=2.0, step=1.0), _Timed(clock, fit=2.0, step=0.5)]
    evaluator, lines = AutoEvaluator(among, good_enough=0.0), []
    evaluator.prepare(generations, lines.append)
    started = clock.now
    _evaluate(evaluator, steps=30, validations=1)
    step = (1.0, 0.5)[_chosen(evaluator, among)]
    probed = clock.now - started - (2 + 30 * step)
    assert sum(bool(item.sessions) for item in among) == measured
    # Two candidates take as long as three here, and a generation once as long.
    assert measured == 1 or probed < 0.1 * (2 + 30 * step) * (3 / 2) * generations
    assert lines[0].endswith("the fastest, in up to 10% of the search: _Timed, _Timed 2")
    assert lines[1] == f"evaluator for task: {evaluator.reports['task']}"


def test_the_validations_of_horizons_count(clock):
    among = [_Timed(clock, step=1.0, validation=20.0), _Timed(clock, step=1.5)]
    evaluator = AutoEvaluator(among, good_enough=0.0)
    _evaluate(evaluator, steps=100, validations=1, horizons=Horizons((10, 100)))
    assert _chosen(evaluator, among) == 1


def test_of_equally_fast_ones_that_without_workers_is_taken(clock):
    among = [_Timed(clock, step=1.0), _Timed(clock, step=1.05), _Timed(clock, step=1.02)]
    among[0].has_workers = True
    evaluator = AutoEvaluator(among, good_enough=0.0)
    _evaluate(evaluator, steps=100)
    assert _chosen(evaluator, among) == 1


def test_a_known_choice_is_not_measured_and_the_same_settings(clock):
    among = [_Timed(clock, step=2.0), _Timed(clock, step=1.0)]
    evaluator = AutoEvaluator(among, good_enough=0.0, choices={"task": "_Timed 2"})
    _evaluate(evaluator, steps=100)
    assert (among[0].sessions, among[1].sessions) == ([], [(100, 2)])
    assert evaluator.named_choices() == {"task": "_Timed 2"}
    plain, told = AutoEvaluator(), AutoEvaluator(choices={"task": "TrainerEvaluator"})
    assert fingerprint(plain) == fingerprint(told)
    with pytest.raises(ValueError, match=r"`choices` to name some of .*, got \['Fast'\]"):
        AutoEvaluator(choices={"task": "Fast"})


def test_the_losers_are_closed_and_the_choice_is_kept(clock, caplog):
    among = [_Timed(clock, step=2.0), _Timed(clock, step=1.0)]
    evaluator = AutoEvaluator(among, good_enough=0.0)
    with caplog.at_level(logging.INFO):
        _evaluate(evaluator, steps=100)
    assert [item.closed for item in among] == [1, 0]
    before = len(among[0].sessions)
    _evaluate(evaluator, steps=100)
    assert len(among[0].sessions) == before
    # Two candidates, which are measured, share a step.
    report = "_Timed 2 (milliseconds a candidate and step: _Timed 1000.000, _Timed 2 500.000)"
    assert evaluator.reports == {"task": report}
    assert f"evaluator for task: {report}" in caplog.text


def test_each_task_has_its_own_choice(clock):
    among = [_Timed(clock, fit=1.0, step=1.0), _Timed(clock, fit=50.0, step=0.5)]
    evaluator = AutoEvaluator(among, good_enough=0.0)
    _evaluate(evaluator, steps=50, name="short")
    _evaluate(evaluator, steps=500, name="long")
    assert _chosen(evaluator, among, "short") == 0
    assert _chosen(evaluator, among, "long") == 1
    assert among[0].closed == 0


def test_one_that_fails_what_others_train_is_not_chosen(clock):
    fails = _Timed(clock, step=0.0, status=Status.FAILED)
    works = _Timed(clock, step=1.0)
    evaluator = AutoEvaluator([fails, works])
    found = _evaluate(evaluator, steps=100)
    assert all(item.status is Status.OK for item in found)
    assert "_Timed fails" in evaluator.reports["task"]


def test_where_all_fail_one_is_taken(clock):
    evaluator = AutoEvaluator([_Timed(clock), _Timed(clock)])
    evaluator.prepare(3)
    found = _evaluate(evaluator, name="hard")
    assert all(item.status is Status.FAILED for item in found)


def test_diverged_candidates_are_no_failure(clock):
    among = [_Timed(clock, step=0.1, status=Status.DIVERGED), _Timed(clock, step=1.0)]
    evaluator = AutoEvaluator(among, good_enough=0.0)
    _evaluate(evaluator, steps=100)
    assert _chosen(evaluator, among) == 0


def test_what_is_not_supported_is_left_out(clock):
    among = [_Timed(clock), _Timed(clock, step=1.0)]
    among[0].reason = "no"
    evaluator = AutoEvaluator(among)
    _evaluate(evaluator)
    assert among[0].sessions == []
    assert among[1].sessions == [(12, 2)]
    among[1].reason = "neither"
    with pytest.raises(ValueError, match="AutoEvaluator can't be used here: no; neither"):
        _evaluate(evaluator)


def _left_out(caplog):
    return [message for message in caplog.messages if "is left out" in message]


def test_the_log_says_once_why_each_evaluator_is_left_out(clock, caplog):
    among = [_Timed(clock), _Timed(clock, step=1.0), _Timed(clock)]
    among[0].reason, among[2].reason = "it has no stack", "it has no workers"
    evaluator = AutoEvaluator(among)
    expected = [
        "evaluator for task: _Timed is left out: it has no stack",
        "evaluator for task: _Timed is left out: it has no workers",
    ]
    with caplog.at_level(logging.INFO, logger=auto_file.__name__):
        _evaluate(evaluator)
        assert _left_out(caplog) == expected
        evaluator.chosen.clear()  # has the choice made anew
        _evaluate(evaluator)
        assert _left_out(caplog) == expected
        _evaluate(evaluator, name="other")
        assert _left_out(caplog)[2:] == [line.replace("task", "other") for line in expected]


def test_a_new_reason_to_leave_an_evaluator_out_is_logged(clock, caplog):
    among = [_Timed(clock), _Timed(clock)]
    evaluator = AutoEvaluator(among, good_enough=0.0)
    with caplog.at_level(logging.INFO, logger=auto_file.__name__):
        _evaluate(evaluator)
        assert _left_out(caplog) == []
        among[_chosen(evaluator, among)].reason = "its memory is full"
        _evaluate(evaluator)
    assert _left_out(caplog) == ["evaluator for task: _Timed is left out: its memory is full"]


def test_a_resumed_search_goes_on_with_the_choice(clock):
    among = [_Timed(clock, step=2.0), _Timed(clock, step=1.0)]
    among[1].state = {"widths": {"a": 3}}
    evaluator = AutoEvaluator(among, good_enough=0.0)
    _evaluate(evaluator, steps=100)
    state = json.loads(json.dumps(evaluator.state_dict()))
    others = [_Timed(clock, step=1.0), _Timed(clock, step=2.0)]
    again = AutoEvaluator(others, good_enough=0.0)
    again.load_state_dict(state)
    assert again.reports == evaluator.reports
    assert others[1].state == {"widths": {"a": 3}}
    _evaluate(again, steps=100)
    assert others[1].sessions == [(100, 2)]
    assert others[0].sessions == []


def test_a_fresh_state_chooses_nothing():
    evaluator = AutoEvaluator()
    evaluator.load_state_dict({})
    assert evaluator.chosen == {}


def test_by_default_population_processes_and_trainer():
    kinds = [type(item) for item in AutoEvaluator().evaluators]
    assert kinds == [PopulationEvaluator, ProcessEvaluator, TrainerEvaluator]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"evaluators": []}, "`evaluators` to hold at least one, got none"),
        ({"probe_steps": 1}, "`probe_steps` to be an integer of at least 2, got 1"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        AutoEvaluator(**arguments)


def test_real_evaluators():
    evaluator = AutoEvaluator([PopulationEvaluator(), TrainerEvaluator()], good_enough=0.0)
    started = time.perf_counter()
    found = evaluator.evaluate([MSE] * 12, FAMILY, [make_task(steps=30)])
    assert time.perf_counter() - started < 60
    assert {item.status for item in found} == {Status.OK}
    assert isinstance(evaluator.chosen["task"], PopulationEvaluator)


def test_a_task_is_asked_about_once_however_many_jobs_it_has(clock, monkeypatch):
    evaluator = AutoEvaluator([_Timed(clock), _Timed(clock, step=1.0)])
    task = make_task()
    made = []
    fresh = type(task).fresh_module
    monkeypatch.setattr(type(task), "fresh_module", lambda self: made.append(1) or fresh(self))
    jobs = [Job(MSE, task) for _ in range(40)]
    assert len(dict(evaluator.run(jobs, FAMILY))) == 40
    assert len(made) < 5


def test_sessions_with_horizons_are_measured_without_them():
    task = make_task(steps=12, horizons=Horizons((6, 12)))
    evaluator = AutoEvaluator([TrainerEvaluator(), PopulationEvaluator()])
    (chosen,) = evaluator.evaluate([MSE], FAMILY, [task])
    (alone,) = TrainerEvaluator().evaluate([MSE], FAMILY, [task])
    assert chosen.fitness == pytest.approx(alone.fitness, abs=0.01)
