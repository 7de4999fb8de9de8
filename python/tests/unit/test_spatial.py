"""Programs with intercepts correlated over space, against the density with all houses at once.

Six counties of which county 4 has no house; further on doubles of counties, and a county that is
far from all others.
"""

from functools import cache

import numpy as np
import pytest
from cmdstanpy import CmdStanModel
from programs import PLACES, STEMS, between, executable, text_of, tiny_data
from scipy import stats
from test_leave_out import SETTINGS, here, surveyed

from pooling.build.errors import ProgramError
from pooling.checking import likelihood
from pooling.fitting.generate import flat, generate, to_predict
from pooling.inputs.priors import InverseGamma, Normal, Priors, Spread
from pooling.programs.source import declared
from pooling.reporting.predict import with_unknown_counties
from pooling.scoring import loo
from pooling.scoring.importance import double_counties

SPATIAL = [stem for stem in STEMS if "distance" in declared(text_of(stem))]
# No two alike, so that no two can be mistaken for each other.
PRIORS = Priors(
    mu_alpha=Normal(loc=1.2, scale=0.8),
    mu_beta=Normal(loc=-0.4, scale=0.9),
    gamma_alpha=Normal(loc=0.6, scale=0.7),
    gamma_beta=Normal(loc=-0.8, scale=0.4),
    sigma=Spread(scale=1.1),
    sigma_alpha=Spread(scale=1.3, upper=4),
    sigma_beta=Spread(upper=3),
    range_alpha=InverseGamma(shape=2, scale=70),
)
DRAWS = 1000


def six_counties() -> dict:
    """`tiny_data` with the last house in a sixth county: five have houses, county 4 has none."""
    data = tiny_data(PRIORS, J=6)
    data["county"][-1] = 6
    for name, value in (("log_uranium", 0.2), ("first_floor_share", 0.0), ("state", 2)):
        data[name] = [*data[name], value]
    return data | {"distance": between([*PLACES, (30, 50)])}


@cache
def run(stem: str) -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """Log density as CmdStan reports it (draw,), and all draws."""
    found = CmdStanModel(exe_file=executable(stem)).sample(
        data=six_counties(),
        seed=20066,
        chains=1,
        iter_warmup=500,
        iter_sampling=DRAWS,
        adapt_delta=0.95,
        sig_figs=17,
        show_progress=False,
    )
    return found.method_variables()["lp__"][:, 0], found.stan_variables()


