"""The functions in `stan/functions`, called from a small program that is compiled here.

Four counties: the first has two houses in the basement and three on the first
floor, the second no house, the third one house in the basement, the fourth two
houses on the first floor.
"""

import json
import shutil

import numpy as np
import pytest
from cmdstanpy import CmdStanModel
from programs import ROOT, cmdstan
from scipy import integrate, special, stats

from pooling.programs.compile import compile_program

PROGRAM = """
functions {
  #include functions/censored.stanfunctions
  #include functions/bounded_softplus.stanfunctions
  #include functions/states.stanfunctions
}
data {
  int N;
  int J;
  array[N] int county;
  vector[N] floor_measure;
  vector[N] y;
  int K;
  array[K] vector[J] mu_alpha;
  array[K] vector[J] mu_beta;
  array[K] real sigma_alpha;
  array[K] real sigma_beta;
  array[K] real rho;
  array[K] matrix[J, 2] sigma;
  matrix[J, 2] censored;
  real log_limit;
  int M;
  array[M] real free;
  array[M] real unit;
  array[M] real bound;
}
transformed data {
  array[size(occupied(cell_counts(county, floor_measure, J)[, 1]))] int filled
    = occupied(cell_counts(county, floor_measure, J)[, 1]);
}
generated quantities {
  matrix[J, 2] houses = cell_counts(county, floor_measure, J);
  matrix[J, 2] mean_y = cell_means(y, county, floor_measure, J);
  matrix[J, 2] squares = within_squares(y, county, floor_measure, J);
  array[size(filled)] int where = filled;
  vector[3] precisions = slope_precisions(houses, {1, 1, 3, 3}, 3);
  array[K] vector[J] lp;
  array[K] vector[J] lp_of_houses;
  vector[K] lp_separate;
  vector[K] lp_common;
  vector[K] lp_population;
  array[K] matrix[J, 2] effects;
  array[K] vector[J] lp_censored;
  array[K] matrix[J, 2] effects_censored;
  vector[M] values;
  vector[M] log_derivatives;
  real sd_within = pooled_sd(squares, houses);
  real sd_of_no_house = pooled_sd(rep_matrix(0, J, 2), rep_matrix(0, J, 2));
  array[5] real units = {sd_unit(0.8, 100, 16, 1.5, 9), sd_unit(0.8, 0, 16, 1.5, 9),
                         sd_unit(0.8, 100, 4, 1.5, 9), sd_unit(0.8, 100, 16, 0.1, 9),
                         sd_unit(0.8, 0, 16, positive_infinity(), 9)};
  for (i in 1 : M) {
    values[i] = bounded_softplus(free[i], unit[i], bound[i]);
    log_derivatives[i] = bounded_softplus_log_derivative(free[i], unit[i], bound[i]);
  }
  for (k in 1 : K) {
    lp[k] = county_log_density(mean_y, houses, squares, mu_alpha[k], mu_beta[k],
                               sigma_alpha[k], sigma_beta[k], rho[k], sigma[k]);
    lp_of_houses[k] = county_log_lik(y, county, floor_measure, mu_alpha[k], mu_beta[k],
                                     sigma_alpha[k], sigma_beta[k], rho[k], sigma[k]);
    lp_separate[k] = separate_regressions_lpdf(y | county, floor_measure,
                                               mu_alpha[k][1], sigma_alpha[k],
                                               mu_beta[k][1], sigma_beta[k], sigma[k][, 1]);
    lp_common[k] = common_marginal_lpdf(mean_y | houses, sum(squares), mu_alpha[k], mu_beta[k],
                                        sigma_alpha[k], sigma_beta[k], rho[k], sigma[k][1, 1]);
    lp_population[k] = population_marginal_lpdf(mean_squares(mean_y, houses)
                                                | count_products(houses), sum(squares),
                                                mu_alpha[k][1], mu_beta[k][1],
                                                sigma_alpha[k], sigma_beta[k], sigma[k][1, 1]);
    effects[k] = county_effects_rng(mean_y, houses, mu_alpha[k], mu_beta[k],
                                    sigma_alpha[k], sigma_beta[k], rho[k], sigma[k]);
    lp_censored[k] = censored_county_log_density(mean_y, houses, squares, censored, log_limit,
                                                 mu_alpha[k], mu_beta[k], sigma_alpha[k],
                                                 sigma_beta[k], rho[k], sigma[k]);
    effects_censored[k] = censored_county_effects_rng(mean_y, houses, censored, log_limit,
                                                      mu_alpha[k], mu_beta[k], sigma_alpha[k],
                                                      sigma_beta[k], rho[k], sigma[k]);
  }
}
"""
DRAWS = 4000
COUNTY = np.array([1, 1, 1, 1, 1, 3, 4, 4])
FLOOR = np.array([0, 0, 1, 1, 1, 0, 1, 1])
Y = np.array([1.0, 2.0, 0.5, 1.0, 1.5, 3.0, -1.0, 0.0])
# Parameters: unit scales; county by county; next to no pooling, and none to speak of;
# next to complete pooling; correlated either way, also to the end; slopes without a
# standard deviation, and nothing with one.
SETTINGS = {
    "mu_alpha": [
        *([0.0] * 4, [1.5, -0.5, 2.0, 0.3], [0.0] * 4, [0.0] * 4, [1.2] * 4),
        *([1.5, -0.5, 2.0, 0.3], [0.4] * 4, [0.4] * 4, [1.5, -0.5, 2.0, 0.3], [1.2] * 4),
    ],
    "mu_beta": [
        *([0.0] * 4, [-0.7, 0.2, -1.0, 0.6], [0.0] * 4, [0.0] * 4, [-0.6] * 4),
        *([-0.7, 0.2, -1.0, 0.6], [-0.6] * 4, [-0.6] * 4, [-0.6] * 4, [-0.6] * 4),
    ],
    "sigma_alpha": [1.0, 0.3, 100.0, 10000.0, 0.01, 0.4, 0.5, 1.0, 0.4, 0.0],
    "sigma_beta": [1.0, 0.6, 100.0, 10000.0, 0.02, 0.8, 0.5, 0.5, 0.0, 0.0],
    "rho": [0.0, 0.0, 0.0, 0.0, 0.0, 0.9, -0.9, -1.0, 0.0, 0.5],
}
K = len(SETTINGS["sigma_alpha"])
# Of houses in basements, by setting and county; on first floors it is larger or smaller.
BASEMENT = np.array(
    [
        *([1.0] * 4, [0.7, 0.5, 1.1, 0.9], [0.8] * 4, [0.7] * 4, [0.3, 1.0, 2.0, 0.5]),
        *([0.6, 0.8, 1.2, 0.4], [0.8] * 4, [0.7] * 4, [0.7, 0.5, 1.1, 0.9], [0.8] * 4),
    ]
)
FIRST_FLOOR = BASEMENT * np.array([1, 1.5, 1.2, 1, 1, 1.3, 0.6, 1.4, 1, 2])[:, None]
SIGMA = np.stack([BASEMENT, FIRST_FLOOR], axis=-1)
# Further houses of each county by floor of which only that is known that they are not above this.
LIMIT = -0.3
CENSORED = np.array([[2, 0], [2, 1], [0, 1], [1, 3]])
# Without a bound, with a far one, a near one and one within a unit, at the middle and the ends.
FREE = np.array([-30.0, -3, 0, 2, 40, -3, 0, 9, 40, -2, 1, 5, -1, 0, 3])
UNIT = np.array([0.1, 0.1, 0.5, 0.1, 0.1, 0.5, 0.5, 0.5, 0.5, 2, 2, 2, 50, 50, 50])
UPPER = np.array([np.inf] * 5 + [5.0] * 4 + [3.0] * 3 + [1.0] * 3)


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    shutil.copytree(ROOT / "stan" / "functions", folder / "functions")
    source = folder / "calls.stan"
    source.write_text(PROGRAM)
    compile_program(source, cmdstan(), folder / "calls")
    return CmdStanModel(exe_file=folder / "calls")


