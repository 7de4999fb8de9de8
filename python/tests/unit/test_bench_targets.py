"""Ratios and targets of the benchmark, against numbers worked by hand."""

import math

import pandas as pd
import pytest

from bench.targets import Target, best, engine_targets, ratio_to, speeds

RUNS = [
    # data, engine, parameterisation, ess_per_s, ess_per_s_with_compile, passed
    ("minnesota", "cmdstan", "marginal", 3000, 120, True),
    ("minnesota", "cmdstan", "marginal", 2000, 110, True),
    ("minnesota", "cmdstan", "marginal", 2500, 100, False),
    ("minnesota", "cmdstan", "centered", 9000, 900, False),
    ("minnesota", "nutpie", "noncentered", 1000, 50, True),
    ("minnesota", "nutpie", "noncentered", 1200, 55, True),
    ("minnesota", "nutpie", "noncentered", 1400, 60, True),
    ("minnesota", "nutpie", "centered", 5000, 80, False),
    ("survey", "cmdstan", "marginal", 1500, 90, True),
    ("survey", "nutpie", "noncentered", 50, 10, False),
    ("survey", "nutpie", "centered", 75, 20, False),
    ("survey", "pymc", "noncentered", math.nan, math.nan, False),
]
COLUMNS = ["data", "engine", "parameterisation", "ess_per_s", "ess_per_s_with_compile", "passed"]
PER_GRADIENT = {"marginal": 0.06, "noncentered": 0.01, "centered": 0.02}


@pytest.fixture
def table():
    runs = pd.DataFrame(RUNS, columns=COLUMNS)
    per_gradient = runs["parameterisation"].map(PER_GRADIENT)
    both = {"ess_per_gradient": per_gradient, "ess_per_gradient_with_warmup": per_gradient / 2}
    return runs.assign(**both)


def of(table, data):
    found = speeds(table)
    return found[found["data"] == data]


def test_speed_is_the_median_and_most_runs_decide_the_gate(table):
    rows = of(table, "minnesota").set_index(["engine", "parameterisation"])
    marginal = rows.loc[("cmdstan", "marginal")]
    assert marginal[["ess_per_s", "ess_per_s_with_compile", "runs"]].tolist() == [2500, 110, 3]
    assert marginal["passed"]
    assert not rows.loc[("nutpie", "centered"), "passed"]


def test_half_of_the_runs_is_not_enough_for_the_gate(table):
    two = table.iloc[1:3]
    assert speeds(two)["passed"].tolist() == [False]


def test_best_never_counts_a_failing_row_as_fast(table):
    rows = of(table, "minnesota")
    assert best(rows)["parameterisation"] == "marginal"
    assert best(rows[rows["engine"] == "nutpie"])["ess_per_s"] == 1200


def test_best_is_the_fastest_failing_row_where_none_passes(table):
    rows = of(table, "survey")
    assert best(rows[rows["engine"] == "nutpie"])["parameterisation"] == "centered"
    assert best(rows[rows["engine"] == "pymc"]) is None


def test_ratio_and_whether_it_is_to_a_gated_run(table):
    ratio, gated = ratio_to(of(table, "minnesota"), "nutpie")
    assert (ratio, gated) == (pytest.approx(2500 / 1200), True)
    assert ratio_to(of(table, "survey"), "nutpie") == (1500 / 75, False)


def test_no_ratio_where_ours_fails_or_theirs_is_not_there(table):
    failing = of(table.assign(passed=False), "minnesota")
    assert math.isnan(ratio_to(failing, "nutpie")[0])
    assert math.isnan(ratio_to(of(table, "survey"), "pymc")[0])


def test_ratio_of_gradients(table):
    assert ratio_to(of(table, "minnesota"), "nutpie", "ess_per_gradient") == (6, True)


def test_targets_of_the_engines_are_to_be_level(table):
    found = {target.what: target for target in engine_targets(table)}
    minnesota = found["minnesota: sampling, times nutpie"]
    assert (minnesota.value, minnesota.bound) == (pytest.approx(25 / 12), 1)
    assert minnesota.reached
    survey = found["survey: sampling, times nutpie (which fails the gate)"]
    assert (survey.value, survey.reached) == (20, True)
    assert found["minnesota: compiling and sampling, times nutpie"].value == 2
    # Never reached against a peer without a run.
    assert not found["survey: sampling, times pymc (which fails the gate)"].reached


def test_a_peer_that_is_faster_is_a_target_that_is_missed(table):
    faster = table.assign(ess_per_s=table["ess_per_s"].where(table["engine"] != "nutpie", 5000))
    (missed,) = [t for t in engine_targets(faster) if t.what == "minnesota: sampling, times nutpie"]
    assert (missed.value, missed.reached) == (0.5, False)


@pytest.mark.parametrize(
    ("target", "reached"),
    [
        (Target("x", 0.5, 0.5), True),
        (Target("x", 0.51, 0.5), False),
        (Target("x", 2, 2, at_least=True), True),
        (Target("x", 1.99, 2, at_least=True), False),
        (Target("x", math.nan, 2, at_least=True), False),
        (Target("x", math.nan, 2), False),
    ],
)
def test_target_is_reached_at_its_bound_and_never_by_nothing(target, reached):
    assert target.reached is reached
    assert str(target).startswith("reached" if reached else "MISSED")
