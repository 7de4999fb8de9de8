"""Programs recover what made their data, and every prior is the one that is stated.

Forty counties have ten houses each, but at the end, where houses are those of Minnesota.
"""

from collections.abc import Sequence

import numpy as np
import pytest
from cmdstanpy import CmdStanMCMC
from programs import STEMS, WEAK, between, executable, quick, study_data, tiny_data

from pooling.fits.summaries import summarize
from pooling.fitting.generate import to_predict
from pooling.fitting.sampling import sample
from pooling.inputs.priors import Gamma, InverseGamma, Lkj, Normal, Priors, Spread

POPULATION = {
    "mu_alpha": 1.5,
    "mu_beta": -0.6,
    "sigma_alpha": 0.4,
    "sigma_beta": 0.5,
    "sigma": 0.7,
}
# What a program's truth has beside or in place of that.
COMMON_SLOPE = {"sigma_beta": 0.0}
URANIUM = {"gamma_alpha": 0.7}
ON_BOTH = URANIUM | {"gamma_beta": -0.4}
BY_FLOOR = ON_BOTH | {"sigma_basement": 0.6, "sigma_first_floor": 1.0}
BY_STATE = {"sigma_alpha_state": 0.6, "sigma_beta_state": 0.3}
TRUTHS = {
    "per_county": {},
    "per_county_common_slope": COMMON_SLOPE,
    "varying_intercept_centered": COMMON_SLOPE,
    "varying_intercept_noncentered": COMMON_SLOPE,
    "varying_intercept_uranium": COMMON_SLOPE | URANIUM,
    "varying_intercept_uranium_context": COMMON_SLOPE | URANIUM | {"delta_alpha": -0.8},
    "hierarchical_centered": {},
    "hierarchical_noncentered": {},
    "hierarchical_marginal": {},
    "hierarchical_uranium": ON_BOTH,
    "hierarchical_uranium_correlated": ON_BOTH | {"rho": -0.6},
    "hierarchical_spatial": {"range_alpha": 100.0},
    "hierarchical_uranium_spatial": ON_BOTH | {"range_alpha": 100.0},
    "hierarchical_robust": {"nu": 4.0},
    "hierarchical_states": BY_STATE,
    "hierarchical_states_sigma": BY_STATE | {"sigma_state": np.linspace(0.5, 1.1, 8)},
    "hierarchical_uranium_floor_sigma": BY_FLOOR,
    "hierarchical_uranium_floor_sigma_censored": BY_FLOOR,
}
ONE_POSTERIOR = ("hierarchical_centered", "hierarchical_noncentered", "hierarchical_marginal")
COUNTIES, STATES, BASEMENT, FIRST_FLOOR = 40, 8, 6, 4
LIMIT = 0.0  # log pCi/L; about one house in ten is below
SETTINGS = quick(chains=4, warmup=500, draws=500, adapt_delta=0.9)


def soil_and_states(counties: int, rng: np.random.Generator) -> dict:
    """What a study may know of its counties; states have as many counties each."""
    return {
        "S": STATES,
        "state": np.resize(np.arange(1, STATES + 1), counties).tolist(),
        "log_uranium": rng.uniform(-1, 1, counties).tolist(),
        "first_floor_share": rng.uniform(0, 1, counties).tolist(),
        "distance": between(rng.uniform(0, 500, (counties, 2)).tolist()),
    }


def effects(truth: dict, known: dict, rng: np.random.Generator) -> dict:
    """Intercepts and slopes of counties, and their means by state if those differ."""
    made, z = {}, rng.normal(size=len(known["state"]))
    for name, correlation in (("alpha", 0.0), ("beta", truth.get("rho", 0.0))):
        between = truth.get(f"sigma_{name}_state", 0.0)
        made[f"mu_{name}_state"] = rng.normal(truth[f"mu_{name}"], between, STATES)
        mean = made[f"mu_{name}_state"][np.array(known["state"]) - 1]
        for slope, predictor in (("gamma", "log_uranium"), ("delta", "first_floor_share")):
            mean = mean + truth.get(f"{slope}_{name}", 0.0) * np.array(known[predictor])
        own = rng.normal(size=z.size)
        if f"range_{name}" in truth:
            near = np.exp(-np.array(known["distance"]) / truth[f"range_{name}"])
            own = np.linalg.cholesky(near) @ own
        z = correlation * z + np.sqrt(1 - correlation**2) * own
        made[name] = mean + truth[f"sigma_{name}"] * z
    return made


