import pytest

from lightning_lossmeta.callbacks import LossNormalisation
from lightning_lossmeta.families import NormalisedFamily, TaylorFamily


def test_wraps_the_family_of_a_search():
    inner = TaylorFamily(start="mse")
    family = LossNormalisation(eta=5.0, samples=10).wrap_family(inner, 3)
    assert family == NormalisedFamily(inner, 3, eta=5.0, samples=10)
    assert family.space == inner.space


def test_classification_alone():
    with pytest.raises(ValueError, match="Expected a classification task for LossNormalisation"):
        LossNormalisation().wrap_family(TaylorFamily(), None)


def test_twice_is_refused():
    family = LossNormalisation().wrap_family(TaylorFamily(), 3)
    with pytest.raises(ValueError, match="not to be normalised"):
        LossNormalisation().wrap_family(family, 3)


@pytest.mark.parametrize("arguments", [{"eta": 0.0}, {"eta": float("inf")}, {"samples": -1}])
def test_refuses_at_once(arguments):
    with pytest.raises(ValueError, match=f"`{next(iter(arguments))}` to be"):
        LossNormalisation(**arguments)
