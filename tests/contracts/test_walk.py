"""A class in a new file is held to its contract without a change elsewhere."""

import gc
import importlib
import sys

import pytest
from walking import concrete_subclasses, each_example

from lightning_lossmeta import losses
from lightning_lossmeta._example import HasExample
from lightning_lossmeta.losses import LossFunction

NEW_FILE = '''
from lightning_lossmeta.losses.base import LossFunction


class Margin(LossFunction):
    """Needs an argument."""

    def __init__(self, margin, reduction="mean"):
        super().__init__(reduction)
        self.margin = margin

    @classmethod
    def example(cls):
        return cls(2.0)

    def per_sample(self, output, target):
        return output.sum(dim=1) + self.margin
'''


@pytest.fixture
def new_file(tmp_path, monkeypatch):
    """A file of a further loss, as if it lay in the package ``losses``."""
    (tmp_path / "margin.py").write_text(NEW_FILE)
    monkeypatch.setattr(losses, "__path__", [*losses.__path__, str(tmp_path)])
    importlib.invalidate_caches()
    yield f"{losses.__name__}.margin"
    sys.modules.pop(f"{losses.__name__}.margin", None)
    vars(losses).pop("margin", None)
    gc.collect()


def test_a_loss_in_a_new_file_is_found_and_made(new_file):
    assert new_file not in sys.modules
    made = {param.id: param.values[0] for param in each_example(LossFunction)}
    assert made["Margin"]().margin == 2.0
    assert made["Margin"]() is not made["Margin"](), "each test has its own"


def test_and_is_gone_with_its_file():
    assert "Margin" not in {cls.__name__ for cls in concrete_subclasses(LossFunction)}


@pytest.mark.parametrize("base", HasExample.__subclasses__(), ids=lambda cls: cls.__name__)
def test_every_kind_has_classes_with_examples(base):
    made = [param.values[0]() for param in each_example(base)]
    assert made
    assert {type(item) for item in made} <= set(concrete_subclasses(base))


def test_a_class_that_needs_arguments_has_to_give_an_example():
    class Forgetful(HasExample):
        def __init__(self, number):
            self.number = number

    with pytest.raises(TypeError, match="number"):
        Forgetful.example()
