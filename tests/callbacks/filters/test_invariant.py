import pytest
from searches import make_search

from lightning_lossmeta.callbacks import InvariantCheck
from lightning_lossmeta.candidate import Candidate
from lightning_lossmeta.evaluation import Status
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily
from lightning_lossmeta.losses import CrossEntropy, MeanSquaredError

CANDIDATE = Candidate(None, (1.0,))
FAMILY = TaylorFamily()


def _check(tmp_path, test="exact"):
    check = InvariantCheck(test)
    check.on_search_start(make_search(tmp_path))
    return check


def _taylor(gamma_y):
    """L = -mean_k c h y: the target is pulled if c > 0."""
    return FAMILY.build(Candidate(None, (0, 0, 0, 0, 0, gamma_y, 0, 0)))


def test_passes_what_pulls_to_the_target_and_rejects_what_pushes_away(tmp_path):
    check = _check(tmp_path)
    for loss in (CrossEntropy(), MeanSquaredError(), _taylor(1.0)):
        assert check.screen(CANDIDATE, loss) is None
    for loss in (_taylor(-1.0), _taylor(0.0)):
        found = check.screen(CANDIDATE, loss)
        assert found.status is Status.REJECTED
        assert found.candidate == CANDIDATE
        assert "exact invariant" in found.message


@pytest.mark.parametrize(("added", "passes"), [(2.0, False), (0.5, True), (-1.0, True)])
def test_published_test_is_that_of_the_family_also_when_normalised(tmp_path, added, passes):
    """With gammas 1 + c and c theorem 3 as printed asks for 1 + c >= 2 c at three classes."""
    candidate = Candidate(None, (0, 0, added, 0, 0, 1, 0, 0))
    for family in (FAMILY, NormalisedFamily(FAMILY, 3)):
        loss = family.build(candidate)
        assert (_check(tmp_path, "published").screen(candidate, loss) is None) is passes
        assert _check(tmp_path).screen(candidate, loss) is None


def test_classification_alone(tmp_path):
    with pytest.raises(ValueError, match="Expected a classification task for InvariantCheck"):
        InvariantCheck().on_search_start(make_search(tmp_path, num_classes=None))


def test_refuses():
    with pytest.raises(ValueError, match="`test` to be 'exact' or 'published', got 'both'"):
        InvariantCheck("both")
