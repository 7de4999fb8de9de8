"""Packages stand in the order in which data flow; imports go against it and never with it."""

import ast
from pathlib import Path

import pytest

import pooling

ORDER = ["build", "inputs", "programs", "fits", "fitting"]
ORDER += ["checking", "scoring", "deciding", "figures", "reporting", "workflow"]
PACKAGE = Path(pooling.__file__).parent
PACKAGES = {path.name for path in PACKAGE.iterdir() if (path / "__init__.py").is_file()}


def imported(path):
    """Packages of ours that a module imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        if isinstance(node, ast.ImportFrom):
            assert not node.level, f"{path}: a relative import"
            names = [f"{node.module}.{name.name}" for name in node.names]
        elif isinstance(node, ast.Import):
            names = [name.name for name in node.names]
        else:
            continue
        yield from (n.split(".")[1] for n in names if n.startswith("pooling."))


def test_every_package_has_its_place():
    assert set(ORDER) == PACKAGES


@pytest.mark.parametrize("package", ORDER)
def test_a_package_imports_from_itself_and_those_before_it(package):
    before = ORDER[: ORDER.index(package) + 1]
    wrong = {
        f"{path.relative_to(PACKAGE)} imports {name}"
        for path in (PACKAGE / package).rglob("*.py")
        for name in imported(path)
        if name not in before
    }
    assert not wrong


@pytest.mark.parametrize("package", ORDER)
def test_modules_of_a_package_import_each_other_in_no_circle(package):
    modules = {path.stem: path for path in (PACKAGE / package).glob("*.py")}
    uses = {}
    for name, path in modules.items():
        tree = ast.walk(ast.parse(path.read_bytes()))
        found = [n for n in tree if isinstance(n, ast.ImportFrom)]
        dotted = [f"{n.module}.{alias.name}.".split(".") for n in found for alias in n.names]
        ours = {words[2] for words in dotted if words[:2] == ["pooling", package]}
        uses[name] = ours & modules.keys()
    while free := [name for name, used in uses.items() if not used & uses.keys()]:
        for name in free:
            del uses[name]
    assert not uses, "these import each other"
