"""Several processes at once: each folder belongs to one of them, and the others are told."""

import random
import shutil

import pytest
from attack_runs import assert_refused, begin, differences, go_on, holds

pytestmark = [pytest.mark.attack, pytest.mark.timeout(0)]


@pytest.mark.parametrize("count", [9], indirect=True)
def test_the_second_on_a_folder_is_refused(forks, undisturbed, tmp_path, count, report):
    for number in range(count):
        case = ("cma", "compare", "methods")[number % 3]
        run = tmp_path / str(number)
        first = forks.start(begin(case, run), tmp_path / f"first{number}.log")
        first.wait_until(lambda: holds(first, run))  # noqa: B023
        second = forks.run(begin(case, run), tmp_path / f"second{number}.log")
        assert_refused(second, run)
        assert first.wait() == 0, first.text()[-1500:]
        assert differences(undisturbed(case), run) == []
    report(f"{count} folders with two processes each")


@pytest.mark.parametrize("count", [10], indirect=True)
def test_of_two_that_go_on_at_once_one_does(forks, undisturbed, tmp_path, count, seed, report):
    rng = random.Random(seed)
    for number in range(count):
        run = tmp_path / str(number)
        command = forks.start(begin("cma", run), tmp_path / f"begin{number}.log")
        command.wait_until((run / "state.json").exists)
        command.kill()
        both = [
            forks.start(go_on("cma", run), tmp_path / f"{number}-{place}.log")
            for place in range(rng.choice([2, 3]))
        ]
        statuses = sorted(item.wait() for item in both)
        assert statuses == [0] + [2] * (len(both) - 1), [item.text()[-800:] for item in both]
        for item in both:
            if item.status:
                assert_refused(item, run)
        assert differences(undisturbed("cma"), run) == []
        shutil.rmtree(run)
    report(f"{count} runs gone on with by several at once, seed {seed}")


@pytest.mark.parametrize("count", [6], indirect=True)
def test_each_run_without_a_folder_gets_one_of_its_own(forks, undisturbed, tmp_path, count):
    for case in ("cma", "compare"):
        arguments = begin(case, "unused")[:-2]
        commands = [
            forks.start(arguments, tmp_path / f"{case}{place}.log", cwd=tmp_path)
            for place in range(count)
        ]
        assert [command.wait() for command in commands] == [0] * count
        folders = sorted((tmp_path / "runs").iterdir())
        assert len(folders) == count
        for folder in folders:
            assert differences(undisturbed(case), folder) == []
        shutil.rmtree(tmp_path / "runs")
