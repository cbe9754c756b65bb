"""A disk that fills up: a line that says so, nothing half written, and the run goes on."""

import os
import random
import subprocess

import pytest
from attack_runs import begin, differences, go_on

pytestmark = [pytest.mark.attack, pytest.mark.timeout(0)]


@pytest.fixture
def disk(tmp_path):
    """Mounts a disk of a size; a second call makes it larger."""
    place = tmp_path / "disk"
    place.mkdir()

    def size(options):
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(place)], capture_output=True
        )
        if done.returncode:
            pytest.skip(f"can't mount a small disk: {done.stderr.decode().strip()}")
        return place

    yield size
    while os.path.ismount(place):
        subprocess.run(["umount", str(place)], check=True)


def _used(run):
    pages = [-(-path.stat().st_size // 4096) for path in run.rglob("*") if path.is_file()]
    return 4096 * (sum(pages) + 4)


@pytest.mark.parametrize("case", ["cma", "compare", "methods"])
@pytest.mark.parametrize("count", [8], indirect=True)
def test_a_full_disk_costs_no_finished_work(
    forks, undisturbed, disk, tmp_path, case, count, seed, report
):
    reference, rng, problems, full = undisturbed(case), random.Random(seed), [], 0
    for number in range(count):
        size = rng.randrange(16_384, _used(reference))
        place, log = disk(f"size={size}"), tmp_path / f"{number}.log"
        run = place / "run"
        command = forks.run(begin(case, run), log)
        text = command.text()
        full += command.status != 0
        if command.status != 0 and ("No space left" not in text or "Traceback" in text):
            problems.append(f"{size}: status {command.status}, says {text[-500:]}")
        left = [path.name for path in run.rglob(".*.part")]
        subprocess.run(["mount", "-o", "remount,size=1g", str(place)], check=True)
        again = forks.run(go_on(case, run), log)
        wrong = [f"status {again.status}: {again.text()[-400:]}"] if again.status else []
        if wrong := wrong + left + (differences(reference, run) if not again.status else []):
            problems.append(f"{size}: {wrong[:4]}")
        print(case, size, command.status, again.status, problems[-1:], flush=True)
        subprocess.run(["umount", str(place)], check=True)
    report(f"{count} disks, seed {seed}: {full} were full, {len(problems)} problems")
    assert not problems
