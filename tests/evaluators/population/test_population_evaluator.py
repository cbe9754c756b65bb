import logging
from functools import partial

import pytest
import torch
from inner_fits import CANDIDATES, EXPLOSIVE, FAMILY, MSE, OTHERS, UNBUILDABLE, make_task
from strangers import BlobsData, StrangersNet
from torch import nn

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import PopulationEvaluator
from lightning_lossmeta.evaluators.population import evaluator as population_file
from lightning_lossmeta.families import TaylorFamily
from lightning_lossmeta.losses.base import LossFunction
from lightning_lossmeta.modules import PopulationModule, SupervisedModule
from lightning_lossmeta.task import Objective


@pytest.fixture
def stacks(monkeypatch):
    """Sizes of the stacks that were trained, and what to do before each."""
    sizes = []
    real = population_file.run_session

    def run_session(module, task, data=None):
        sizes.append(module.size)
        if run_session.limit is not None and module.size > run_session.limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
        return real(module, task, data)

    run_session.limit = None
    monkeypatch.setattr(population_file, "run_session", run_session)
    sizes_and_limit = run_session
    sizes_and_limit.sizes = sizes
    return sizes_and_limit


class _RaisingLoss(LossFunction):
    def per_sample(self, output, target):
        raise ArithmeticError("boom")


class _Raising(TaylorFamily):
    """Losses of another structure raise when they are called."""

    name = "raising"

    def build(self, candidate):
        return _RaisingLoss() if candidate.structure else super().build(candidate)


RAISING = Candidate("raise", ())


def _close(found, expected):
    assert found.status is expected.status
    assert found.fitness == pytest.approx(expected.fitness, abs=1e-6)
    assert found.metrics == pytest.approx(expected.metrics, abs=1e-5)


@pytest.fixture(scope="module")
def reference():
    found = PopulationEvaluator().evaluate(CANDIDATES, FAMILY, [make_task()])
    return {item.candidate: item for item in found}


def test_one_that_diverges_does_not_harm_the_others(reference, stacks):
    mixed = [CANDIDATES[0], EXPLOSIVE, *OTHERS]
    found = PopulationEvaluator().evaluate(mixed, FAMILY, [make_task()])
    assert found[1].status is Status.DIVERGED
    assert found[1].fitness == -torch.inf
    assert "no longer finite" in found[1].message
    for item in (found[0], *found[2:]):
        _close(item, reference[item.candidate])
    assert stacks.sizes == [4]


def test_one_that_can_not_be_built_costs_no_halving(reference, stacks):
    found = PopulationEvaluator().evaluate([UNBUILDABLE, *CANDIDATES], FAMILY, [make_task()])
    assert found[0].status is Status.FAILED
    assert "ValueError: Expected argument `theta` to have 8 entries" in found[0].message
    for item in found[1:]:
        _close(item, reference[item.candidate])
    assert stacks.sizes == [3]


def test_nothing_but_what_can_not_be_built(stacks):
    found = PopulationEvaluator().evaluate([UNBUILDABLE] * 2, FAMILY, [make_task()])
    assert [item.status for item in found] == [Status.FAILED] * 2
    assert stacks.sizes == []


def test_a_loss_that_raises_is_found_by_halving(reference, stacks):
    family = _Raising()
    mixed = [CANDIDATES[0], RAISING, *OTHERS]
    found = PopulationEvaluator().evaluate(mixed, family, [make_task()])
    assert [item.status.value for item in found] == ["ok", "failed", "ok", "ok"]
    assert found[1].message == "ArithmeticError: boom"
    for item in (found[0], *found[2:]):
        _close(item, reference[item.candidate])
    assert stacks.sizes == [4, 2, 1, 1, 2]


def test_out_of_memory_halves_and_is_remembered(reference, stacks):
    stacks.limit = 2
    evaluator = PopulationEvaluator()
    many = CANDIDATES * 2
    for sizes in ([6, 3, 1, 2, 3, 1, 2], [1] * 6):
        stacks.sizes.clear()
        found = evaluator.evaluate(many, FAMILY, [make_task()])
        assert [item.candidate for item in found] == many
        for item in found:
            _close(item, reference[item.candidate])
        assert stacks.sizes == sizes


