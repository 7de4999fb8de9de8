"""Houses left out together: who is left out, and the table of their scores."""

import json

import numpy as np
import pandas as pd
import pytest
from conftest import build_fit
from programs import (
    WEAK,
    between,
    executable,
    quick,
    small_fit,
    text_of,
    tiny_coords,
    tiny_data,
)

from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import Fit, write_fit
from pooling.fitting.generate import flat, to_predict
from pooling.fitting.refits import SCORES, Program, refit
from pooling.inputs import schemes
from pooling.inputs.priors import Normal, Priors, Spread
from pooling.scoring import leave_out

COUNTIES = {"county 1": [0, 1, 2, 8], "county 2": [3, 4, 5, 9], "county 3": [6], "county 5": [7]}
HOUSES = list(range(5081, 5091))  # of the example fit, see conftest


def test_one_county_each_leaves_out_its_houses():
    # The counties of the ten houses in tiny_data: 1 1 1 2 2 2 3 5 1 2; county 4 has none.
    assert schemes.one_county_each(tiny_data(), seed=1) == COUNTIES


def test_tenths_of_counties_keep_counties_whole():
    folds = schemes.tenths_of_counties(tiny_data(), seed=1)
    assert sorted(folds.values()) == sorted(COUNTIES.values())


@pytest.mark.parametrize("houses", [7, 919])
def test_tenths_of_houses_are_even_and_cover_every_house_once(houses):
    folds = schemes.tenths_of_houses({"N": houses}, seed=1)
    sizes = [len(fold) for fold in folds.values()]
    assert len(sizes) == min(10, houses)
    assert max(sizes) - min(sizes) <= 1
    assert sorted(i for fold in folds.values() for i in fold) == list(range(houses))


def test_folds_depend_on_the_seed_alone():
    first, again, other = (schemes.tenths_of_houses({"N": 50}, seed) for seed in (1, 1, 2))
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

    def call(*schemes: str, passed: bool = True, pointwise: bool = True):
        monkeypatch.setattr(leave_out, "run_refits", answer)
        write_fit(example_fit("pooled").tree, tmp_path / "fit.nc")
        files = {
            "pooled.normalised": "the text",
            "fit.nc": None,
            "data.json": json.dumps(tiny_data()),
            "sampler.json": json.dumps(quick().model_dump()),
            "scores.json": json.dumps({"pointwise": pointwise, "leave_out": schemes}),
            "toolchain.json": "{}",
        }
        for name, text in files.items():
            if text is not None:
                (tmp_path / name).write_text(text)
        about = {"passed": passed, "allowed_to_fail": "to show it"}
        (tmp_path / "diagnostics.json").write_text(json.dumps(about))
        inputs = [str(tmp_path / name) for name in (*files, "diagnostics.json")]
        output = tmp_path / "left_out.csv"
        leave_out.main(["stan/pooled", *inputs, "-o", str(output)])
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
    assert (program.name, program.normalised) == ("pooled", "the text")
    assert (kept.name, scheduler) == ("refits", None)


def test_model_that_failed_its_diagnostics_is_not_refitted(run):
    table, asked = run("loco", passed=False)
    assert asked == []
    assert table["house"].tolist() == HOUSES
    assert table[list(SCORES)].isna().all(axis=None)
    assert not table["converged"].any()


@pytest.mark.parametrize("schemes", [(), ("loo",), ("loco",)])
def test_nothing_to_leave_out_is_an_empty_table(run, schemes):
    """A house by itself is for `pooling.scoring.loo`; the last study has `pointwise = false`."""
    table, asked = run(*schemes, pointwise="loco" not in schemes)
    assert list(table.columns) == leave_out.COLUMNS
    assert table.empty
    assert asked == []


# Narrower than elsewhere: a county that is left out of a model without a population is predicted
# by its prior, and few of its draws lie where a house is if that is wide.
PRIORS = WEAK.replaced_by(
    Priors(
        alpha=Normal(loc=1.2, scale=0.8),
        beta=Normal(loc=-0.5, scale=0.5),
        sigma=Spread(scale=1),
    )
)
SIZES = (9, 1, 5, 12, 3, 7, 4, 10)  # houses of eight counties, every third on the first floor
SETTINGS = quick(chains=4, warmup=500, draws=1000, adapt_delta=0.99)
WEIGHTED = (
    *("hierarchical_marginal", "hierarchical_noncentered", "pooled", "per_county"),
    "hierarchical_spatial",
)


def survey(extreme: float = 0.0) -> tuple[dict, dict]:
    """Houses of eight counties in a row, 20 km from each other, and the names of these.

    The last county is moved by `extreme`.
    """
    rng = np.random.default_rng(20065)
    county = np.repeat(np.arange(8), SIZES)
    floor = (np.arange(county.size) % 3 == 2).astype(float)
    alpha, beta = rng.normal(1.2, 0.4, 8), rng.normal(-0.5, 0.3, 8)
    alpha[7] += extreme
    y = rng.normal(alpha[county] + beta[county] * floor, 0.6)
    houses = {"county": county + 1, "floor_measure": floor, "log_radon": y}
    data = {"N": county.size, "J": 8} | {name: value.tolist() for name, value in houses.items()}
    data["distance"] = between([(20.0 * j, 0.0) for j in range(8)])
    coords = tiny_coords() | {
        "house_id": list(range(county.size)),
        "house_county": (27001 + 2 * county).tolist(),
        "county_fips": (27001 + 2 * np.arange(8)).tolist(),
        "county": [f"COUNTY {j}" for j in range(8)],
        "state": ["MN"] * 8,
        "houses": list(SIZES),
        "first_floor_houses": np.bincount(county[floor == 1], minlength=8).tolist(),
    }
    return data | to_predict([], []) | PRIORS.scales(), coords


