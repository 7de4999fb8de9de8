"""The marginal model by hand, against dense normal distributions."""

import numpy as np
import pytest
from scipy.stats import multivariate_normal

from bench.marginal import county_effects, log_likelihood, softplus_half_normal, statistics

COUNTY = np.array(
    [0, 0, 0, 1, 1, 3, 3, 3]
)  # county 2 has no house, 1 no first floor, 3 no basement
FLOOR = np.array([0.0, 0, 1, 0, 0, 1, 1, 1])
RADON = np.array([1.2, 0.3, 0.9, 2.1, 1.7, -0.4, 0.8, 0.1])
DATA = {"J": 4, "county": COUNTY, "floor_measure": FLOOR, "log_radon": RADON}
POPULATIONS = [
    {"mu_alpha": 1.3, "mu_beta": -0.6, "sigma_alpha": 0.4, "sigma_beta": 0.3, "sigma": 0.7},
    {"mu_alpha": 0.2, "mu_beta": 0.5, "sigma_alpha": 1.1, "sigma_beta": 0.05, "sigma": 0.4},
]


def dense(population):
    """Mean and covariance of the houses, and covariance of houses and county effects."""
    effects = np.zeros((len(COUNTY), 8))  # alpha of 4 counties, then beta
    effects[np.arange(8), COUNTY] = 1
    effects[np.arange(8), COUNTY + 4] = FLOOR
    of = np.repeat([population["sigma_alpha"], population["sigma_beta"]], 4) ** 2
    mean = population["mu_alpha"] + population["mu_beta"] * FLOOR
    return mean, (effects * of) @ effects.T + np.eye(8) * population["sigma"] ** 2, effects * of


def test_log_likelihood_is_that_of_the_houses_up_to_a_constant():
    houses = statistics(DATA)
    ours = [log_likelihood(np.log, houses, population) for population in POPULATIONS]
    exact = [multivariate_normal.logpdf(RADON, *dense(p)[:2]) for p in POPULATIONS]
    assert ours[0] - ours[1] == pytest.approx(exact[0] - exact[1], rel=1e-10)


@pytest.mark.parametrize("population", POPULATIONS)
def test_county_effects_are_drawn_from_their_conditional_distribution(population):
    draws = 100_000
    repeated = {name: np.full((2, draws // 2), value) for name, value in population.items()}
    found = county_effects(statistics(DATA), repeated, seed=1)
    flat = np.concatenate([found[name].reshape(draws, 4) for name in ("alpha", "beta")], axis=1)
    mean, covariance, cross = dense(population)
    prior = np.repeat([population["mu_alpha"], population["mu_beta"]], 4)
    spreads = np.repeat([population["sigma_alpha"], population["sigma_beta"]], 4)
    gain = np.linalg.solve(covariance, cross).T
    exact = np.diag(spreads**2) - gain @ cross
    # Five standard errors of a mean; as many, twice that of the product of two, of a covariance.
    error = spreads / np.sqrt(draws)
    assert np.all(np.abs(flat.mean(axis=0) - prior - gain @ (RADON - mean)) < 5 * error)
    assert np.all(np.abs(np.cov(flat.T) - exact) < 10 * np.outer(spreads, error))


def test_softplus_half_normal_has_the_half_normal_density_of_its_value_times_its_slope():
    def softplus(x):
        return np.log1p(np.exp(x))

    free, step, unit, scale = np.array([-1.0, 2.0]), 1e-6, 0.3, 0.5
    value, density = softplus_half_normal(softplus, free, unit, scale)
    slope = (softplus_half_normal(softplus, free + step, unit, scale)[0] - value) / step
    exact = -0.5 * (value / scale) ** 2 + np.log(slope)
    assert density[0] - density[1] == pytest.approx(exact[0] - exact[1], rel=1e-5)