def test_out_of_memory_of_a_single_network_fails_it(stacks):
    stacks.limit = 0
    (found,) = PopulationEvaluator().evaluate([MSE], FAMILY, [make_task()])
    assert found.status is Status.FAILED
    assert found.message.startswith("OutOfMemoryError: CUDA out of memory")


def test_a_metric_that_is_not_logged_is_named_after_one_fit(stacks):
    found = PopulationEvaluator().evaluate(
        CANDIDATES, FAMILY, [make_task(objectives=(Objective("val_f1"),))]
    )
    assert {item.status for item in found} == {Status.FAILED}
    assert found[0].message == (
        "ValueError: Expected the module to log `val_f1` in its validation_step, the fitness that "
        "`monitor` names; it logs ['val_accuracy', 'val_loss']."
    )
    assert stacks.sizes == [3]


class _OwnStep(SupervisedModule):
    def training_step(self, batch, batch_idx):
        return 2 * super().training_step(batch, batch_idx)


class _OwnGradients(SupervisedModule):
    def on_after_backward(self):
        pass


class _OwnTest(SupervisedModule):
    def __init__(self):
        super().__init__(nn.Linear(6, 3))

    def predict_step(self, batch, batch_idx):
        return None


REFUSED = {
    "training_step": ({"module": _OwnStep(nn.Linear(6, 3))}, "_OwnStep overrides training_step"),
    "hook": ({"module": _OwnGradients(nn.Linear(6, 3))}, "overrides on_after_backward"),
    "stranger": ({"module": StrangersNet()}, "expected a SupervisedModule.*got StrangersNet"),
    "LBFGS": ({"optimizer": torch.optim.LBFGS}, "LBFGS is not known to be element-wise.*SGD"),
    "norm": ({"gradient_clip_val": 1.0}, "clipping by global norm would couple"),
    "norm by name": (
        {"gradient_clip_val": 1.0, "gradient_clip_algorithm": "norm"},
        "clipping by global norm would couple",
    ),
    "float16": ({"precision": "16-mixed"}, "share one loss scale.*bf16-mixed"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_can_not_be_stacked_is_refused_with_a_reason(case):
    changes, reason = REFUSED[case]
    task = make_task(**changes)
    message = f"PopulationEvaluator can't be used here: task: .*{reason}"
    with pytest.raises(ValueError, match=message):
        PopulationEvaluator().evaluate([MSE], FAMILY, [task])


def test_subclasses_that_change_nothing_of_a_fit_can_be_stacked():
    assert PopulationEvaluator().unsupported(FAMILY, [make_task(module=_OwnTest())]) is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"max_candidates": 0}, "`max_candidates` to be an integer of at least 1, got 0"),
        ({"threads": 0}, "`threads` to be an integer of at least 1, got 0"),
        ({"compile_mode": "fast"}, "`compile_mode` to be None or one of .*, got 'fast'"),
    ],
)
def test_bad_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        PopulationEvaluator(**arguments)


def test_threads_are_given_back():
    torch.set_num_threads(2)
    PopulationEvaluator(threads=1).evaluate([MSE], FAMILY, [make_task()])
    assert torch.get_num_threads() == 2


class _Compiler:
    """Stands in for ``torch.compile``: counts, and fails on demand."""

    def __init__(self, error=None):
        self.error = error
        self.calls = 0

    def __call__(self, function, **options):
        assert options["options"]["fallback_random"]

        def run(*arguments):
            if self.error is not None:
                raise self.error
            return function(*arguments)

        self.calls += 1
        return run


@pytest.fixture
def compiler(monkeypatch):
    made = _Compiler()
    monkeypatch.setattr(torch, "compile", made)
    return made


