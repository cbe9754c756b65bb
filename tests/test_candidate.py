import dataclasses
import pickle

import pytest

from lightning_lossmeta.candidate import Candidate


def test_equal_by_value_and_hashable():
    one, same, other = Candidate("a", (0.1, 2.0)), Candidate("a", (0.1, 2.0)), Candidate("b")
    assert one == same
    assert len({one, same, other}) == 2


def test_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Candidate(None, (1.0,)).theta = ()


def test_pickle_keeps_every_bit():
    candidate = Candidate(None, (0.1 + 0.2, 5e-324, -0.0))
    copied = pickle.loads(pickle.dumps(candidate))
    assert [value.hex() for value in copied.theta] == [value.hex() for value in candidate.theta]
