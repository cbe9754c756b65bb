import pytest

from lightning_lossmeta.families import LossFamily, NormalisedFamily, TaylorFamily, VectorSpace


def test_equal_if_class_and_settings_are():
    assert TaylorFamily(4, "robust") == TaylorFamily(4, "robust")
    assert TaylorFamily(4, "robust") != TaylorFamily(4, "taylorglo")
    assert len({TaylorFamily(start="mse"), TaylorFamily(), TaylorFamily(start="mae")}) == 2
    assert NormalisedFamily(TaylorFamily(), 3) == NormalisedFamily(TaylorFamily(), 3)
    assert NormalisedFamily(TaylorFamily(), 3) != NormalisedFamily(TaylorFamily(2), 3)
    assert TaylorFamily() != "taylor"


def test_a_family_without_its_methods_is_none():
    class Unfinished(LossFamily):
        name = "unfinished"

    with pytest.raises(TypeError, match="abstract"):
        Unfinished()


def test_dimension():
    assert VectorSpace(("a", "b"), (0.0, 1.0)).dimension == 2
