"""Least squares and REML against hand calculations and a second computation of the criterion."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
from programs import study_data, twins
from scipy.optimize import minimize

from pooling.build.errors import DataError, ProgramError
from pooling.programs.source import twin
from pooling.reporting import frequentist, reml
from pooling.reporting.frequentist import COLUMNS, OF_OTHERS, design, estimate, main, read_formula
from pooling.reporting.reml import (
    Mixed,
    Optimum,
    Start,
    coefficient_errors,
    restricted_likelihood,
)

# Four counties with two houses on each floor. County means 2, 3, 5, 6 (mean 4); within a
# county the floor takes off 1 on each side of the mean, and houses differ by 0.5 from their cell.
MEANS = (2.0, 3.0, 5.0, 6.0)
BALANCED = [
    (county, floor, mean + 1 - 2 * floor + gap)
    for county, mean in enumerate(MEANS, start=1)
    for floor in (0, 1)
    for gap in (-0.5, 0.5)
]
INTERCEPTS = "y ~ floor + (1 | county)"
INDEPENDENT = "y ~ floor + (1 | county) + (0 + floor | county)"
CROSSED = "y ~ floor + u + floor:u + (1 + floor | county)"
TWINS = twins()
FORMULAS = {*TWINS.values(), *OF_OTHERS}


def stan_data(houses, counties: int, **more: object) -> dict:
    county, floor, y = (list(column) for column in zip(*houses, strict=True))
    return {
        "N": len(houses),
        "J": counties,
        "county": county,
        "floor_measure": [float(f) for f in floor],
        "log_radon": y,
        "first_floor_share": [0.5] * counties,
    } | more


def coords(data: dict) -> dict:
    return {
        "study": "example",
        "house_id": list(range(data["N"])),
        "county_fips": [27001 + 2 * j for j in range(data["J"])],
    }


def table(data: dict) -> pd.DataFrame:
    return estimate(data, coords(data), TWINS)


def values(found: pd.DataFrame, formula: str, column: str = "value") -> pd.Series:
    rows = found[(found["formula"] == formula) & found["county_fips"].isna()]
    return rows.set_index("parameter")[column]


@pytest.fixture(scope="module")
def balanced():
    return table(stan_data(BALANCED, 4))


@pytest.fixture(scope="module")
def minnesota():
    """Data of the study gelman_hill and its estimates."""
    data, names = study_data("gelman_hill")
    return data, estimate(data, names, TWINS)


def test_least_squares_by_hand(balanced):
    # All basements have mean 5, first floors 3. Squares about them: 4 * (4 + 1 + 1 + 4)
    # between counties and 16 * 0.25 within cells, with 16 - 2 degrees of freedom.
    found = values(balanced, "y ~ floor")
    assert found["mu_alpha"] == pytest.approx(5)
    assert found["mu_beta"] == pytest.approx(-2)
    assert found["sigma"] == pytest.approx(np.sqrt(44 / 14))
    assert found["rmse_in_sample"] == pytest.approx(np.sqrt(44 / 16))
    errors = values(balanced, "y ~ floor", "se")
    assert errors["mu_alpha"] == pytest.approx(np.sqrt(44 / 14 / 8))
    assert errors["mu_beta"] == pytest.approx(np.sqrt(44 / 14 / 4))


def test_least_squares_with_counties_by_hand(balanced):
    # 4 are left, with 16 - 5 degrees of freedom.
    found = values(balanced, "y ~ floor + county")
    assert found["mu_beta"] == pytest.approx(-2)
    assert found["sigma"] == pytest.approx(np.sqrt(4 / 11))
    assert values(balanced, "y ~ floor + county", "se")["mu_beta"] == pytest.approx(
        np.sqrt(4 / 11 / 4)
    )


def test_reml_of_balanced_data_is_the_analysis_of_variance(balanced):
    # Mean squares: within 4 / 11, between counties 40 / 3 = within + 4 sigma_alpha^2.
    found = values(balanced, INTERCEPTS)
    assert found["sigma"] == pytest.approx(np.sqrt(4 / 11), abs=1e-4)
    assert found["sigma_alpha"] == pytest.approx(np.sqrt((40 / 3 - 4 / 11) / 4), abs=1e-4)
    assert found["mu_alpha"] == pytest.approx(5)
    assert found["mu_beta"] == pytest.approx(-2)
    # The mean of all houses has variance (40 / 3) / 16; half the slope is independent of it.
    errors = values(balanced, INTERCEPTS, "se")
    assert errors["mu_beta"] == pytest.approx(np.sqrt(4 / 11 / 4), abs=1e-4)
    assert errors["mu_alpha"] == pytest.approx(np.sqrt(40 / 3 / 16 + 4 / 11 / 16), abs=1e-4)


def test_a_singular_optimum_is_reached_and_named():
    # All counties alike: no spread between them, and REML is least squares. Each of 12 cells
    # has squares of 5 about its mean.
    cells = [(0, y) for y in (1.0, 2.0, 3.0, 4.0)] + [(1, y) for y in (0.0, 1.0, 2.0, 3.0)]
    houses = [(county, floor, y) for county in range(1, 7) for floor, y in cells]
    found = table(stan_data(houses, 6))
    # -2 log restricted likelihood of least squares: 46 degrees of freedom, |X'X| = 48 * 24 - 24^2.
    s2 = 60 / 46
    expected = 46 * (1 + np.log(2 * np.pi * s2)) + np.log(48 * 24 - 24**2)
    for formula in (one for one in FORMULAS if one.startswith("y ~ floor + (")):
        estimates = values(found, formula)
        assert values(found, formula, "criterion").iloc[0] == pytest.approx(expected, abs=1e-3)
        assert estimates["sigma_alpha"] < 0.002
        assert estimates["sigma"] == pytest.approx(np.sqrt(s2), abs=1e-4)
        assert "singular" in values(found, formula, "note").iloc[0]


def test_a_regular_optimum_is_not_called_singular(minnesota):
    assert not minnesota[1]["note"].str.contains("singular").any()


def by_county(frame: pd.DataFrame, mixed: Mixed) -> list[tuple[np.ndarray, ...]]:
    """Predictors, county effects' predictors and response of each county."""
    columns = (list(mixed.coefficients), ["mu_alpha", "mu_beta"], "y")
    return [
        tuple(houses[names].to_numpy() for names in columns)
        for _, houses in frame.groupby("county")
    ]


