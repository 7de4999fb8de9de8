"""Damaged, unusual and hostile input: the part of `make stress` that needs no sampler."""

import importlib
import io
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from stress.case import Case, as_text, attempt

from pooling.build.cmdstan import is_built, locate
from pooling.build.errors import DataError, SetupError, StudyError
from pooling.inputs.study import Study, read_study
from pooling.inputs.tables import read_counties, read_houses
from pooling.programs.source import normalised

QUICK = ("tables", "fields", "studies", "programs", "safety")
EVERY = 2  # every second case, so that this takes seconds
CASES = [case for n in QUICK for case in importlib.import_module(f"stress.{n}").cases()[::EVERY]]
SLOW = ("the page loads", "everything is made once")


def ready() -> bool:
    try:
        found = locate()
    except SetupError:
        return False
    return found is not None and is_built(found)


@pytest.mark.parametrize("kind", sorted({case.kind for case in CASES}))
def test_every_quick_case_happens_as_expected(kind):
    if kind == "program" and not ready():
        pytest.skip("no CmdStan that is built")
    cases = [
        c for c in CASES if c.kind == kind and not any(s in c.tried + c.expected for s in SLOW)
    ]
    wrong = [row for row in map(attempt, cases) if row["ok"] == "no"]
    assert not wrong, as_text(wrong)


def test_a_case_that_goes_wrong_is_a_row_that_says_so():
    def traceback(folder: Path) -> str:
        raise KeyError("county")

    row = attempt(Case("table", "tried", "expected", traceback))
    assert (row["happened"], row["ok"]) == ("KeyError: 'county'", "no")


def read(reader, content: bytes) -> pd.DataFrame | None:
    """The rows of a table with this content, None if it is refused in one line."""
    with TemporaryDirectory() as folder:
        path = Path(folder, "table.csv")
        path.write_bytes(content)
        try:
            return reader(path).rows
        except DataError as error:
            assert str(error).startswith(str(path))
            return None


HEADER = b"house_id,state,county_fips,floor,activity\n"
CHARACTERS = st.sampled_from([*'",\n\r \t;0123456789.eE+-', "a", "é", "\0", "nan", "inf", "True"])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
@example(content=b"\x0b")  # blank to Python, a field to pandas
def test_any_bytes_are_a_table_or_one_error(content):
    for reader in (read_houses, read_counties):
        read(reader, content)
        rows = read(reader, HEADER + content)
        assert rows is None or len(rows)


@settings(max_examples=150, deadline=None)
@given(st.lists(CHARACTERS, max_size=60).map("".join))
def test_any_text_below_a_header_is_valid_or_one_error(text):
    rows = read(read_houses, HEADER + b"a1,MN,27001,1,2.2\n" + text.encode())
    if rows is not None:
        assert rows.iloc[0].drop("weight").tolist() == ["a1", "MN", 27001, 1, 2.2]
        assert rows["activity"].between(0, 100_000).all()


FRAMES = st.lists(
    st.tuples(
        st.integers(),
        st.sampled_from(["MN", "WI"]),
        st.integers(-5, 99999),
        st.integers(0, 1),
        st.floats(),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=60, deadline=None)
@given(FRAMES)
def test_a_frame_of_numbers_comes_back_or_one_of_them_is_refused(rows):
    names = HEADER.decode().strip().split(",")
    frame = pd.DataFrame(rows, columns=names)
    text = io.StringIO()
    frame.to_csv(text, index=False)
    good = frame["activity"].map(lambda x: x == 0 or 1e-6 <= x <= 1e5).all()
    # Houses that occur twice are told where the study says what to do with them.
    good &= (frame["county_fips"] >= 1).all()
    found = read(read_houses, text.getvalue().encode())
    assert (found is not None) == good
    if found is not None:
        assert found["activity"].tolist() == pytest.approx(frame["activity"].tolist(), rel=1e-15)
        assert list(map(str, found["house_id"])) == list(map(str, frame["house_id"]))


VALUES = st.recursive(
    st.one_of(st.booleans(), st.integers(), st.sampled_from(["nan", "inf", "1e400", '"MN"'])),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda v: f"[{', '.join(map(str, v))}]"),
        inner.map(lambda v: f"{{ scale = {v} }}"),
    ),
    max_leaves=4,
).map(lambda value: str(value).replace("True", "true").replace("False", "false"))
KEYS = ("title", "data.states", "data.floors", "priors.sigma", "priors.nu", "sampler.seed")
KEYS += ("models.use", "figures.funnel", "other_priors.wide", "scores.leave_out", "data.uranium")
TOML = st.dictionaries(st.sampled_from(KEYS), VALUES).map(
    lambda table: "".join(f"{key} = {value}\n" for key, value in table.items())
)


@settings(max_examples=100, deadline=None)
@given(st.one_of(TOML.map(str.encode), st.binary(max_size=100)))
def test_any_study_is_read_or_one_error(content):
    with TemporaryDirectory() as folder:
        path = Path(folder, "trial.toml")
        path.write_bytes(content)
        try:
            assert isinstance(read_study(path), Study)
        except StudyError as error:
            assert str(error).startswith(f"{path}: ")


LEXEMES = st.lists(
    st.sampled_from(
        ["x", "1", "*", "/", "{", "}", ";", " y ", '"a // b"', '"/* c */"', '" # "', "=", "+"]
    ),
    max_size=12,
)
COMMENTS = st.sampled_from(['// a "b\n', '/* "c // */', "/**/", "# }{\n", " \n\t"])


@settings(max_examples=150, deadline=None)
@given(LEXEMES, st.lists(st.tuples(st.integers(0, 12), COMMENTS), max_size=4))
def test_comments_between_words_never_change_a_program(words, comments):
    commented = [f" {word} " for word in words]
    plain = "".join(commented)
    for place, comment in comments:
        commented.insert(min(place, len(commented)), comment)
    with TemporaryDirectory() as folder:
        found = []
        for text in (plain, "".join(commented)):
            path = Path(folder, "main.stan")
            path.write_text(text, encoding="utf-8")
            found.append(normalised(path, Path(folder)))
    assert found[0] == found[1]
    assert found[0].replace(" ", "") == plain.replace(" ", "")
