import pytest
from method_toys import CE, FAMILY, METHODS, blobs_task, evaluate

from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.evaluators import ProcessEvaluator


def test_workers_train_as_the_trainer_evaluator():
    evaluator = ProcessEvaluator(processes=1)
    for method in METHODS:
        task = blobs_task(method)
        (found,) = evaluator.evaluate([CE], FAMILY, [task])
        expected = evaluate(task)
        assert found.status is Status.OK, found.message
        assert found.curves.keys() == expected.curves.keys()
        for tag, curve in expected.curves.items():
            steps, values = zip(*curve, strict=True)
            found_steps, found_values = zip(*found.curves[tag], strict=True)
            assert found_steps == steps
            assert found_values == pytest.approx(values, abs=1e-5)
    evaluator.close()
