"""Weights against a posterior whose answer without a house is known, and doubled counties."""

import numpy as np
import pytest
from programs import tiny_data
from scipy import stats

from pooling.fitting.generate import to_predict
from pooling.scoring.importance import double_counties, weighted_scores, weights_of

Y = np.array([0.3, -0.4, 1.1, 0.8, 2.4, -0.9, 0.1, 1.6, 0.5, -0.2])
CHAINS, DRAWS = 4, 2000


def level(y: np.ndarray) -> tuple[float, float]:
    """Mean and standard deviation of mu in y ~ N(mu, 1), mu ~ N(0, 5)."""
    precision = 1 / 25 + y.size
    return y.sum() / precision, precision**-0.5


@pytest.fixture(scope="module")
def posterior() -> np.ndarray:
    """Draws of mu at even quantiles, in random order, (sample,)."""
    shares = (np.arange(CHAINS * DRAWS) + 0.5) / (CHAINS * DRAWS)
    return stats.norm(*level(Y)).ppf(np.random.default_rng(1).permutation(shares))


def test_weights_give_the_posterior_without_the_house(posterior):
    weights, k = weights_of(-stats.norm.logpdf(Y, posterior[:, None], 1), CHAINS)
    assert weights.shape == (CHAINS * DRAWS, Y.size)
    assert weights.sum(axis=0) == pytest.approx(1)
    assert (k < 0.5).all()
    for i in range(Y.size):
        mean, sd = level(np.delete(Y, i))
        found = weights[:, i] @ posterior
        # Without sampling error but for the tails: far less than the .1 to .2 by which
        # leaving out a house moves the mean.
        assert found == pytest.approx(mean, abs=0.005)
        assert np.sqrt(weights[:, i] @ (posterior - found) ** 2) == pytest.approx(sd, rel=0.02)


def test_house_that_no_draw_expects_has_a_high_k(posterior):
    _, k = weights_of(-stats.norm.logpdf([[0.5, 40.0]], posterior[:, None], 1), CHAINS)
    assert k[0] < 0.5
    assert k[1] > 0.7


def test_equal_ratios_weigh_nothing_beside_others_that_do(posterior):
    """Equal up to rounding, as the density of a county without a house is."""
    ratios = np.zeros((CHAINS * DRAWS, 3))
    ratios[:, 1] = -stats.norm.logpdf(Y[4], posterior, 1)
    ratios[:, 2] = 3 + 1e-16 * np.arange(CHAINS * DRAWS)
    weights, k = weights_of(ratios, CHAINS)
    for i in (0, 2):
        assert k[i] == 0
        assert (weights[:, i] == 1 / (CHAINS * DRAWS)).all()
    alone, own = weights_of(ratios[:, 1:2], CHAINS)
    assert np.array_equal(weights[:, 1], alone[:, 0])
    assert k[1] == own[0] != 0


def test_doubles_have_what_their_county_has_but_no_house():
    doubled = double_counties(tiny_data(), [3, 1])
    assert doubled["J"] == 7
    assert doubled["log_uranium"] == [-0.7, 0.1, -0.3, 0.4, 0.0, -0.3, -0.7]
    assert doubled["first_floor_share"] == [0.5, 0.5, 1.0, 0.0, 0.0, 1.0, 0.5]
    assert doubled["state"] == [1, 1, 1, 2, 2, 1, 1]
    # Each is where its county is: at distance 0 from it, and 40 km from the other.
    distance = np.array(doubled["distance"])
    assert distance[:5, :5].tolist() == tiny_data()["distance"]
    assert distance[5].tolist() == [*distance[2, :5], 0, 40]
    assert distance[:, 6].tolist() == [*distance[:5, 0], 40, 0]
    for name in ("N", "county", "S", "log_radon", "prior_mu_alpha_scale"):
        assert doubled[name] == tiny_data()[name]


def test_doubles_have_only_what_the_study_has():
    data = {"J": 2, "N": 1, "county": [2]}
    assert double_counties(data, [1, 2]) == data | {"J": 4}


def test_weighted_scores_by_hand():
    """Two draws of weights 1/4 and 3/4, and two houses, one on each floor of county 2."""
    draws = {
        "alpha": np.array([[[9.0, 1.0], [9.0, 2.0]]]),
        "beta": np.array([[[9.0, -1.0], [9.0, -3.0]]]),
        "log_lik": np.log([[[0.4, 0.2], [0.8, 0.2]]]),
        "y_rep": np.array([[[0.0, 5.0], [3.0, 5.0]]]),
    }
    houses = to_predict([2, 2], [0, 1], [1.0, 5.0])
    weights = np.array([[0.25, 0.5], [0.75, 0.5]])
    found = weighted_scores(weights, draws, houses, [1.0, 5.0])
    assert found["elpd"].tolist() == pytest.approx(np.log([0.25 * 0.4 + 0.75 * 0.8, 0.2]))
    # alpha is 1, 2; alpha + beta is 0, -1.
    assert found["mean"].tolist() == pytest.approx([1.75, -0.5])
    assert found["pit"].tolist() == pytest.approx([0.25, 1])
    # Root of (1/4 * 3/4)^2 + (3/4 * 1/4)^2, and of 2 * (1/2 * 1/2)^2.
    assert found["mcse"].tolist() == pytest.approx([2**0.5 * 3 / 16, 2**0.5 / 4])