class Joint:
    """Intercepts, slopes and houses of all counties, jointly normal given one draw.

    Parameters
    ----------
    data
        Stan data of the houses and counties; no county is a double.
    draws, i
        Parameters, and the draw to take.
    """

    def __init__(self, data: dict, draws: dict[str, np.ndarray], i: int) -> None:
        value = {name: values[i] for name, values in draws.items() if values.ndim == 1}
        soil = np.array(data["log_uranium"][: data["J"]])
        self.mean = np.concatenate(
            [
                value[f"mu_{effect}"] + value.get(f"gamma_{effect}", 0.0) * soil
                for effect in ("alpha", "beta")
            ]
        )
        near = np.exp(-np.array(data["distance"]) / value["range_alpha"])
        zero = np.zeros_like(near)
        self.covariance = np.block(
            [
                [value["sigma_alpha"] ** 2 * near, zero],
                [zero, value["sigma_beta"] ** 2 * np.eye(data["J"])],
            ]
        )
        self.county = np.array(data["county"]) - 1
        floor, self.y = (np.array(data[name]) for name in ("floor_measure", "log_radon"))
        self.design = np.zeros((self.y.size, 2 * data["J"]))
        self.design[np.arange(self.y.size), self.county] = 1
        self.design[np.arange(self.y.size), data["J"] + self.county] = floor
        self.noise = value["sigma"] ** 2

    def effects(self, houses: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and covariance of all effects given some of the houses."""
        x = self.design[houses]
        of_houses = x @ self.covariance @ x.T + self.noise * np.eye(len(x))
        gain = np.linalg.solve(of_houses, x @ self.covariance).T
        mean = self.mean + gain @ (self.y[houses] - x @ self.mean)
        return mean, self.covariance - gain @ x @ self.covariance

    def log_density(self, houses: np.ndarray, others: np.ndarray) -> float:
        """Log density of some houses given others."""
        if not houses.any():
            return 0.0
        x = self.design[houses]
        mean, covariance = self.effects(others)
        covariance = x @ covariance @ x.T + self.noise * np.eye(len(x))
        return float(stats.multivariate_normal(x @ mean, covariance).logpdf(self.y[houses]))


def joints(draws: dict[str, np.ndarray], data: dict | None = None) -> list[Joint]:
    """One for each draw."""
    return [Joint(data or six_counties(), draws, i) for i in range(len(draws["sigma"]))]


def log_prior(draws: dict[str, np.ndarray]) -> np.ndarray:
    """Log density of the parameters as the sampler sees them, unbounded (draw,)."""
    total = np.zeros(DRAWS)
    for name, prior in PRIORS:
        if name not in draws:
            continue
        x = draws[name]
        total += prior.log_density(x)
        if isinstance(prior, Spread):
            # The derivative of x = U / (1 + exp(-u)), or of exp(u) where U is infinite.
            total += np.log(x) + np.log1p(-x / prior.upper)
        elif name == "range_alpha":
            total += np.log(x)
    return total


@pytest.mark.parametrize("stem", SPATIAL)
def test_log_density_is_that_of_all_houses_at_once(stem):
    lp, draws = run(stem)
    every, none = np.ones(10, bool), np.zeros(10, bool)
    exact = np.array([joint.log_density(every, none) for joint in joints(draws)])
    left_out = lp - log_prior(draws) - exact
    assert np.ptp(lp) > 5
    assert np.ptp(left_out) < 1e-7


@pytest.mark.parametrize("stem", SPATIAL)
def test_density_of_counties_is_given_the_houses_of_the_others(stem):
    _, draws = run(stem)
    exact = [
        [joint.log_density(joint.county == j, joint.county != j) for j in range(6)]
        for joint in joints(draws)
    ]
    assert draws["log_lik_county"] == pytest.approx(np.array(exact), rel=1e-8, abs=1e-8)


def standardised(drawn: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> np.ndarray:
    return np.linalg.solve(np.linalg.cholesky(covariance), drawn - mean)


def assert_standard_normal(z: np.ndarray) -> None:
    """Independent columns of mean 0 and variance 1, within 4.5 standard errors (draw, column)."""
    products = z[:, :, None] * z[:, None, :] - np.eye(z.shape[1])
    assert abs(z.mean(axis=0)).max() < 4.5 / np.sqrt(len(z))
    assert abs(products.mean(axis=0)).max() < 4.5 * np.sqrt(2 / len(z))


@pytest.mark.parametrize("stem", SPATIAL)
def test_effects_are_drawn_jointly_given_all_houses(stem):
    _, draws = run(stem)
    drawn = np.hstack([draws["alpha"], draws["beta"]])
    z = [
        standardised(drawn[i], *joint.effects(np.ones(10, bool)))
        for i, joint in enumerate(joints(draws))
    ]
    assert_standard_normal(np.array(z))


def generated(stem: str, data: dict, draws: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Generated quantities of the draws with other data (draw, ...)."""
    parameters = {name: draws[name][None] for name in declared(text_of(stem), "parameters")}
    found = generate(executable(stem), data | to_predict([], []), parameters, seed=3)
    return {name: flat(values) for name, values in found.items()}


def with_doubles() -> dict:
    """Doubles of counties 1, 4 and 1 again; only the last, county 9, has houses, three of four."""
    data = double_counties(six_counties(), [1, 4, 1])
    own = [i for i, j in enumerate(data["county"]) if j == 1][1:]
    for name in ("floor_measure", "log_radon"):
        data[name] = [*data[name], *(data[name][i] for i in own)]
    return data | {"county": [*data["county"], *[9] * len(own)], "N": 10 + len(own)}


@pytest.mark.parametrize("stem", SPATIAL)
def test_double_knows_the_houses_of_all_counties_but_its_own(stem):
    _, draws = run(stem)
    found = generated(stem, with_doubles(), draws)
    exact = joints(draws)
    assert found["log_lik_county"][:, :6] == pytest.approx(draws["log_lik_county"], abs=1e-6)
    assert abs(found["log_lik_county"][:, 6:8]).max() < 1e-9
    first, second = [], []
    for i, joint in enumerate(exact):
        others = joint.county != 0
        own = ~others & (np.cumsum(~others) > 1)
        assert found["log_lik_county"][i, 8] == pytest.approx(
            joint.log_density(own, others), abs=1e-6
        )
        for row, houses, j in ((first, others, 6), (second, others | own, 8)):
            mean, covariance = joint.effects(houses)
            pair = np.ix_([0, 6], [0, 6])
            drawn = np.array([found[name][i, j] for name in ("alpha", "beta")])
            row.append(standardised(drawn, mean[[0, 6]], covariance[pair]))
    assert_standard_normal(np.array(first))
    assert_standard_normal(np.array(second))


@pytest.mark.parametrize("stem", SPATIAL)
def test_county_far_from_all_others_is_one_of_the_population(stem):
    _, draws = run(stem)
    data = with_unknown_counties(six_counties())
    found = generated(stem, data, draws)
    z = []
    for effect in ("alpha", "beta"):
        soil = draws.get(f"gamma_{effect}", np.zeros(DRAWS)) * np.mean(data["log_uranium"][:6])
        mean = draws[f"mu_{effect}"] + soil
        z += [(found[effect][:, j] - mean) / draws[f"sigma_{effect}"] for j in (6, 7)]
    assert_standard_normal(np.stack(z, axis=1))


def test_the_independent_program_is_that_of_counties_far_from_each_other():
    """hierarchical_uranium.stan gives the same log densities of counties."""
    _, draws = run("hierarchical_uranium_spatial")
    apart = six_counties() | {"distance": np.where(np.eye(6), 0.0, np.inf).tolist()}
    names = declared(text_of("hierarchical_uranium"), "parameters")
    assert {*names} < {*draws}
    one = generated("hierarchical_uranium_spatial", apart, draws)
    other = generated("hierarchical_uranium", six_counties(), draws)
    assert one["log_lik_county"] == pytest.approx(other["log_lik_county"], abs=1e-6)


@cache
def fitted() -> tuple:
    """A fit to a survey of eight counties in a row."""
    return surveyed("hierarchical_spatial")


def test_houses_left_out_by_their_conditional_density_agree_with_refits():
    fit, program, data, _ = fitted()
    houses = [0, 9, 12]
    found = loo.conditional_loo(fit, program, data, houses, seed=1)
    assert (found["pareto_k"] < 0.7).all()
    folds = {f"house {i}": [i] for i in houses}
    exact = here(program, data, folds, SETTINGS, None)
    for i, fold in enumerate(folds):
        assert found["elpd"][i] == pytest.approx(exact[fold]["elpd"][0], abs=0.1)
        error = np.hypot(2 * found["mcse"][i], exact[fold]["mcse"][0])
        assert abs(found["mean"][i] - exact[fold]["mean"][0]) < 4 * error


def test_density_of_counties_at_other_distances_is_refused(monkeypatch):
    """As if a program's `log_lik_county` and its model block had two covariances."""
    fit, program, data, _ = fitted()
    likelihood.check_likelihood(fit, program.executable, data, seed=1)

    def farther(executable, data, parameters, seed):
        distance = (2 * np.array(data["distance"])).tolist()
        return generate(executable, {**data, "distance": distance}, parameters, seed)

    monkeypatch.setattr(likelihood, "generate", farther)
    with pytest.raises(ProgramError, match="the sum of its `log_lik_county` and the log density"):
        likelihood.check_likelihood(fit, program.executable, data, seed=1)
