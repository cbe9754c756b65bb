"""Processes that are killed: the run goes on, and ends as if nothing had been."""

import collections
import contextlib
import csv
import json
import os
import random
import shutil
import signal
import time
from pathlib import Path

import pytest
from attack_runs import assert_refused, begin, differences, generations_done, go_on, holds
from waiting import wait_for

LARGE = ("cma", "gp", "proc", "auto", "compare", "methods")


def _milestones(reference):
    """Files and folders that a run makes, one after the other."""
    paths = (p.parent if "events.out" in p.name else p for p in reference.rglob("*") if p.is_file())
    return sorted({path.relative_to(reference) for path in paths})


def _wait_for_moment(command, run, milestones, rng):
    """Wait until a run has made a further file, and a little more; whether it still works."""
    ahead = [name for name in milestones if not (run / name).exists()]
    name = rng.choice(ahead or milestones)
    command.wait_until((run / name).exists)
    until = time.monotonic() + rng.choice([0, rng.uniform(0, 0.5)])
    command.wait_until(lambda: time.monotonic() > until)
    return command.status is None


def _check_killed(command, run):
    """What a kill may never leave: processes, and files that are half written."""
    wait_for(lambda: not command.members())
    for path in (*run.glob("*.json"), *run.glob("trainings/*.json")):
        json.loads(path.read_text("utf-8"))


@pytest.mark.attack
@pytest.mark.timeout(0)
@pytest.mark.parametrize("case", LARGE)
@pytest.mark.parametrize("count", [17], indirect=True)
def test_killed_runs_end_as_others(forks, undisturbed, tmp_path, case, count, seed, report):
    rng, counts = random.Random(seed), collections.Counter()
    reference = undisturbed(case)
    milestones, problems = _milestones(reference), []
    while counts["kills"] < count:
        run, log = tmp_path / "run", tmp_path / f"run{counts['runs']}.log"
        shutil.rmtree(run, ignore_errors=True)
        attempts = 0
        while True:
            command = forks.start(go_on(case, run), log)
            kill = attempts == 0 or rng.random() < 0.8
            if kill and _wait_for_moment(command, run, milestones, rng):
                command.kill()
                _check_killed(command, run)
                counts["kills"] += 1
                counts["kills while going on"] += attempts > 0
                attempts += 1
                continue
            if command.wait() != 0:
                problems.append(f"status {command.status}: {command.text()[-600:]}")
            break
        counts["runs"] += 1
        wrong = differences(reference, run)
        counts["runs that differ"] += bool(wrong)
        if wrong:
            problems.append(f"{wrong[:6]} {command.text()[-300:]}")
            run.rename(tmp_path / f"wrong{counts['runs']}")
        print(case, dict(counts), problems[-1:], flush=True)
    report(f"seed {seed}: {dict(counts)}, {len(problems)} problems")
    assert not problems


STOPS = {
    "SIGINT": [signal.SIGINT],
    "SIGTERM": [signal.SIGTERM],
    "SIGINT twice": [signal.SIGINT] * 2,
    "SIGTERM, SIGINT": [signal.SIGTERM, signal.SIGINT],
}


@pytest.mark.attack
@pytest.mark.timeout(0)
@pytest.mark.parametrize("count", [12], indirect=True)
def test_stopped_runs_say_how_to_go_on(forks, undisturbed, tmp_path, count, seed, report):
    rng, counts, problems = random.Random(seed), collections.Counter(), []
    for number in range(count):
        case, name = ("cma", "proc", "compare")[number % 3], rng.choice(list(STOPS))
        run, log = tmp_path / str(number), tmp_path / f"{number}.log"
        command = forks.start(begin(case, run), log)
        if not _wait_for_moment(command, run, _milestones(undisturbed(case)), rng):
            counts["had ended"] += 1
            continue
        for sent in STOPS[name]:
            command.send(sent)
            time.sleep(rng.uniform(0, 0.2))
        status, text = command.wait(), command.text()
        _check_killed(command, run)
        counts[f"{name}: status {status}"] += 1
        if status and ("Traceback" in text or (run.exists() and "Go on with" not in text)):
            problems.append(f"{case}, {name}: status {status}, says {text[-400:]}")
        if (again := forks.run(go_on(case, run), log)).status:
            problems.append(f"{case}, {name}, again: {again.text()[-400:]}")
        elif wrong := differences(undisturbed(case), run):
            problems.append(f"{case}, {name}: {wrong[:4]}")
        print(case, name, status, problems[-1:], flush=True)
    report(f"seed {seed}: {dict(counts)}, {len(problems)} problems")
    assert not problems


def test_a_search_keeps_others_out_and_goes_on_when_it_was_killed(forks, undisturbed, tmp_path):
    run, log = tmp_path / "run", tmp_path / "log"
    command = forks.start(begin("tiny", run), log)
    command.wait_until(lambda: generations_done(run) >= 1)
    os.kill(command.pid, signal.SIGSTOP)  # so that it is not done before the other has come
    assert holds(command, run)
    assert_refused(forks.run(begin("tiny", run), tmp_path / "second"), run)
    command.kill()
    _check_killed(command, run)
    assert forks.run(go_on("tiny", run), log).status == 0, log.read_text()
    assert differences(undisturbed("tiny"), run) == []


def _rows(run):
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def _servers(command):
    """Processes that fork the workers of a run."""
    members = command.members()
    return [pid for pid, parent, line in members if "forkserver" in line and parent == command.pid]


def _workers(command, worked):
    """Workers of a run that have worked for some seconds of processor time, and so begun."""
    servers = _servers(command)
    pids = [pid for pid, parent, _ in command.members() if parent in servers]
    return [pid for pid in pids if _processor_seconds(pid) >= worked]


def _processor_seconds(pid):
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:  # ended meanwhile
        return 0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.attack
@pytest.mark.timeout(0)
@pytest.mark.parametrize("count", [50], indirect=True)
def test_deaths_of_workers_change_nothing(forks, undisturbed, tmp_path, count, seed, report):
    rng, counts, problems = random.Random(seed), collections.Counter(), []
    reference = undisturbed("proc")
    while counts["deaths"] < count:
        run, log = tmp_path / "run", tmp_path / f"run{counts['runs']}.log"
        shutil.rmtree(run, ignore_errors=True)
        command, server_too = forks.start(begin("proc", run), log), counts["runs"] % 3 == 2
        while command.status is None:
            worked = rng.uniform(0.2, 2)
            command.wait_until(lambda: _workers(command, worked))  # noqa: B023
            if server_too and generations_done(run):
                with contextlib.suppress(ProcessLookupError, IndexError):
                    os.kill(_servers(command)[0], signal.SIGKILL)
                    counts["deaths of the server"] += 1
                    server_too = False
            elif workers := _workers(command, worked):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(rng.choice(workers), signal.SIGKILL)
                    counts["deaths"] += 1
        counts["runs"] += 1
        failed = [row for row in _rows(run) if row["status"] == "failed"]
        counts["candidates failed"] += len(failed)
        if command.status != 0:
            problems.append(f"status {command.status}: {command.text()[-600:]}")
        elif not failed and (wrong := differences(reference, run)):
            problems.append(f"{wrong[:6]}")
        wait_for(lambda: not command.members())  # noqa: B023
        print(dict(counts), problems[-1:], flush=True)
    report(f"seed {seed}: {dict(counts)}, {len(problems)} problems")
    assert not problems