def simulate(stem: str, counties: int, seed: int) -> tuple[dict, dict]:
    """Data of `counties` with ten houses each, and the parameters that made them."""
    rng = np.random.default_rng(seed)
    truth: dict = POPULATION | TRUTHS.get(stem, {"sigma_alpha": 0.0, "sigma_beta": 0.0})
    if stem == "per_county":
        truth |= {"sigma": rng.uniform(0.5, 1.0, counties)}
    known = soil_and_states(counties, rng)
    if "sigma_state" in truth:
        truth |= {"sigma": truth["sigma_state"][np.array(known["state"]) - 1]}
    truth |= effects(truth, known, rng)
    county = np.repeat(np.arange(counties), BASEMENT + FIRST_FLOOR)
    floor = np.tile([0.0] * BASEMENT + [1.0] * FIRST_FLOOR, counties)
    mean = truth["alpha"][county] + truth["beta"][county] * floor
    sigma = np.broadcast_to(truth["sigma"], counties)[county]
    if "sigma_first_floor" in truth:
        sigma = np.where(floor, truth["sigma_first_floor"], truth["sigma_basement"])
    noise = rng.standard_t(truth["nu"], mean.size) if "nu" in truth else rng.normal(size=mean.size)
    data = {
        "N": county.size,
        "J": counties,
        "county": (county + 1).tolist(),
        "floor_measure": floor.tolist(),
        "log_radon": (mean + sigma * noise).tolist(),
        "log_limit": LIMIT,
        **to_predict([], []),
    }
    return data | known | WEAK.scales(), truth


def ranks(run: CmdStanMCMC, truth: dict, names: Sequence[str]) -> np.ndarray:
    """Share of the draws below the truth, of every element of `names` (element,)."""
    parts = []
    for name in names:
        draws = run.stan_variable(name)
        draws = draws.reshape(len(draws), -1)
        parts.append((draws < truth[name]).mean(axis=0))
    return np.concatenate(parts)


def within(shares: np.ndarray, probability: float) -> int:
    """How many truths lie in the central interval of this probability."""
    return int((abs(shares - 0.5) < probability / 2).sum())


@pytest.fixture(scope="module", params=TRUTHS)
def recovered(request):
    """Run of a program on simulated data, and the truth."""
    data, truth = simulate(request.param, COUNTIES, seed=20061)
    run = sample(executable(request.param), data, SETTINGS, progress=False)
    return run, truth


def varying(truth: dict) -> list[str]:
    """Effects that differ between counties."""
    return [name for name in ("alpha", "beta") if truth[f"sigma_{name}"]]


def test_parameters_are_within_four_posterior_standard_deviations(recovered):
    run, truth = recovered
    names = set(truth) & set(run.stan_variables())
    assert {"alpha", "beta"} <= names
    assert {"sigma", "sigma_first_floor"} & names
    for name in names:
        draws, true = run.stan_variable(name), truth[name]
        if name == "range_alpha":
            draws, true = np.log(draws), np.log(true)
        assert (abs(draws.mean(axis=0) - true) < 4 * draws.std(axis=0)).all(), name
        # And the data say something: the prior's standard deviations are 14 for nu, 10 for
        # what is normal, 0.6 for what is half-normal, 0.45 for rho and 0.8 for a log range.
        most = {"nu": 4, "rho": 0.35, "range_alpha": 0.75}.get(name, 0.5)
        assert np.mean(draws.std(axis=0)) < most, name