def here(program, data, folds, settings, kept, scheduler=None) -> dict[str, dict]:
    """Refits one after the other in this process."""
    sampler = settings.model_dump()
    return {fold: refit(program, data, houses, sampler) for fold, houses in folds.items()}


def surveyed(stem: str, extreme: float = 0.0) -> tuple[Fit, Program, dict, dict]:
    """A fit to such a survey, its program, the data, and their folds."""
    data, coords = survey(extreme)
    fit = small_fit(stem, data, coords, SETTINGS)
    program = Program(stem, text_of(stem), executable(stem), start=fit.start())
    return fit, program, data, schemes.one_county_each(data, seed=1)


@pytest.fixture
def errors(monkeypatch):
    """Scores by weights also tell the Monte Carlo error of elpd, by the delta method."""
    original = leave_out.weighted_scores

    def scores(weights, draws, houses, measured):
        found = original(weights, draws, houses, measured)
        density = np.exp(flat(draws["log_lik"]) - found["elpd"].to_numpy())
        return found.assign(error=np.sqrt((weights**2 * (density - 1) ** 2).sum(axis=0)))

    monkeypatch.setattr(leave_out, "weighted_scores", scores)


@pytest.mark.parametrize("stem", WEIGHTED)
def test_counties_left_out_by_weights_agree_with_refits(errors, stem):
    fit, program, data, folds = surveyed(stem)
    found = leave_out.weighted_counties(fit, program, data, SETTINGS)
    assert found["house"].tolist() == list(range(data["N"]))
    assert found["fold"].tolist() == [f"county {j}" for j in data["county"]]
    assert not found["refitted"].any()
    sound = (found["pareto_k"] <= MAX_PARETO_K) & found["converged"]
    kept = {fold: folds[fold] for fold in found.loc[sound, "fold"].unique()}
    assert len(kept) >= 5, "of eight counties"
    found = found[sound]
    exact = leave_out.table(here(program, data, kept, SETTINGS, None), kept, list(range(data["N"])))
    assert exact["house"].tolist() == found["house"].tolist()
    assert exact["converged"].all()
    exact.index = found.index
    # Four errors of both. Kept draws depend on each other, which the weights' errors do not know:
    # a fourth of them are worth as much as independent ones. Refits are as exact as weights, at
    # least; 2,000 draws make a probability uncertain by .011, and weights of a third that by .02.
    mean = np.hypot(2 * found["mcse"], exact["mcse"])
    assert ((found["mean"] - exact["mean"]).abs() < 4 * mean).all()
    elpd = np.hypot(2 * found["error"], found["error"])
    assert ((found["elpd"] - exact["elpd"]).abs() < 4 * elpd).all()
    assert (found["pit"] - exact["pit"]).abs().max() < 4 * np.hypot(0.011, 2 * 0.02)
    # Errors are less than what leaving a county out changes: its own fit knows it better.
    assert np.median(elpd) < 0.15


@pytest.mark.parametrize("stem", ["hierarchical_marginal", "pooled"])
def test_county_that_weights_cannot_leave_out_is_refitted(monkeypatch, tmp_path, stem):
    """Its ten houses are eight units, more than ten standard deviations, above all others."""
    monkeypatch.setattr(leave_out, "run_refits", here)
    fit, program, data, folds = surveyed(stem, extreme=8.0)
    found = leave_out.leave_out(fit, program, data, ["loco"], SETTINGS, tmp_path)
    assert found["house"].tolist() == list(range(data["N"]))
    last = found[found["fold"] == "county 8"]
    assert last["refitted"].all()
    assert (last["pareto_k"] > MAX_PARETO_K).all()
    others = found[found["fold"] != "county 8"]
    assert not others["refitted"].all()
    exact = here(program, data, {"county 8": folds["county 8"]}, SETTINGS, None)["county 8"]
    assert last["elpd"].tolist() == exact["elpd"], "bit by bit"


def test_draws_that_would_mean_something_else_beside_doubles_are_made_anew(monkeypatch):
    fit, program, data, _ = surveyed("hierarchical_marginal")
    own = leave_out.weighted_counties(fit, program, data, SETTINGS)
    original, made = leave_out.sample_extended, []
    monkeypatch.setattr(leave_out, "sample_extended", lambda *a: made.append(1) or original(*a))
    leave_out.weighted_counties(fit, program, data, SETTINGS)
    assert not made, "doubles without a house change no draw"
    monkeypatch.setattr(leave_out, "generate_with_doubles", lambda *_: None)
    anew = leave_out.weighted_counties(fit, program, data, SETTINGS)
    assert made
    # County 2 has one house, so that its weights are even: 4,000 draws each.
    row = own.index[own["fold"] == "county 2"][0]
    assert anew.at[row, "elpd"] == pytest.approx(own.at[row, "elpd"], abs=0.05)
    assert anew.at[row, "elpd"] != own.at[row, "elpd"]


def test_program_without_the_density_of_counties_has_no_weights():
    """Of houses with heavy tails it is not known: every county is refitted."""
    program = Program("hierarchical_robust", text_of("hierarchical_robust"))
    fit = build_fit("hierarchical_robust")
    assert leave_out.weighted_counties(fit, program, tiny_data(), SETTINGS) is None