def direct_criterion(counties: list[tuple[np.ndarray, ...]], relative: np.ndarray) -> float:
    """-2 log restricted likelihood with county effects of covariance sigma^2 `relative`."""
    logs, xx, xy, yy, n = 0.0, 0.0, 0.0, 0.0, 0
    for x, z, y in counties:
        v = np.eye(len(y)) + z @ relative @ z.T
        logs += np.linalg.slogdet(v)[1]
        vx, vy = np.split(np.linalg.solve(v, np.column_stack([x, y])), [x.shape[1]], axis=1)
        xx, xy, yy, n = xx + x.T @ vx, xy + x.T @ vy[:, 0], yy + y @ vy[:, 0], n + len(y)
    free = n - xx.shape[0]
    s2 = (yy - xy @ np.linalg.solve(xx, xy)) / free
    return logs + np.linalg.slogdet(xx)[1] + free * (1 + np.log(2 * np.pi * s2))


@pytest.mark.parametrize(("formula", "size"), [(INTERCEPTS, 1), (INDEPENDENT, 2), (CROSSED, 3)])
def test_reml_against_a_direct_search(minnesota, formula, size):
    data, found = minnesota
    counties = by_county(design(data), read_formula(formula))

    def factor(theta):
        lower = np.zeros((2, 2))
        lower[[0, 1, 1][:size], [0, 1, 0][:size]] = theta
        return lower @ lower.T

    best = minimize(
        lambda theta: direct_criterion(counties, factor(theta)),
        [0.2, 0.4, 0.1][:size],
        method="Nelder-Mead",
        options={"xatol": 1e-5, "fatol": 1e-7},
    )
    assert values(found, formula, "criterion").iloc[0] == pytest.approx(best.fun, abs=1e-4)
    estimates = values(found, formula)
    spreads = np.sqrt(np.diag(factor(best.x)))[: min(size, 2)] * estimates["sigma"]
    names = ["sigma_alpha", "sigma_beta"][: min(size, 2)]
    assert estimates[names].to_numpy() == pytest.approx(spreads, abs=2e-4)