def test_county_intervals_cover_as_often_as_they_say(recovered):
    run, truth = recovered
    own_sigma = np.size(truth["sigma"]) > 1 and "sigma_state" not in truth
    names = [*varying(truth), *["sigma"] * own_sigma]
    shares = ranks(run, truth, names)
    number = COUNTIES * len(names)
    # Four binomial standard deviations about what the probability says.
    for probability in (0.5, 0.9):
        expected = number * probability
        margin = 4 * np.sqrt(expected * (1 - probability))
        assert abs(within(shares, probability) - expected) < margin
    # Neither too low nor too high as a rule.
    assert abs((shares < 0.5).sum() - number / 2) < 4 * np.sqrt(number / 4)


def test_county_effects_follow_the_truth(recovered):
    run, truth = recovered
    for name in varying(truth):
        means = run.stan_variable(name).mean(axis=0)
        least = {"alpha": 0.6, "beta": 0.3}[name]
        assert np.corrcoef(means, truth[name])[0, 1] > least, name


def test_geometries_and_the_marginal_are_one_posterior():
    data, _ = simulate("hierarchical_marginal", COUNTIES, seed=20062)
    tables = []
    for stem in ONE_POSTERIOR:
        run = sample(executable(stem), data, SETTINGS, progress=False)
        draws = run.draws_xr(["alpha", "beta", *POPULATION])
        tables.append(summarize(draws.rename(alpha_dim_0="county", beta_dim_0="county")))
    one, *others = (table.set_index(["variable", "county_fips"]) for table in tables)
    for other in others:
        error = np.sqrt(one["mcse_mean"] ** 2 + other["mcse_mean"] ** 2)
        assert ((one["mean"] - other["mean"]).abs() < 4.5 * error).all()


def test_pooled_intervals_cover_as_often_as_they_say():
    shares = []
    for seed in range(20):
        data, truth = simulate("pooled", 4, seed)
        settings = quick(warmup=200, draws=250)
        run = sample(executable("pooled"), data, settings, progress=False)
        shares.append(ranks(run, truth, ("mu_alpha", "mu_beta", "sigma")))
    shares = np.concatenate(shares)
    # 60 truths: 30 expected within 50%, 54 within 90%, give or take four standard deviations.
    assert 14 < within(shares, 0.5) < 46
    assert within(shares, 0.9) > 44


INFORMATIVE = Priors(
    alpha=Normal(loc=3, scale=0.5),
    beta=Normal(loc=-2, scale=0.25),
    mu_alpha=Normal(loc=1, scale=2),
    mu_beta=Normal(loc=-1, scale=3),
    gamma_alpha=Normal(loc=2, scale=1),
    gamma_beta=Normal(loc=-2, scale=0.5),
    delta_alpha=Normal(loc=4, scale=2),
    sigma=Spread(upper=100),
    sigma_alpha=Spread(scale=2),
    sigma_beta=Spread(upper=10),
    sigma_alpha_state=Spread(scale=3),
    sigma_beta_state=Spread(upper=4),
    rho=Lkj(shape=1),
    range_alpha=InverseGamma(shape=6, scale=500),
    nu=Gamma(shape=2, rate=0.1),
)
# Mean and standard deviation: a half-normal has scale * sqrt(2 / pi) and
# scale * sqrt(1 - 2 / pi), a uniform upper / 2 and upper / sqrt(12); LKJ of shape 1
# makes one correlation uniform from -1 to 1, of standard deviation 1 / sqrt(3); an inverse gamma
# has scale / (shape - 1) and that by sqrt(shape - 2).
STATED = {
    "mu_alpha": (1, 2),
    "mu_beta": (-1, 3),
    "sigma": (50, 28.8675),
    **dict.fromkeys(("sigma_basement", "sigma_first_floor", "sigma_state"), (50, 28.8675)),
    "sigma_alpha": (1.59577, 1.20562),
    "sigma_beta": (5, 2.88675),
    "sigma_alpha_state": (2.39365, 1.80843),
    "sigma_beta_state": (2, 1.15470),
    "gamma_alpha": (2, 1),
    "gamma_beta": (-2, 0.5),
    "delta_alpha": (4, 2),
    "rho": (0, 0.57735),
    "range_alpha": (100, 50),
}
BY_COUNTY = {"alpha": (3, 0.5), "beta": (-2, 0.25), "sigma": STATED["sigma"]}


