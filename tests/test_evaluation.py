import math

import pytest

from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Evaluation, Status

CANDIDATE = Candidate(None, (1.0,))


def test_nan_fitness_is_refused_with_what_to_give_instead():
    with pytest.raises(ValueError, match="got \\(nan,\\): give none, and the status `diverged`"):
        Evaluation(CANDIDATE, (math.nan,))


def test_without_a_score_there_is_the_worst_fitness():
    assert Evaluation(CANDIDATE, status=Status.REJECTED).fitness == -math.inf


@pytest.mark.parametrize("status", Status)
def test_only_a_training_earns_a_fitness(status):
    earned = status in (Status.OK, Status.CACHED, Status.STOPPED)
    assert Evaluation(CANDIDATE, (0.5,), status).trained is earned


def test_statuses_are_their_names_in_files():
    assert [Status(status.value) for status in Status] == list(Status)
    assert Status("ok") is Status.OK