def test_crossed_model_is_below_the_singular_optimum_of_a_single_start(minnesota):
    # lme4's own start stops at 2132.235 (github.com/heliopais/interlace, gh_ch13_M4_results.json).
    assert values(minnesota[1], CROSSED, "criterion").iloc[0] < 2132.235 - 5


def test_no_uranium_no_model_with_it(balanced):
    assert set(balanced["models"]) == {
        "pooled",
        "per_county_common_slope",
        "per_county",
        "varying_intercept_centered varying_intercept_noncentered",
        "hierarchical_centered hierarchical_noncentered hierarchical_marginal",
        "",
    }


def test_all_models_with_uranium(minnesota):
    assert set(minnesota[1]["formula"]) == FORMULAS
    assert {*" ".join(minnesota[1]["models"]).split()} == set(TWINS)
    assert (minnesota[1]["starts"].dropna() == 4).all()
    assert (minnesota[1]["agreeing"].dropna() >= 2).all()


def test_unmeasured_counties_are_ignored(balanced):
    houses = [(county + 1, floor, y) for county, floor, y in BALANCED]
    found = table(stan_data(houses, 6))
    own = found["county_fips"].notna()
    pd.testing.assert_frame_equal(
        found[~own][["formula", "parameter", "value"]],
        balanced[balanced["county_fips"].isna()][["formula", "parameter", "value"]],
        rtol=1e-6,
    )
    assert set(found.loc[own, "county_fips"]) == {27003, 27005, 27007, 27009}


def test_own_lines_by_hand():
    # County 1 on both floors, county 2 in basements, county 3 on the first floor alone.
    houses = [(1, 0, 1.0), (1, 0, 3.0), (1, 1, 1.5), (2, 0, 0.5), (3, 1, 9.0)]
    found = table(stan_data(houses, 3))
    own = found[found["county_fips"].notna()].set_index(["parameter", "county_fips"])["value"]
    assert own.to_dict() == {
        ("alpha", 27001): 2.0,
        ("alpha", 27003): 0.5,
        ("beta", 27001): -0.5,
    }
    # Only the two basements of county 1 miss their mean, each by 1.
    assert values(found, "y ~ floor, by county")["rmse_in_sample"] == pytest.approx(np.sqrt(2 / 5))


def test_models_that_the_houses_do_not_identify_are_left_out():
    basements = [(1, 0, 1.0), (1, 0, 2.0), (2, 0, 3.0), (2, 0, 5.0)]
    assert set(table(stan_data(basements, 2))["models"]) == {"per_county"}
    one_county = [(1, 0, 1.0), (1, 0, 2.0), (1, 1, 3.0), (1, 1, 5.0)]
    assert not table(stan_data(one_county, 1))["formula"].str.contains("|", regex=False).any()


def optimum(start: Start, criterion: float, converged: bool = True) -> Optimum:
    return Optimum(start, np.array([5.0, -2.0]), np.diag([1.0, 0.0]), 0.6, criterion, converged)


def test_lowest_criterion_wins_and_agreement_is_counted(monkeypatch):
    criteria = dict(zip(reml.STARTS, (30.0, 10.0, 10.0005, None), strict=True))

    def fit(frame, mixed, start):
        return criteria[start] and optimum(start, criteria[start])

    monkeypatch.setattr(reml, "_fit", fit)
    found = restricted_likelihood(design(stan_data(BALANCED, 4)), read_formula(INTERCEPTS)).iloc[0]
    assert (found["criterion"], found["starts"], found["agreeing"]) == (10.0, 4, 2)
    assert found["note"] == f"best: {reml.STARTS[1]}"


def test_where_no_two_starts_agree_the_search_goes_on(monkeypatch):
    def fit(frame, mixed, start):
        return optimum(start, 9.0 if start.method == "nm" else 10.0 + start.alpha)

    monkeypatch.setattr(reml, "_fit", fit)
    monkeypatch.setattr(reml, "STARTS", reml.STARTS[:3])
    found = restricted_likelihood(design(stan_data(BALANCED, 4)), read_formula(INTERCEPTS)).iloc[0]
    assert (found["criterion"], found["agreeing"]) == (9.0, 0)
    assert found["note"].startswith("best: nm from")


