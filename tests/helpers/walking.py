"""The classes of the package, found by walking: a new file is covered without a new test."""

import importlib
import inspect
import pkgutil

import lightning_lossmeta

SKIPPED = ("lightning_lossmeta.benchmarks", "lightning_lossmeta.__main__")


def concrete_subclasses(base):
    """Every class of the package under ``base`` that can be instantiated, by name."""
    for module in pkgutil.walk_packages(lightning_lossmeta.__path__, "lightning_lossmeta."):
        if not module.name.startswith(SKIPPED):
            importlib.import_module(module.name)
    found = {
        cls
        for cls in _descendants(base)
        if cls.__module__.startswith("lightning_lossmeta.") and not inspect.isabstract(cls)
    }
    return sorted(found, key=lambda cls: cls.__qualname__)


def _descendants(cls):
    for child in cls.__subclasses__():
        yield child
        yield from _descendants(child)


def constructor_arguments(cls):
    """Names of the arguments of a class."""
    return [name for name in inspect.signature(cls).parameters if name not in ("args", "kwargs")]