def test_one_compiled_stack_serves_all_widths_below_its_own(compiler, stacks, reference):
    evaluator, task = PopulationEvaluator(compile_mode="default"), make_task()
    for count in (3, 2, 1):
        for item in evaluator.evaluate(CANDIDATES[:count], FAMILY, [task]):
            _close(item, reference[item.candidate])
    assert compiler.calls == 1
    assert stacks.sizes == [3, 3, 3]
    evaluator.evaluate(CANDIDATES * 2, FAMILY, [task])
    evaluator.evaluate(CANDIDATES, FAMILY, [task])
    assert compiler.calls == 2
    assert stacks.sizes[3:] == [6, 6]


def test_a_compiled_stack_starts_from_the_weights_of_its_seed(compiler):
    evaluator = PopulationEvaluator(compile_mode="default")
    task = make_task(steps=4)
    first = evaluator.evaluate(CANDIDATES, FAMILY, [task])
    other = make_task(steps=4, module=task.module, seed=8)
    second = evaluator.evaluate(CANDIDATES, FAMILY, [other])
    expected = PopulationEvaluator().evaluate(CANDIDATES, FAMILY, [other])
    assert compiler.calls == 1
    assert first[0].metrics != second[0].metrics
    for one, two in zip(second, expected, strict=True):
        _close(one, two)


def test_widths_are_taken_up_again(compiler, stacks):
    used = PopulationEvaluator(compile_mode="default")
    used.evaluate(CANDIDATES, FAMILY, [make_task()])
    again = PopulationEvaluator(compile_mode="default")
    again.load_state_dict(used.state_dict())
    again.evaluate(CANDIDATES[:2], FAMILY, [make_task()])
    assert stacks.sizes == [3, 3]


def test_mixtures_are_not_compiled(compiler):
    evaluator = PopulationEvaluator(compile_mode="default")
    found = evaluator.evaluate([MSE, RAISING, *OTHERS], _Raising(), [make_task()])
    assert [item.status.value for item in found] == ["ok", "failed", "ok", "ok"]
    assert compiler.calls == 0


def test_halves_are_compiled_next_time(compiler, stacks, reference):
    stacks.limit = 3
    evaluator, task = PopulationEvaluator(compile_mode="default"), make_task()
    evaluator.evaluate(CANDIDATES * 2, FAMILY, [task])
    assert compiler.calls == 1
    stacks.sizes.clear()
    for item in evaluator.evaluate(CANDIDATES * 2, FAMILY, [task]):
        _close(item, reference[item.candidate])
    assert compiler.calls == 2
    assert stacks.sizes == [3, 3]


def test_without_a_compiler_it_runs_eagerly_and_says_so(compiler, stacks, reference, caplog):
    compiler.error = RuntimeError("InvalidCxxCompiler: No working C++ compiler found\nin a path")
    evaluator, task = PopulationEvaluator(compile_mode="default"), make_task()
    with caplog.at_level(logging.WARNING):
        found = evaluator.evaluate(CANDIDATES, FAMILY, [task])
        evaluator.evaluate(CANDIDATES, FAMILY, [task])
    for item in found:
        _close(item, reference[item.candidate])
    warnings = [record.getMessage() for record in caplog.records]
    assert len(warnings) == 1
    assert "torch.compile failed, so the population trains eagerly" in warnings[0]
    assert "No working C++ compiler found" in warnings[0]


def test_close_drops_what_was_compiled(compiler):
    evaluator = PopulationEvaluator(compile_mode="default")
    task = make_task(optimizer=partial(torch.optim.SGD, lr=0.1))
    evaluator.evaluate(CANDIDATES, FAMILY, [task])
    evaluator.close()
    evaluator.evaluate(CANDIDATES, FAMILY, [task])
    assert compiler.calls == 2


def test_stacks_are_freed(stacks):
    import gc
    import weakref

    alive = []
    real = PopulationModule.on_validation_epoch_start

    def remember(module):
        alive.append(weakref.ref(module))
        real(module)

    PopulationModule.on_validation_epoch_start = remember
    gc.disable()
    try:
        PopulationEvaluator().evaluate(CANDIDATES, FAMILY, [make_task(data=BlobsData())])
        assert alive
        assert not any(reference() is not None for reference in alive)
    finally:
        gc.enable()
        PopulationModule.on_validation_epoch_start = real
