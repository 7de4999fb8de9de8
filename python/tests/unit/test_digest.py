"""What a stage reaches, on a package of three modules, and which edits change its digest."""

import pytest

from pooling.build.digest import Code
from pooling.build.errors import ProgramError

STAGE = '''"""A stage."""

import lib.tools
from lib import models
from lib.tools import SCALE, half


def main(arguments):
    """Run it."""
    return half(SCALE) + models.Model().size()


def unused(x):
    return lib.tools.third(x)


if __name__ == "__main__":
    main(None)
'''
TOOLS = '''"""Tools."""

SCALE = 2
OTHER = 3


def half(x):
    return quarter(x) * 2


def quarter(x):
    return x / 4


def third(x):
    return x / 3
'''
MODELS = """from dataclasses import dataclass

from lib.tools import OTHER


@dataclass
class Model:
    def size(self):
        return 1

    def name(self):
        return str(OTHER)
"""


@pytest.fixture
def package(tmp_path):
    """A package with one stage; `edited(file, old, new)` says whether its digest changes."""
    folder = tmp_path / "lib"
    folder.mkdir()
    texts = {"__init__": "", "stage": STAGE, "tools": TOOLS, "models": MODELS}
    for name, text in texts.items():
        (folder / f"{name}.py").write_text(text)
    return folder


def digest(package):
    code = Code(package)
    return code.digest(code.of_stage("lib.stage"))


def edited(package, name, old, new):
    before, path = digest(package), package / f"{name}.py"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))
    return digest(package) != before


def test_only_what_can_be_run_is_a_stage(package):
    assert Code(package).stages() == ["lib.stage"]


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage", "half(SCALE)", "half(SCALE + 1)"),
        ("stage", "main(None)", "main([])"),
        ("tools", "SCALE = 2", "SCALE = 4"),
        ("tools", "quarter(x) * 2", "quarter(x) * 3"),
        ("tools", "x / 4", "x / 5"),
        ("models", "return 1", "return 2"),
        ("models", "str(OTHER)", "repr(OTHER)"),
        ("tools", "OTHER = 3", "OTHER = 4"),
        ("tools", "SCALE = 2", "SCALE = 2\nprint(SCALE)"),
        ("__init__", "", "import os\n\nos.umask(0)\n"),
    ],
    ids=str,
)
def test_edit_of_what_a_stage_reaches_changes_its_digest(package, name, old, new):
    assert edited(package, name, old, new)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("stage", "lib.tools.third(x)", "0"),
        ("tools", "x / 3", "x / 6"),
        ("tools", "SCALE = 2", "SCALE = 2  # a remark\n\n\n"),
        ("tools", "quarter(x) * 2", "(quarter(x)  *  2)"),
        ("tools", '"""Tools."""', '"""Other words."""'),
        ("stage", '"""Run it."""', '"""Other words."""'),
    ],
    ids=str,
)
def test_comments_layout_and_what_it_does_not_reach_change_nothing(package, name, old, new):
    assert not edited(package, name, old, new)


@pytest.mark.parametrize(
    "use", ["vars(lib.tools)", "getattr(lib.tools, arguments)", "import_module('lib.tools')"]
)
def test_a_module_counts_as_a_whole_where_its_use_cannot_be_told(package, use):
    stage = package / "stage.py"
    stage.write_text(stage.read_text().replace("half(SCALE)", use))
    assert edited(package, "tools", "x / 3", "x / 6")


def test_imported_name_is_followed_to_where_it_is_defined(package):
    (package / "__init__.py").write_text("from lib.tools import third\n")
    stage = package / "stage.py"
    stage.write_text(stage.read_text().replace("half(SCALE)", "lib.third(SCALE)"))
    assert edited(package, "tools", "x / 3", "x / 6")
    assert not edited(package, "tools", "x / 4", "x / 5")


def test_function_that_is_registered_counts_wherever_its_module_is_imported(package):
    tools = package / "tools.py"
    tools.write_text(tools.read_text().replace("def third", "@register\ndef third"))
    assert edited(package, "tools", "x / 3", "x / 6")


def test_docstrings_of_figures_count_because_figures_show_them(package):
    (package / "figures").mkdir()
    path = package / "figures/map.py"
    path.write_text('"""A map."""\n\nif __name__ == "__main__":\n    print(__doc__)\n')
    digests = set()
    for title in ("A map", "The map"):
        path.write_text(path.read_text().replace("A map", title))
        code = Code(package)
        digests.add(code.digest(code.of_stage("lib.figures.map")))
    assert len(digests) == 2


def test_what_is_not_python_is_named_with_its_line(package):
    (package / "tools.py").write_text("x = 1\nx = = 2\n")
    with pytest.raises(ProgramError, match=r"tools\.py:2: not Python"):
        digest(package)