def call(program, **changes):
    data = {"N": 8, "J": 4, "K": K, "county": COUNTY, "floor_measure": FLOOR, "y": Y} | SETTINGS
    data |= {"sigma": SIGMA, "censored": CENSORED, "log_limit": LIMIT}
    data |= {"M": len(FREE), "free": FREE, "unit": UNIT, "bound": UPPER}
    return program.sample(
        data=json.loads(json.dumps(data | changes, default=np.ndarray.tolist)),
        fixed_param=True,
        sig_figs=12,
        chains=1,
        iter_sampling=DRAWS,
        seed=20061,
        show_progress=False,
    )


@pytest.fixture(scope="module")
def found(program):
    return call(program).stan_variables()


def test_cell_counts(found):
    assert found["houses"][0].tolist() == [[2, 3], [0, 0], [1, 0], [0, 2]]


def test_slope_precisions_of_states(found):
    # Three houses on first floors of the first state, two of the third: n / (1 + 0.04 n).
    assert found["precisions"][0] == pytest.approx([3 / 1.12, 0, 2 / 1.08])


def test_cell_means(found):
    assert found["mean_y"][0].tolist() == [[1.5, 1.0], [0, 0], [3.0, 0], [0, -0.5]]


def test_within_squares(found):
    # County 1: 2 * 0.5^2 in the basement, 2 * 0.5^2 on the first floor; county 4: 2 * 0.5^2.
    assert found["squares"][0].tolist() == [[0.5, 0.5], [0, 0], [0, 0], [0, 0.5]]


