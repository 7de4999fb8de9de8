"""Numbers that others have published about Minnesota, or that were computed twice for this project.

Each expected number has its source beside it. T_01 is log(activity + 0.1), T_GH is
log(activity) with 0 replaced by 0.1. A Monte Carlo estimate agrees when the difference
is below four combined Monte Carlo errors.
"""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from programs import ROOT, executable, study_data
from statsmodels.regression.mixed_linear_model import MixedLMParams

from pooling.checking.check import examine
from pooling.fits.store import Fit
from pooling.fitting.chains import read_chains
from pooling.fitting.fit import as_tree
from pooling.fitting.sampling import sample
from pooling.inputs.prepare import prepare
from pooling.inputs.study import read_study
from pooling.inputs.tables import read_counties, read_houses
from pooling.scoring.score import in_sample

COUNTIES = {"CASS": 27021, "CROW WING": 27035, "FREEBORN": 27047}
RESPONSES = {"T_01": "log(x + 0.1)", "T_GH": "log(x), 0 as 0.1"}


@pytest.fixture(scope="module")
def houses():
    """By transform: one row per house with y, floor, county and log uranium u."""
    study = read_study(ROOT / "data" / "studies" / "minnesota.toml")
    tables = (
        read_houses(ROOT / "data" / "households.csv", {}),
        read_counties(ROOT / "data" / "counties.csv", {}),
    )
    frames = {}
    for name, response in RESPONSES.items():
        section = study.data.model_copy(update={"response": response})
        data, _ = prepare("minnesota", section, study.priors, *tables)
        county = np.array(data["county"])
        frames[name] = pd.DataFrame(
            {
                "y": data["log_radon"],
                "floor": data["floor_measure"],
                "county": county,
                "u": np.array(data["log_uranium"])[county - 1],
            }
        )
    return frames


# Gelman and Hill (2007), Data Analysis Using Regression and Multilevel/Hierarchical
# Models, section 12.2, print 1.33 (.03), -.61 (.07), .82 and slope -.72 (.07), .76 for T_GH;
# the further digits and T_01 were computed for this project.
LEAST_SQUARES = [
    ("T_GH", "y ~ floor", {"Intercept": 1.32674, "floor": -0.61339}, 0.8226),
    ("T_01", "y ~ floor", {"Intercept": 1.36241, "floor": -0.58642}, 0.79009),
    ("T_GH", "y ~ floor + C(county)", {"floor": -0.72054}, 0.7564),
    ("T_01", "y ~ floor + C(county)", {"floor": -0.68923}, 0.72654),
]
# Standard errors, source as above, T_GH.
ERRORS = [
    ("y ~ floor", {"Intercept": 0.02972, "floor": 0.07284}),
    ("y ~ floor + C(county)", {"floor": 0.07352}),
]


@pytest.mark.parametrize(("transform", "formula", "coefficients", "spread"), LEAST_SQUARES)
def test_least_squares(houses, transform, formula, coefficients, spread):
    found = smf.ols(formula, houses[transform]).fit()
    for name, value in coefficients.items():
        assert found.params[name] == pytest.approx(value, abs=6e-6)
    assert found.scale**0.5 == pytest.approx(spread, abs=6e-5)


@pytest.mark.parametrize(("formula", "errors"), ERRORS)
def test_least_squares_standard_errors(houses, formula, errors):
    found = smf.ols(formula, houses["T_GH"]).fit()
    for name, value in errors.items():
        assert found.bse[name] == pytest.approx(value, abs=6e-6)


# Gelman and Hill (2007), sections 12.3 and 12.6, print 1.46 (.05), -.69 (.07), .33, .76 and
# 1.47, -.67, u .72 (.09), .16, .76 for T_GH; further digits and T_01 computed for this project.
REML = [
    ("T_GH", "y ~ floor", {"Intercept": 1.46160, "floor": -0.69299}, 0.32822, 0.75559),
    ("T_01", "y ~ floor", {"Intercept": 1.49239, "floor": -0.66289}, 0.31541, 0.72578),
    (
        "T_GH",
        "y ~ floor + u",
        {"Intercept": 1.46576, "floor": -0.66824, "u": 0.72027},
        0.1564,
        0.75844,
    ),
]


