"""The table of hand-made losses makes itself."""

import importlib
import sys

import pytest

from lightning_lossmeta import losses
from lightning_lossmeta.artifacts import find_loss, get_loss, ready_names
from lightning_lossmeta.losses.hand_made import hand_made_losses

NEW_FILE = '''
from lightning_lossmeta.losses.classification import ClassificationLoss
from lightning_lossmeta.losses.base import LossFunction


class LinearLoss(LossFunction):
    """One minus the probability of the target.

        L = 1 - p

    Source: Nobody (2000).
    """

    def per_sample(self, output, target):
        return 1 - output.softmax(dim=1).gather(1, target[:, None])[:, 0]


class NeedsAMargin(LinearLoss):
    """Is not made by its name alone."""

    def __init__(self, margin, reduction="mean"):
        super().__init__(reduction)
'''


@pytest.fixture
def new_file(tmp_path, monkeypatch):
    """A file of two further losses, as if it lay in the package ``losses``."""
    (tmp_path / "linear.py").write_text(NEW_FILE)
    monkeypatch.setattr(losses, "__path__", [*losses.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield
    sys.modules.pop(f"{losses.__name__}.linear", None)
    vars(losses).pop("linear", None)


def test_a_loss_in_a_new_file_is_ready(new_file):
    assert type(get_loss("linear_loss")).__name__ == "LinearLoss"
    ready = find_loss("linear-loss")
    assert (ready.formula, ready.source) == ("1 - p", "Nobody (2000)")
    assert ready_names().index("linear_loss") < ready_names().index("binary_cross_entropy")


def test_one_that_needs_arguments_or_is_imported_from_elsewhere_is_not(new_file):
    added = {name for name, cls in hand_made_losses().items() if cls.__module__.endswith("linear")}
    assert added == {"linear_loss"}


def test_names_are_words_in_lower_case():
    made = {cls.__name__: name for name, cls in hand_made_losses().items()}
    assert made["NCEAndRCE"] == "nce_and_rce"
    assert made["TruncatedGeneralizedCrossEntropy"] == "truncated_generalized_cross_entropy"
    assert made["Poly1"] == "poly1"
    assert "ForwardCorrection" not in made
