"""The functions in `stan/functions`, called from a small program that is compiled here.

Four counties: the first has two houses in the basement and three on the first
floor, the second no house, the third one house in the basement, the fourth two
houses on the first floor.
"""

import json

import numpy as np
import pytest
from cmdstanpy import CmdStanModel
from programs import ROOT, cmdstan
from scipy import stats

from pooling.compile import compile_program

PROGRAM = """
functions {
  #include functions/county_marginal.stanfunctions
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
  array[K] vector[J] sigma;
}
transformed data {
  array[size(occupied(cell_counts(county, floor_measure, J)[, 1]))] int filled
    = occupied(cell_counts(county, floor_measure, J)[, 1]);
}
generated quantities {
  matrix[J, 2] houses = cell_counts(county, floor_measure, J);
  matrix[J, 2] mean_y = cell_means(y, county, floor_measure, J);
  vector[J] squares = within_squares(y, county, floor_measure, J);
  array[size(filled)] int where = filled;
  vector[K] lp;
  vector[K] lp_separate;
  vector[K] lp_common;
  array[K] matrix[J, 2] effects;
  for (k in 1 : K) {
    lp[k] = county_marginal_lpdf(mean_y | houses, squares, mu_alpha[k], mu_beta[k],
                                 sigma_alpha[k], sigma_beta[k], sigma[k]);
    lp_separate[k] = county_marginal_lpdf(mean_y | houses, squares, mu_alpha[k], mu_beta[k],
                                          sigma_alpha[k], sigma_beta[k],
                                          rep_vector(sigma[k][1], J));
    lp_common[k] = common_marginal_lpdf(mean_y | houses, sum(squares), mu_alpha[k], mu_beta[k],
                                        sigma_alpha[k], sigma_beta[k], sigma[k][1]);
    effects[k] = county_effects_rng(mean_y, houses, mu_alpha[k], mu_beta[k],
                                    sigma_alpha[k], sigma_beta[k], sigma[k]);
  }
}
"""
DRAWS = 4000
COUNTY = np.array([1, 1, 1, 1, 1, 3, 4, 4])
FLOOR = np.array([0, 0, 1, 1, 1, 0, 1, 1])
Y = np.array([1.0, 2.0, 0.5, 1.0, 1.5, 3.0, -1.0, 0.0])
# Parameters: unit scales, county by county, next to no pooling, next to complete pooling.
SETTINGS = {
    "mu_alpha": [[0.0] * 4, [1.5, -0.5, 2.0, 0.3], [0.0] * 4, [1.2] * 4],
    "mu_beta": [[0.0] * 4, [-0.7, 0.2, -1.0, 0.6], [0.0] * 4, [-0.6] * 4],
    "sigma_alpha": [1.0, 0.3, 100.0, 0.01],
    "sigma_beta": [1.0, 0.6, 100.0, 0.02],
    "sigma": [[1.0] * 4, [0.7, 0.5, 1.1, 0.9], [0.8] * 4, [0.3, 1.0, 2.0, 0.5]],
}
K = len(SETTINGS["sigma_alpha"])


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    folder = tmp_path_factory.mktemp("functions")
    (folder / "functions").symlink_to(ROOT / "stan" / "functions")
    source = folder / "calls.stan"
    source.write_text(PROGRAM)
    compile_program(source, cmdstan(), folder / "calls")
    return CmdStanModel(exe_file=folder / "calls")


def call(program, **changes):
    data = {"N": 8, "J": 4, "K": K, "county": COUNTY, "floor_measure": FLOOR, "y": Y} | SETTINGS
    return program.sample(
        data=json.loads(json.dumps(data | changes, default=np.ndarray.tolist)),
        fixed_param=True,
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


def test_cell_means(found):
    assert found["mean_y"][0].tolist() == [[1.5, 1.0], [0, 0], [3.0, 0], [0, -0.5]]


def test_within_squares(found):
    # County 1: 2 * 0.5^2 in the basement, 2 * 0.5^2 on the first floor; county 4: 2 * 0.5^2.
    assert found["squares"][0].tolist() == [1.0, 0, 0, 0.5]


def test_occupied_positions(found):
    assert found["where"][0].tolist() == [1, 3]


def county_model(k: int, j: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, float]:
    """Design (house, 2), response, prior mean and prior covariance of (alpha, beta), sigma."""
    own = j + 1 == COUNTY
    design = np.column_stack([np.ones(own.sum()), FLOOR[own]])
    mean = np.array([SETTINGS["mu_alpha"][k][j], SETTINGS["mu_beta"][k][j]])
    prior = np.diag([SETTINGS["sigma_alpha"][k] ** 2, SETTINGS["sigma_beta"][k] ** 2])
    return design, Y[own], mean, prior, SETTINGS["sigma"][k][j]


def full_log_density(k: int) -> float:
    """Log density of all houses with covariance sigma^2 I + s_a^2 11' + s_b^2 xx' a county."""
    total = 0.0
    for j in range(4):
        x, y, mean, prior, sigma = county_model(k, j)
        if y.size:
            covariance = sigma**2 * np.eye(y.size) + x @ prior @ x.T
            total += stats.multivariate_normal(x @ mean, covariance).logpdf(y)
    return total


def test_common_spread_is_the_special_case_of_separate_ones(found):
    """With the spread of county 1 for all four counties."""
    # CmdStan writes six digits.
    assert found["lp_common"][0] == pytest.approx(found["lp_separate"][0], rel=1e-5)


def test_marginal_is_the_full_density_up_to_the_counts(found):
    counts = np.array([2, 3, 1, 2])
    # What n houses of one floor have beyond their mean and their squares about it.
    constant = -0.5 * np.sum((counts - 1) * np.log(2 * np.pi) + np.log(counts))
    full = np.array([full_log_density(k) for k in range(K)])
    # CmdStan writes six digits.
    assert found["lp"][0] + constant == pytest.approx(full, rel=1e-5)


@pytest.mark.parametrize("k", range(K))
@pytest.mark.parametrize("j", range(4))
def test_effects_have_the_conditional_mean_and_covariance(found, k, j):
    x, y, mean, prior, sigma = county_model(k, j)
    precision = np.linalg.inv(prior)
    covariance = np.linalg.inv(precision + x.T @ x / sigma**2)
    expected = covariance @ (precision @ mean + x.T @ y / sigma**2)
    # Independent draws with unit covariance and mean 0 if the function is right.
    lower = np.linalg.cholesky(covariance)
    z = np.linalg.solve(lower, (found["effects"][:, k, j] - expected).T)
    assert np.abs(z.mean(axis=1)).max() < 4 / np.sqrt(DRAWS)
    assert np.abs(z.var(axis=1) - 1).max() < 4 * np.sqrt(2 / DRAWS)
    assert abs((z[0] * z[1]).mean()) < 4 / np.sqrt(DRAWS)


def test_another_floor_is_rejected_with_its_house(program):
    with pytest.raises(RuntimeError) as caught:
        call(program, floor_measure=np.array([0, 0, 1, 1, 2, 0, 1, 1]))
    assert "cell_counts: floor_measure[5] is 2, but must be 0 or 1" in str(caught.value)