def test_occupied_positions(found):
    assert found["where"][0].tolist() == [1, 3]


def county_model(
    k: int, j: int, sigma: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Design (house, 2), response, prior mean of (alpha, beta), root of their covariance, noise.

    Parameters
    ----------
    k, j
        Position of the setting, and of the county, both from 0.
    sigma
        Standard deviation of houses, (county, floor); of the result, (house,).
    """
    own = j + 1 == COUNTY
    design = np.column_stack([np.ones(own.sum()), FLOOR[own]])
    mean = np.array([SETTINGS["mu_alpha"][k][j], SETTINGS["mu_beta"][k][j]])
    spread = np.array([SETTINGS["sigma_alpha"][k], SETTINGS["sigma_beta"][k]])
    rho = SETTINGS["rho"][k]
    root = spread[:, None] * np.array([[1, 0], [rho, np.sqrt(1 - rho**2)]])
    return design, Y[own], mean, root, sigma[j, FLOOR[own]]


def county_density(k: int, j: int, sigma: np.ndarray) -> float:
    """Log density of a county's houses, of covariance diag(sigma^2) + X P X'; 0 without any."""
    x, y, mean, root, noise = county_model(k, j, sigma)
    if not y.size:
        return 0.0
    covariance = np.diag(noise**2) + x @ root @ root.T @ x.T
    return stats.multivariate_normal(x @ mean, covariance).logpdf(y)


def full_log_density(k: int, sigma: np.ndarray) -> float:
    """Log density of all houses; `sigma` (county, floor) or what has this shape."""
    return sum(county_density(k, j, np.broadcast_to(sigma, (4, 2))) for j in range(4))


def conditional_effects(k: int, j: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean (2,) and covariance (2, 2) of the effects given the county's houses.

    With P = L L' and noise of covariance S, the covariance is L (I + L' X' S^-1 X L)^-1 L'.
    """
    x, y, mean, root, noise = county_model(k, j, SIGMA[k])
    loading = x @ root / noise[:, None]
    covariance = root @ np.linalg.solve(np.eye(2) + loading.T @ loading, root.T)
    return mean + covariance @ x.T @ ((y - x @ mean) / noise**2), covariance


# What n houses of one floor have beyond their mean and their squares about it.
COUNTS = np.array([2, 3, 1, 2])
CONSTANT = -0.5 * np.sum((COUNTS - 1) * np.log(2 * np.pi) + np.log(COUNTS))


@pytest.mark.parametrize("k", range(K))
def test_density_of_counties_is_the_full_density_of_their_houses(found, k):
    exact = [county_density(k, j, SIGMA[k]) for j in range(4)]
    for name in ("lp", "lp_of_houses"):
        assert found[name][0, k] == pytest.approx(exact, rel=1e-9, abs=1e-12), name


@pytest.mark.parametrize("k", range(K))
def test_marginal_with_one_sigma_is_the_full_density_up_to_the_counts(found, k):
    full = full_log_density(k, BASEMENT[k, 0])
    assert found["lp_common"][0, k] + CONSTANT == pytest.approx(full, rel=1e-9)


# One population: means that are the same for all counties, and no correlation.
EXCHANGEABLE = [
    k for k in range(K) if SETTINGS["rho"][k] == 0 and len({*SETTINGS["mu_alpha"][k]}) == 1
]


@pytest.mark.parametrize("k", EXCHANGEABLE)
def test_separate_regressions_have_the_full_density(found, k):
    exact = full_log_density(k, BASEMENT[k][:, None])
    assert found["lp_separate"][0, k] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("k", EXCHANGEABLE)
def test_marginal_of_one_population_is_the_full_density_up_to_2_pi(found, k):
    full = full_log_density(k, BASEMENT[k, 0]) + 0.5 * len(Y) * np.log(2 * np.pi)
    assert found["lp_population"][0, k] == pytest.approx(full, rel=1e-9)


def assert_moments(draws: np.ndarray, mean: np.ndarray, covariance: np.ndarray) -> None:
    """Moments of independent draws (draw, 2) are within four standard errors."""
    variance = np.diag(covariance)
    assert np.all(abs(draws.mean(axis=0) - mean) <= 4 * np.sqrt(variance / DRAWS) + 1e-9)
    margin = 4 * np.sqrt((variance * variance[:, None] + covariance**2) / DRAWS)
    assert np.all(abs(np.cov(draws.T) - covariance) <= margin + 1e-9)


@pytest.mark.parametrize("k", range(K))
@pytest.mark.parametrize("j", range(4))
def test_effects_have_the_conditional_mean_and_covariance(found, k, j):
    assert_moments(found["effects"][:, k, j], *conditional_effects(k, j))


# Settings in which effects are not a hundred times as wide as houses.
POOLED = [k for k in range(K) if SETTINGS["sigma_alpha"][k] < 100]


def below_limit(k: int, j: int) -> tuple[float, np.ndarray, np.ndarray]:
    """Log probability that a county's further houses are below the limit, given the others.

    And mean and covariance of the effects given all: by Gauss-Hermite quadrature, 200 points in
    each direction.
    """
    mean, covariance = conditional_effects(k, j)
    values, vectors = np.linalg.eigh(covariance)
    points, weights = np.polynomial.hermite_e.hermegauss(200)
    grid = np.stack(np.meshgrid(points, points, indexing="ij"), axis=-1).reshape(-1, 2)
    effects = mean + grid * np.sqrt(values.clip(0)) @ vectors.T
    # The outermost weights underflow.
    log_weights = np.log(np.outer(weights, weights).ravel() / (2 * np.pi) + 1e-300)
    for floor, houses in enumerate(CENSORED[j]):
        z = (LIMIT - effects @ [1, floor]) / SIGMA[k, j, floor]
        log_weights = log_weights + houses * special.log_ndtr(z)
    total = special.logsumexp(log_weights)
    share = np.exp(log_weights - total)
    centre = share @ effects
    return total, centre, (effects - centre).T @ ((effects - centre) * share[:, None])


@pytest.mark.parametrize("k", POOLED)
def test_houses_below_the_limit_add_the_probability_of_being_there(found, k):
    exact = [county_density(k, j, SIGMA[k]) + below_limit(k, j)[0] for j in range(4)]
    assert found["lp_censored"][0, k] == pytest.approx(exact, rel=1e-8)


def test_one_house_below_the_limit_has_a_normal_probability(found):
    """Setting 0, county 3: prior means 0, variances 1, a house at 3 in the basement.

    So alpha is N(1.5, .5), beta N(0, 1), and a house on the first floor N(1.5, .5 + 1 + 1).
    """
    exact = stats.norm.logcdf((LIMIT - 1.5) / np.sqrt(2.5)) + stats.norm.logpdf(3, 0, np.sqrt(2))
    assert found["lp_censored"][0, 0, 2] == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("k", POOLED)
@pytest.mark.parametrize("j", range(4))
def test_effects_given_houses_below_the_limit_have_mean_and_covariance(found, k, j):
    assert_moments(found["effects_censored"][:, k, j], *below_limit(k, j)[1:])


def slope(free: np.ndarray) -> np.ndarray:
    """Share of the unit by which the standard deviation grows; its integral is that."""
    width = UPPER / UNIT
    above = special.expit(width - free) - special.expit(-free)
    below = special.expit(free) - special.expit(free - width)
    return np.where(free > 0, above, below)  # the same, each where no digits are lost


def test_bounded_softplus_is_the_integral_of_its_slope(found):
    areas = [
        integrate.quad(lambda x, i=i: slope(x)[i], -60, FREE[i], epsabs=0, limit=200)[0]
        for i in range(len(FREE))
    ]
    assert found["values"][0] == pytest.approx(UNIT * areas, rel=1e-7, abs=0)
    assert np.exp(found["log_derivatives"][0]) == pytest.approx(UNIT * slope(FREE), rel=1e-9, abs=0)


def test_bounded_softplus_has_its_bounds_and_is_linear_between_them(found):
    values = found["values"][0]
    assert values[0] == pytest.approx(0.1 * np.exp(-30), rel=1e-9, abs=0)
    assert values[4] == pytest.approx(0.1 * 40, rel=1e-9)
    assert values[8] == pytest.approx(5, rel=1e-9)
    # As good as Stan's own transformation where the bound is far below the unit.
    assert values[12:] == pytest.approx(special.expit([-1, 0, 3]), rel=0.01)


def test_standard_deviation_within_floors_of_counties(found):
    # Squares 1 and .5; eight houses on four floors of counties.
    assert found["sd_within"][0] == pytest.approx(np.sqrt(1.5 / 4))
    assert found["sd_of_no_house"][0] == 1


def test_unit_is_what_counties_tell_or_the_prior_where_they_are_few(found):
    # .8 / sqrt(16); without houses, with four counties, with a narrow prior the scale of that;
    # the bound of a uniform one.
    assert found["units"][0] == pytest.approx([0.2, 1.5, 1.5, 0.1, 9])


def test_another_floor_is_rejected_with_its_house(program):
    with pytest.raises(RuntimeError) as caught:
        call(program, floor_measure=np.array([0, 0, 1, 1, 2, 0, 1, 1]))
    assert "cell_counts: floor_measure[5] is 2, but must be 0 or 1" in str(caught.value)