@pytest.mark.parametrize(("transform", "formula", "coefficients", "between", "spread"), REML)
def test_reml(houses, transform, formula, coefficients, between, spread):
    # statsmodels' default method stops early here.
    found = smf.mixedlm(formula, houses[transform], groups="county").fit(method="powell")
    for name, value in coefficients.items():
        assert found.params[name] == pytest.approx(value, abs=2e-5)
    assert found.cov_re.iloc[0, 0] ** 0.5 == pytest.approx(between, abs=1e-4)
    assert found.scale**0.5 == pytest.approx(spread, abs=2e-5)


def fit(stem: str, study: str, **changes: object) -> tuple[Fit, dict, pd.DataFrame]:
    """Fit of a shipped study with fewer draws, its diagnostics and its estimates."""
    data, coords = study_data(study)
    settings = read_study(ROOT / "data" / "studies" / f"{study}.toml").sampler
    settings = settings.model_copy(update=changes)
    chains = sample(executable(stem), data, settings, progress=False, take=read_chains)
    tree = as_tree(chains, chains, data, coords)
    tree.attrs.update(model=stem, study=study, response=coords["response"], parameters="")
    found, estimates = examine(Fit(tree, {}), {}, settings)
    return Fit(tree, found), found, estimates.set_index(["parameter", "county"])


@pytest.fixture(scope="module")
def noncentered():
    return fit("hierarchical_noncentered", "minnesota", draws=1500)


@pytest.fixture(scope="module")
def marginal():
    return fit("hierarchical_marginal", "minnesota", draws=1500)


@pytest.fixture(scope="module")
def pooled():
    return fit("pooled", "minnesota")


@pytest.fixture(scope="module")
def per_county():
    return fit("per_county", "post", draws=1000)


@pytest.fixture(scope="module")
def weak_per_county():
    return fit("per_county", "minnesota", warmup=500, draws=500)


def row(estimates: pd.DataFrame, parameter: str, county: str | None = None) -> pd.Series:
    rows = estimates.xs(parameter, level="parameter")
    return rows.iloc[0] if county is None else rows.loc[county]


def agrees(found: pd.Series, mean: float, mcse: float) -> bool:
    return abs(found["mean"] - mean) < 4 * np.hypot(found["mcse_mean"], mcse)


# Reference draws of posteriordb, posterior radon_mn-radon_pooled: N(0, 10) coefficients,
# half-N(0, 1) spread, T_01. Mean, standard deviation, Monte Carlo error of the mean.
POSTERIORDB = {
    "mu_alpha": (1.362768, 0.02848, 0.00029),
    "mu_beta": (-0.587035, 0.07029, 0.00071),
    "sigma": (0.790983, 0.01861, 0.00019),
}


@pytest.mark.parametrize("parameter", POSTERIORDB)
def test_pooled_agrees_with_posteriordb(pooled, parameter):
    mean, sd, mcse = POSTERIORDB[parameter]
    found = row(pooled[2], parameter)
    assert agrees(found, mean, mcse)
    assert found["sd"] == pytest.approx(sd, rel=0.08)


def test_population_agrees_with_reml(noncentered, houses):
    # lme4 writes this model y ~ floor + (1 + floor || county).
    independent = MixedLMParams.from_components(fe_params=np.ones(2), cov_re=np.eye(2))
    model = smf.mixedlm("y ~ floor", houses["T_01"], groups="county", re_formula="1 + floor")
    reml = model.fit(reml=True, free=independent)
    assert reml.cov_re.iloc[0, 1] == 0
    for parameter, name in (("mu_alpha", "Intercept"), ("mu_beta", "floor")):
        assert abs(row(noncentered[2], parameter)["mean"] - reml.fe_params[name]) < 0.03


# Computed for this project: T_01, independent effects, N(0, 10) means, half-N(0, 1) spreads,
# 80,000 draws, four formulations in agreement. Mean, standard deviation, error of the mean.
POPULATION = {
    "mu_alpha": (1.4920, 0.0512, 0.001),
    "mu_beta": (-0.6488, 0.0818, 0.001),
    "sigma_alpha": (0.3243, 0.0451, 0.001),
    "sigma_beta": (0.2555, 0.1288, 0.003),
    "sigma": (0.7205, 0.0181, 0.001),
}
# The same computation: mean and standard deviation of intercept and slope.
HIERARCHICAL = {
    "CASS": ((1.460, 0.229), (-0.649, 0.299)),
    "CROW WING": ((1.232, 0.182), (-0.535, 0.249)),
    "FREEBORN": ((1.881, 0.200), (-0.639, 0.249)),
}