def test_no_optimum_is_said(monkeypatch):
    monkeypatch.setattr(reml, "_fit", lambda *_: None)
    found = restricted_likelihood(design(stan_data(BALANCED, 4)), read_formula(INTERCEPTS))
    assert len(found) == 1
    assert np.isnan(found["value"].iloc[0])
    assert found["note"].iloc[0] == "none of 4 starts reached an optimum"


def test_errors_without_county_effects_are_those_of_least_squares():
    frame = design(stan_data(BALANCED, 4))
    flat = Optimum(reml.STARTS[0], np.zeros(2), np.zeros((2, 2)), 2.0, 0.0, True)
    # X'X = [[16, 8], [8, 8]], its inverse [[1/8, -1/8], [-1/8, 1/4]]; sigma 2.
    errors = coefficient_errors(frame, read_formula(INTERCEPTS), flat)
    assert errors == pytest.approx([2 / np.sqrt(8), 1.0])


def test_data_of_another_study_are_refused():
    data = stan_data(BALANCED, 4)
    with pytest.raises(DataError, match=r"study example: .* run make again"):
        estimate(data, coords(data) | {"house_id": [1, 2]}, TWINS)


def test_file(tmp_path):
    data = stan_data(BALANCED, 4)
    for name, content in (("data", data), ("coords", coords(data)), ("twins", TWINS)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    output = tmp_path / "tables" / "frequentist.csv"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        main(
            [*(str(tmp_path / f"{n}.json") for n in ("data", "coords", "twins")), "-o", str(output)]
        )
    found = pd.read_csv(output)
    assert list(found) == COLUMNS
    # A correlation with slopes that do not vary is the one thing that has no value.
    assert set(found.loc[found["value"].isna(), "parameter"]) == {"rho"}


def test_reml_is_left_out_of_very_many_houses(monkeypatch):
    data, coords = study_data("indiana")
    monkeypatch.setattr(frequentist, "LARGEST", data["N"])
    assert set(estimate(data, coords, TWINS)["formula"]) == {
        "y ~ floor",
        "y ~ floor + county",
        "y ~ floor, by county",
    }


def test_a_program_names_its_twin_in_its_comment(tmp_path):
    program = tmp_path / "mine.stan"
    program.write_text("// REML: y ~ floor + share + (1 | county)\ndata { int N; }\n")
    assert twin(program) == "y ~ floor + share + (1 | county)"
    program.write_text("/*\n * Mine.\n *\n * Least squares: y ~ floor\n */\ndata { int N; }\n")
    assert twin(program) == "y ~ floor"
    program.write_text("data { int N; }  // Least squares are not for this one\n")
    assert twin(program) is None


def test_programs_of_one_formula_share_its_rows(balanced):
    found = estimate(stan_data(BALANCED, 4), coords(stan_data(BALANCED, 4)), {"mine": "y ~ floor"})
    assert found.loc[found["formula"] == "y ~ floor", "models"].unique().tolist() == ["mine"]
    own = estimate(stan_data(BALANCED, 4), coords(stan_data(BALANCED, 4)), {"mine": "y ~ share"})
    # Every county has the same share, so it follows from the intercept.
    assert "mine" not in set(own["models"])


def test_effects_and_coefficients_of_a_formula():
    assert read_formula(CROSSED) == Mixed(
        ("mu_alpha", "mu_beta", "gamma_alpha", "gamma_beta"), "correlated"
    )
    assert read_formula(INDEPENDENT) == Mixed(("mu_alpha", "mu_beta"), "independent")
    assert read_formula("y ~ floor") == Mixed(("mu_alpha", "mu_beta"), "")


@pytest.mark.parametrize(
    "formula", ["y ~ flor", "y ~ floor + (u | county)", "y ~ floor + county + u"]
)
def test_a_formula_that_is_not_known_is_refused(formula):
    data = stan_data(BALANCED, 4)
    with pytest.raises(ProgramError, match=r"stan/mine\.stan: .* is not a known formula; after"):
        estimate(data, coords(data), {"mine": formula})
