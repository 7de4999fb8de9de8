import os
import subprocess
import sys

import pytest

from pooling.build.errors import FigureError
from pooling.figures import LAST, Declared, declared, declared_figures

WHOLE = 'KIND = "model"\nCHAPTER = "checks"\n'


def written(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text)
    return path


def test_constants_are_read_without_running_the_module(tmp_path):
    path = written(
        tmp_path,
        f'"""Mine."""\nraise SystemExit\n{WHOLE}NEEDS = ("loo.csv", "replications.nc")\n'
        'TABLES = ("frequentist",)\nORDER = 3\n',
    )
    needs = ("loo.csv", "replications.nc")
    assert declared(path) == Declared("mine", "model", "checks", needs, ("frequentist",), 3)


def test_what_is_optional_may_be_absent(tmp_path):
    assert declared(written(tmp_path, WHOLE)) == Declared("mine", "model", "checks", (), (), LAST)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('KIND = "model"', "", "KIND: write KIND = .* one of: story, model, library, calibration"),
        ('"model"', '"models"', "KIND: "),
        ('"model"', "str(1)", "KIND: "),
        ('"checks"', '"Checks"', "CHAPTER: .* one of: map, data, diagnostics"),
        ('"checks"', "[1]", "CHAPTER: "),
        ("CHAPTER", 'NEEDS = ("loo.csv")\nCHAPTER', "NEEDS: give a tuple of names"),
        ("CHAPTER", 'NEEDS = ("../loo.csv",)\nCHAPTER', "NEEDS: "),
        ("CHAPTER", 'TABLES = ("a b",)\nCHAPTER', "TABLES: "),
        ("CHAPTER", "ORDER = True\nCHAPTER", "ORDER: give a whole number"),
        ("CHAPTER", "x = = 1\nCHAPTER", "not Python"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, old, new, message):
    with pytest.raises(FigureError, match=rf"mine\.py: {message}"):
        declared(written(tmp_path, WHOLE.replace(old, new)))


@pytest.mark.parametrize("name", ["my-own.py", "Mine.py", "$(x).py"])
def test_a_name_that_is_no_modules_is_an_error(tmp_path, name):
    with pytest.raises(FigureError, match="rename the file"):
        declared(written(tmp_path, WHOLE, name))


def test_figures_come_in_the_order_of_the_report(tmp_path):
    for name, text in {
        "b": WHOLE,
        "a": WHOLE,
        "z": WHOLE + "ORDER = 1\n",
        "y": WHOLE.replace("checks", "data"),
        "_part": "",
    }.items():
        written(tmp_path, text, f"{name}.py")
    assert list(declared_figures(tmp_path)) == ["y", "z", "a", "b"]


def test_reading_the_figures_of_the_package_draws_nothing():
    # `plan` reads them at each call of make: importing plotnine takes longer than all the rest.
    code = (
        "import sys; from pooling.figures import declared_figures; declared_figures(); "
        "print(*{'plotnine', 'matplotlib', 'pandas'} & set(sys.modules))"
    )
    run = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert run.stdout.strip() == ""