@pytest.mark.parametrize("name", ["noncentered", "marginal"])
@pytest.mark.parametrize("parameter", POPULATION)
def test_population(request, name, parameter):
    mean, sd, mcse = POPULATION[parameter]
    found = row(request.getfixturevalue(name)[2], parameter)
    assert agrees(found, mean, mcse)
    assert found["sd"] == pytest.approx(sd, rel=0.15)


@pytest.mark.parametrize("name", ["noncentered", "marginal"])
@pytest.mark.parametrize("county", HIERARCHICAL)
def test_hierarchical_counties(request, name, county):
    for parameter, (mean, sd) in zip(("alpha", "beta"), HIERARCHICAL[county], strict=True):
        found = row(request.getfixturevalue(name)[2], parameter, county)
        assert agrees(found, mean, 0.001)
        assert found["sd"] == pytest.approx(sd, rel=0.15)


def test_where_the_centered_program_differs_the_gate_has_caught_it():
    _, found, estimates = fit("hierarchical_centered", "minnesota", warmup=500, draws=500)
    same = all(agrees(row(estimates, p), mean, mcse) for p, (mean, _, mcse) in POPULATION.items())
    assert same or not found["passed"]


# Least squares by county, T_01, computed for this project; CASS has no first-floor house.
OWN = {"CASS": (1.428, None), "CROW WING": (0.987, 0.002), "FREEBORN": (2.152, -0.865)}


@pytest.mark.parametrize("county", OWN)
def test_least_squares_by_county(houses, county):
    _, coords = study_data("minnesota")
    frame = houses["T_01"][np.array(coords["house_county"]) == COUNTIES[county]]
    by_floor = frame.groupby("floor")["y"].mean()
    level, slope = OWN[county]
    assert by_floor[0.0] == pytest.approx(level, abs=6e-4)
    if slope is not None:
        assert by_floor[1.0] - by_floor[0.0] == pytest.approx(slope, abs=6e-4)


@pytest.mark.parametrize("county", OWN)
def test_per_county_under_the_tutorials_priors_is_least_squares(per_county, county):
    level, slope = OWN[county]
    assert agrees(row(per_county[2], "alpha", county), level, 0.0005)
    found = row(per_county[2], "beta", county)
    assert found["identified"] == (slope is not None)
    if slope is None:
        # The prior, N(0, 10000), is all there is.
        assert found["sd"] == pytest.approx(10000, rel=0.1)
    else:
        assert agrees(found, slope, 0.0005)


# Computed for this project, T_01: root mean square over houses of y minus its plug-in mean,
# by least squares and by maximum likelihood with correlated intercepts and slopes.
def test_rmse_of_plug_in_estimates(houses):
    frame = houses["T_01"]
    alone = frame["y"] - frame.groupby(["county", "floor"])["y"].transform("mean")
    mixed = smf.mixedlm("y ~ floor", frame, groups="county", re_formula="1 + floor")
    residuals = {
        0.789: smf.ols("y ~ floor", frame).fit().resid,
        0.658: alone,
        0.693: frame["y"] - mixed.fit(reml=False, method="powell").fittedvalues,
    }
    for expected, gaps in residuals.items():
        assert np.sqrt((gaps**2).mean()) == pytest.approx(expected, abs=5e-4)


# The same for posterior means: that of the hierarchical model is 0.6965 at the posterior
# means of POPULATION, by the formula for normal effects.
@pytest.mark.parametrize(
    ("name", "expected"), [("pooled", 0.789), ("weak_per_county", 0.658), ("noncentered", 0.6965)]
)
def test_rmse_in_sample(request, name, expected):
    found = in_sample(request.getfixturevalue(name)[0])["rmse_in_sample"][0]
    assert found == pytest.approx(expected, abs=0.0015)


@pytest.mark.parametrize(
    "name", ["pooled", "per_county", "weak_per_county", "noncentered", "marginal"]
)
def test_programs_sample_soundly(request, name):
    # Shorter runs than the studies', so that R-hat has more room.
    found = request.getfixturevalue(name)[1]["posterior"]
    checks = {check: passed for check, passed in found["checks"].items() if check != "r_hat"}
    assert all(checks.values()), checks
    assert found["r_hat"]["value"] < 1.02