# Not the centered program: its prior is a funnel that the sampler does not explore.
@pytest.mark.parametrize("stem", [s for s in STEMS if s != "hierarchical_centered"])
def test_prior_is_the_one_that_is_stated(stem):
    settings = quick(chains=4, warmup=500, prior_draws=1000, adapt_delta=0.95)
    run = sample(executable(stem), tiny_data(INFORMATIVE), settings, prior=True, progress=False)
    table = summarize(run.draws_xr()).set_index("variable")
    stated = BY_COUNTY if stem == "per_county" else STATED
    for name in set(stated) & set(table.index):
        rows = table.loc[[name]]
        mean, sd = stated[name]
        assert ((rows["mean"] - mean).abs() < 4.5 * rows["mcse_mean"]).all(), name
        assert rows["sd"].to_numpy() == pytest.approx(sd, rel=0.12), name


@pytest.mark.parametrize("program", ["hierarchical_marginal", "hierarchical_uranium"])
def test_county_without_a_house_is_predicted_by_its_population(program):
    # GRANT and RED LAKE, the counties of Minnesota without a house.
    data, coords = study_data("minnesota", unmeasured_counties=True)
    unmeasured = [coords["county_fips"].index(code) for code in (27051, 27125)]
    assert [coords["county"][j] for j in unmeasured] == ["GRANT", "RED LAKE"]
    run = sample(executable(program), data, SETTINGS, progress=False)
    draws = {name: run.stan_variable(name) for name in ("alpha", "mu_alpha", "sigma_alpha")}
    uranium = np.log([1.47959, 1.03105])  # ppm, counties' table
    slope = run.stan_variable("gamma_alpha") if "uranium" in program else 0.0
    for j, u in zip(unmeasured, uranium, strict=True):
        mean = draws["mu_alpha"] + slope * u
        z = (draws["alpha"][:, j] - mean) / draws["sigma_alpha"]
        # Independent of everything else: standard normal over the draws.
        assert abs(z.mean()) < 4 / np.sqrt(z.size)
        assert abs((z**2).mean() - 1) < 4 * np.sqrt(2 / z.size)


@pytest.fixture(scope="module")
def surveys():
    """Twenty surveys of Minnesota's own houses with other radon: draws and truths of each."""
    data, _ = study_data("minnesota")
    county, floor = np.array(data["county"]) - 1, np.array(data["floor_measure"])
    found = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        truth: dict = dict(POPULATION)
        for name in ("alpha", "beta"):
            truth[name] = rng.normal(truth[f"mu_{name}"], truth[f"sigma_{name}"], data["J"])
        mean = truth["alpha"][county] + truth["beta"][county] * floor
        radon = {"log_radon": rng.normal(mean, truth["sigma"]).tolist()}
        settings = quick(warmup=300, draws=400)
        run = sample(executable("hierarchical_marginal"), data | radon, settings, progress=False)
        found.append((run, truth))
    return np.bincount(county, minlength=data["J"]), found


def test_minnesotas_design_tells_the_population(surveys):
    _, found = surveys
    for name, true in POPULATION.items():
        means = np.array([run.stan_variable(name).mean() for run, _ in found])
        spread = np.mean([run.stan_variable(name).std() for run, _ in found])
        # Means of twenty surveys scatter about the truth as wide as each posterior, and
        # their mean a twentieth of that variance; the prior moves it by next to nothing.
        assert abs(means.mean() - true) < 4 * spread / np.sqrt(len(found)), name
        assert 0.5 < means.std(ddof=1) / spread < 1.7, name


@pytest.mark.parametrize(("least", "most"), [(1, 3), (4, 10), (11, 200)])
def test_minnesotas_intervals_cover_in_counties_of_every_size(surveys, least, most):
    houses, found = surveys
    some = (houses >= least) & (houses <= most)
    shares = np.concatenate([ranks(run, truth, ["alpha"])[some] for run, truth in found])
    for probability in (0.5, 0.9):
        margin = 4 * np.sqrt(probability * (1 - probability) / shares.size)
        assert abs(within(shares, probability) / shares.size - probability) < margin
