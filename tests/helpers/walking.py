"""The classes of the package, found by walking: a new file is covered without a new test."""

import importlib
import inspect
import pkgutil
from functools import partial

import pytest

import lightning_lossmeta
from lightning_lossmeta._subclasses import all_subclasses

EXTRAS = ("ray", "submitit")
SKIPPED = ("lightning_lossmeta.benchmarks", "lightning_lossmeta.__main__")


def concrete_subclasses(base):
    """Every class of the package under ``base`` that can be instantiated, by name."""
    for module in pkgutil.walk_packages(lightning_lossmeta.__path__, "lightning_lossmeta."):
        if not module.name.startswith(SKIPPED):
            importlib.import_module(module.name)
    concrete = {
        cls
        for cls in all_subclasses(base)
        if cls.__module__.startswith("lightning_lossmeta.")
        and not cls.__module__.startswith(SKIPPED)
        and not inspect.isabstract(cls)
    }
    return sorted(concrete, key=lambda cls: cls.__qualname__)


def each_example(base):
    """Parameters of a test: for each example of each class under ``base`` what makes it anew.

    Classes that say that they have none, for want of a user's files, are left out.
    """
    parameters = []
    for cls in concrete_subclasses(base):
        try:
            count = len(cls.examples())
        except NotImplementedError:
            continue
        except ModuleNotFoundError as error:  # an extra that is not installed
            if error.name not in EXTRAS:
                raise
            continue
        for number in range(count):
            place = f"-{number}" if count > 1 else ""
            make = partial(_example, cls, number)
            parameters.append(pytest.param(make, id=cls.__name__ + place))
    return parameters


def _example(cls, number):
    return cls.examples()[number]


def constructor_arguments(cls):
    """Names of the arguments of a class."""
    return [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
