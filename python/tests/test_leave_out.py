"""Houses left out together: who is left out, and the table of their scores."""

import json

import numpy as np
import pandas as pd
import pytest
from programs import executable, quick, tiny_data

from pooling import leave_out
from pooling.draws import write_fit
from pooling.refits import SCORES

COUNTIES = {"county 1": [0, 1, 2, 8], "county 2": [3, 4, 5, 9], "county 3": [6], "county 5": [7]}
HOUSES = list(range(5081, 5091))  # of the example fit, see conftest


def test_one_county_each_leaves_out_its_houses():
    # The counties of the ten houses in tiny_data: 1 1 1 2 2 2 3 5 1 2; county 4 has none.
    assert leave_out.one_county_each(tiny_data(), seed=1) == COUNTIES


def test_tenths_of_counties_keep_counties_whole():
    folds = leave_out.tenths_of_counties(tiny_data(), seed=1)
    assert sorted(folds.values()) == sorted(COUNTIES.values())


@pytest.mark.parametrize("houses", [7, 919])
def test_tenths_of_houses_are_even_and_cover_every_house_once(houses):
    folds = leave_out.tenths_of_houses({"N": houses}, seed=1)
    sizes = [len(fold) for fold in folds.values()]
    assert len(sizes) == min(10, houses)
    assert max(sizes) - min(sizes) <= 1
    assert sorted(i for fold in folds.values() for i in fold) == list(range(houses))


def test_folds_depend_on_the_seed_alone():
    first, again, other = (leave_out.tenths_of_houses({"N": 50}, seed) for seed in (1, 1, 2))
    assert first == again != other


def test_table_is_in_the_order_of_the_houses_and_without_unsound_scores():
    folds = {"a": [2, 0], "b": [1]}
    scores = {
        "a": {name: [-3.0, -1.0] for name in SCORES} | {"converged": [True, False]},
        "b": {name: [-2.0] for name in SCORES} | {"converged": [True], "unasked": "ignored"},
    }
    rows = leave_out.table(scores, folds, ["x", "y", "z"])
    assert rows["house"].tolist() == ["x", "y", "z"]
    assert rows["fold"].tolist() == ["a", "b", "a"]
    for name in SCORES:
        np.testing.assert_array_equal(rows[name], [np.nan, -2.0, -3.0])


@pytest.fixture
def run(tmp_path, monkeypatch, example_fit):
    """Command line on the example fit; every fold answers with its own size as each score."""
    asked = []

    def answer(program, data, folds, settings, kept, scheduler):
        asked.append((program, folds, kept, scheduler))
        return {
            fold: dict.fromkeys(SCORES, [len(houses)] * len(houses))
            | {"converged": [True] * len(houses)}
            for fold, houses in folds.items()
        }

    def call(*schemes: str, passed: bool = True, **changes: object):
        monkeypatch.setattr(leave_out, "run_refits", answer)
        write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
        files = {
            "pooled.essence": "the text",
            "fit.nc": None,
            "data.json": json.dumps(tiny_data()),
            "sampler.json": json.dumps(quick(**changes).model_dump()),
            "toolchain.json": "{}",
        }
        for name, text in files.items():
            if text is not None:
                (tmp_path / name).write_text(text)
        found = {"passed": passed, "allowed_to_fail": "a lesson"}
        (tmp_path / "diagnostics.json").write_text(json.dumps(found))
        inputs = [str(tmp_path / name) for name in files]
        output = tmp_path / "left_out.csv"
        leave_out.main(["stan/pooled", *inputs, "--schemes", *schemes, "-o", str(output)])
        return pd.read_csv(output), asked

    return call


def test_command_line_writes_a_row_a_house_and_scheme(run):
    table, [(program, folds, kept, scheduler)] = run("loco", "kfold_house")
    assert list(table.columns) == leave_out.COLUMNS
    assert table["house"].tolist() == HOUSES * 2
    assert table["scheme"].tolist() == ["loco"] * 10 + ["kfold_house"] * 10
    # Sizes of the counties of the ten houses; ten houses make tenths of one.
    assert table["elpd"].tolist() == [4, 4, 4, 4, 4, 4, 1, 1, 4, 4] + [1] * 10
    assert len(folds) == 4 + 10, "one run for all schemes"
    assert (program.name, program.essence) == ("pooled", "the text")
    assert (kept.name, scheduler) == ("refits", None)


def test_model_that_failed_its_diagnostics_is_not_refitted(run):
    table, asked = run("loco", passed=False)
    assert asked == []
    assert table["house"].tolist() == HOUSES
    assert table[list(SCORES)].isna().all(axis=None)
    assert not table["converged"].any()


@pytest.mark.parametrize("schemes", [(), ("loco",)])
def test_nothing_to_leave_out_is_an_empty_table(run, schemes):
    table, _ = run(*schemes, pointwise=not schemes)
    assert list(table.columns) == leave_out.COLUMNS
    assert table.empty


def test_real_refits_of_counties(tmp_path):
    program = leave_out.Program("pooled", "", executable("pooled"))
    arguments = (["loco"], quick(chains=4, draws=1000), tmp_path, None)
    table = leave_out.leave_out(program, tiny_data(), HOUSES, *arguments)
    assert table["fold"].tolist() == [
        next(fold for fold, houses in COUNTIES.items() if i in houses) for i in range(10)
    ]
    found = table[table["converged"]]
    assert len(found)
    assert found["pit"].between(0, 1).all()
    # The tiny data lie between 0.3 and 2.1 log pCi/L: so do predictions from other counties.
    assert found["mean"].between(-1, 3).all()
