"""Modules without their comments and layout."""

import pytest

from pooling.build.digest import meaning
from pooling.build.errors import ProgramError

TEXT = '"""A stage."""\n\n\ndef f(x):\n    return x + 1\n'


@pytest.fixture
def of(tmp_path):
    def meaning_of(text):
        path = tmp_path / "module.py"
        path.write_text(text)
        return meaning(path)

    return meaning_of


@pytest.mark.parametrize(
    "same",
    [
        "# a remark\n" + TEXT,
        TEXT.replace("x + 1", "(x  +  1)  # one more"),
        TEXT.replace("\n\n\n", "\n"),
    ],
)
def test_comments_and_layout_mean_nothing(of, same):
    assert of(same) == of(TEXT)


@pytest.mark.parametrize(
    ("old", "new"), [("+ 1", "+ 2"), ("A stage", "The stage"), ("f(x)", "f(y)")]
)
def test_code_and_docstrings_do(of, old, new):
    assert of(TEXT.replace(old, new)) != of(TEXT)


def test_what_is_not_python_is_named_with_its_line(of):
    with pytest.raises(ProgramError, match=r"module\.py:2: not Python"):
        of("x = 1\nx = = 2\n")
