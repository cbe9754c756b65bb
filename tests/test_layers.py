"""Imports point one way; matplotlib is imported within one package alone."""

import ast
from pathlib import Path

import pytest

import lightning_lossmeta

PACKAGE = Path(lightning_lossmeta.__file__).parent

#: From low to high; a module imports from lower layers, or from its own.
LAYERS = [
    {
        *("_seeds", "_validation", "_fingerprint", "_subclasses", "_names"),
        *("candidate", "evaluation", "task"),
    },
    {"losses"},
    {"families", "theory", "models", "data"},
    {"artifacts"},
    {"analysis"},
    {"searchers", "modules", "callbacks"},
    {"training"},
    {"evaluators"},
    {"local_search"},
    {"comparison"},
    {"search"},
    {"cli", "__main__"},
    {"benchmarks"},
]
RANK = {name: rank for rank, layer in enumerate(LAYERS) for name in layer}
FILES = sorted(path for path in PACKAGE.rglob("*.py") if path != PACKAGE / "__init__.py")


def _part(file):
    """The part of the package that a file belongs to."""
    return file.relative_to(PACKAGE).parts[0].removesuffix(".py")


def _imported(tree):
    """Every module or name that is imported anywhere in a file, in full."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative imports hide the layer"
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _parts_imported(tree):
    for name in _imported(tree):
        root, _, rest = name.partition(".")
        if root == "lightning_lossmeta" and rest:
            first = rest.split(".")[0]
            yield lightning_lossmeta._HOME.get(first, first)


def _ids(file):
    return str(file.relative_to(PACKAGE))


@pytest.mark.parametrize("file", FILES, ids=_ids)
def test_imports_come_from_lower_layers(file):
    own = _part(file)
    assert own in RANK, f"{own} has no layer yet"
    for part in _parts_imported(ast.parse(file.read_text(encoding="utf-8"))):
        if part != "__version__":
            assert RANK[part] <= RANK[own], f"{own} imports {part}"


@pytest.mark.parametrize("file", FILES, ids=_ids)
def test_matplotlib_is_imported_within_analysis_alone(file):
    names = {name.split(".")[0] for name in _imported(ast.parse(file.read_text(encoding="utf-8")))}
    assert "matplotlib" not in names or _part(file) == "analysis"


def test_packages_of_one_layer_do_not_import_each_other_in_circles():
    imports = {part: set() for part in RANK}
    for file in FILES:
        imports[_part(file)] |= set(
            _parts_imported(ast.parse(file.read_text(encoding="utf-8")))
        ) - {_part(file)}

    def reached(part, seen):
        for other in imports.get(part, ()):
            if other not in seen:
                seen.add(other)
                reached(other, seen)
        return seen

    for part in RANK:
        assert part not in reached(part, set()), f"{part} imports itself by way of others"


def test_the_check_sees_a_wrong_import(tmp_path):
    source = "def f():\n    from lightning_lossmeta import MetaLossTrainer\n"
    assert list(_parts_imported(ast.parse(source))) == ["search"]
    assert RANK["search"] > RANK["losses"]
