import os
import subprocess
import sys
import threading
import types
from importlib.machinery import ModuleSpec
from multiprocessing import current_process
from pathlib import Path

import pytest
from process_toys import GOOD, ScriptedFamily, tiny_task

from lightning_lossmeta.evaluators import AutoEvaluator, ProcessEvaluator, TrainerEvaluator
from lightning_lossmeta.evaluators.processes.main_module import main_module_obstacle

GUARDED = {
    "guard": 'if __name__ == "__main__":\n    search()',
    "guard, turned": 'if "__main__" == __name__:\n    search()',
    "one line": 'if __name__ == "__main__": search()',
    "guard and more": 'import sys\nif __name__ == "__main__" and sys:\n    search()',
    "deep": 'if __name__ == "__main__":\n    for _ in range(1):\n        with open(__file__):\n'
    "            search()",
    "main function": 'def main():\n    search()\n\nif __name__ == "__main__":\n    main()',
    "within try": 'try:\n    if __name__ == "__main__":\n        search()\nfinally:\n    pass',
    "many lines": 'if __name__ == "__main__":\n    print(\n        search()\n    )',
    "else": 'if __name__ != "__main__":\n    pass\nelse:\n    search()',
}
UNGUARDED = {
    "plain": "search()",
    "main function": "def main():\n    search()\n\nmain()",
    "another condition": 'if "a" < "b":\n    search()',
    "after a guard": 'if __name__ == "__main__":\n    pass\nsearch()',
    "guard in a string": "'''\nif __name__ == \"__main__\":\n    pass\n'''\nsearch()",
    "guarded function": 'if __name__ == "__main__":\n    def main():\n        search()\nmain()',
    "class body": "class Main:\n    search()",
    "many lines": "(\n    search\n    (\n    )\n)",
    "thread": "from threading import Thread\nthread = Thread(target=search)\nthread.start()\n"
    "thread.join()",
    "encoding": "# -*- coding: latin-1 -*-\nname = '\xe9'\nsearch()",
}


@pytest.fixture
def obstacle(tmp_path, monkeypatch):
    """What a program that is the main module meets where it calls search()."""

    def run(source, **names):
        path = tmp_path / "program.py"
        path.write_bytes(source.encode("latin-1"))
        main = types.ModuleType("__main__")
        vars(main).update({"__file__": str(path), **names})
        main.reasons = []
        main.search = lambda: main.reasons.append(main_module_obstacle())
        monkeypatch.setitem(sys.modules, "__main__", main)
        exec(compile(source, str(path), "exec"), vars(main))
        (reason,) = main.reasons
        return reason

    return run


@pytest.mark.parametrize("case", UNGUARDED)
def test_a_program_that_would_search_again_in_each_worker(obstacle, case):
    reason = obstacle(UNGUARDED[case])
    assert 'if __name__ == "__main__":' in reason
    assert "program.py" in reason
    assert "TrainerEvaluator" in reason


def test_a_program_under_the_guard(obstacle):
    for source in GUARDED.values():
        assert obstacle(source) is None


@pytest.mark.parametrize("name", ["package.__main__", "__main__"])
def test_a_packages_own_main_is_not_imported_by_workers(obstacle, name):
    assert obstacle("search()", __spec__=ModuleSpec(name, None)) is None


def test_a_module_that_is_run_is_imported_by_workers(obstacle):
    spec = ModuleSpec("package.program", None)
    assert "program.py" in obstacle("search()", __spec__=spec)
    assert obstacle(GUARDED["guard"], __spec__=spec) is None


def test_an_interactive_session_may_have_workers(obstacle, monkeypatch):
    main = types.ModuleType("__main__")
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert main_module_obstacle() is None
    evaluator = ProcessEvaluator()
    assert evaluator.unsupported(ScriptedFamily(), [tiny_task()]) is None
    main.Own = type("Own", (ScriptedFamily,), {"__module__": "__main__"})
    assert "interactive" in evaluator.unsupported(main.Own(), [tiny_task()])


@pytest.mark.parametrize("file", ["<stdin>", "/nowhere/program.py"])
def test_a_program_without_a_file(obstacle, file):
    reason = obstacle("search()", __file__=file)
    assert file in reason
    assert "Put the program in a file" in reason


def test_a_compiled_program_is_left_to_multiprocessing(obstacle, tmp_path):
    (tmp_path / "program.pyc").write_bytes(b"\x00\xff\x00")
    assert obstacle("search()", __file__=str(tmp_path / "program.pyc")) is None


def test_a_daemon_can_have_no_workers(monkeypatch):
    assert main_module_obstacle() is None
    monkeypatch.setitem(current_process()._config, "daemon", True)
    assert "daemonic" in main_module_obstacle()


def test_a_thread_that_outlives_the_main_module(obstacle):
    reasons = []
    thread = threading.Thread(target=lambda: reasons.append(main_module_obstacle()))
    thread.start()
    thread.join()
    assert reasons == [None]


def test_the_evaluators_refuse_or_fall_back(obstacle):
    evaluator = AutoEvaluator([ProcessEvaluator(), TrainerEvaluator()], good_enough=0.0)
    names = {
        "evaluator": evaluator,
        "use": lambda one: one.evaluate([GOOD], ScriptedFamily(), [tiny_task()]),
    }
    assert obstacle("search()\nuse(evaluator)", **names)
    assert isinstance(evaluator.chosen["task"], TrainerEvaluator)
    with pytest.raises(ValueError, match="ProcessEvaluator can't be used here: each worker"):
        obstacle("use(evaluator.evaluators[0])", **names)


def test_workers_that_cannot_start_are_one_error(tmp_path):
    (tmp_path / "program.py").write_text(
        "import os\n"
        'if __name__ != "__main__":\n'
        "    os._exit(7)\n"
        "from process_toys import GOOD, ScriptedFamily, tiny_task\n"
        "from lightning_lossmeta.evaluators import ProcessEvaluator\n"
        "try:\n"
        "    if __name__ == '__main__':\n"
        "        ProcessEvaluator(processes=1).evaluate([GOOD], ScriptedFamily(), [tiny_task()])\n"
        "except RuntimeError as error:\n"
        "    print(error)\n"
    )
    root = Path(__file__).parents[3]
    paths = [str(root), str(root / "tests" / "helpers")]
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert "3 worker processes in a row ended before their first candidate" in done.stdout
    assert "exit code 7" in done.stdout
