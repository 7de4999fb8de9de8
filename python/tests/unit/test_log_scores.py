"""Scores of houses up to the detection limit are probabilities, of any program."""

import numpy as np
import pytest
from programs import executable, quick, small_fit, text_of, tiny_coords, tiny_data
from scipy import special, stats

from pooling.fitting.generate import to_predict
from pooling.fitting.log_scores import log_scores, scored, up_to, with_points_below
from pooling.fitting.refits import Program
from pooling.scoring.loo import psis

# The second and the fourth house are up to a limit of -1.
HOUSES = to_predict([1, 2, 2, 3], [0, 1, 0, 1], [1.0, -1.0, -0.9, -4.0])
PLAIN, CENSORING = "data { int N; }", "data { int N; real log_limit; }"


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_score_up_to_the_limit_is_the_normal_probability(sigma):
    houses = with_points_below(HOUSES, {"log_limit": -1.0}, PLAIN)
    assert scored(houses) == 4
    mean = np.array([[0.0], [1.5], [-0.5]])
    y = np.array(houses["log_radon_new"])
    found = log_scores(stats.norm.logpdf(y, mean, sigma), houses)
    assert found.shape == (3, 4)
    exact = stats.norm.logpdf(HOUSES["log_radon_new"], mean, sigma)
    assert np.array_equal(found[:, [0, 2]], exact[:, [0, 2]])
    probability = stats.norm.logcdf(-1, mean[:, 0], sigma)
    for house in (1, 3):
        assert found[:, house] == pytest.approx(probability, abs=1e-6)


def test_points_are_of_the_house_s_own_county_and_floor():
    houses = with_points_below(HOUSES, {"log_limit": -1.0}, PLAIN)
    points = (houses["N_new"] - 4) // 2
    assert houses["county_new"] == [1, 2, 2, 3, *[2] * points, *[3] * points]
    assert houses["floor_measure_new"] == [0, 1, 0, 1, *[1] * 2 * points]
    assert max(houses["log_radon_new"][4:]) <= -1


@pytest.mark.parametrize(
    ("data", "program"), [({}, PLAIN), ({"log_limit": -1.0}, CENSORING), ({"log_limit": -9}, PLAIN)]
)
def test_nothing_is_added_without_need(data, program):
    houses = with_points_below(HOUSES, data, program)
    assert {name: houses[name] for name in HOUSES} == HOUSES
    log_lik = np.arange(8.0).reshape(2, 4)
    assert np.array_equal(log_scores(log_lik, houses), log_lik)


def test_leave_one_out_weighs_by_the_density_and_scores_the_probability():
    plain = tiny_data()
    fit = small_fit("pooled", plain, tiny_coords(), quick())
    program = Program("pooled", text_of("pooled"), executable("pooled"))
    before, _ = psis(fit, program, plain, seed=1)
    after, draws = psis(fit, program, plain | {"log_limit": 0.5}, seed=1)
    # Further houses to predict change the random numbers, and so the replications.
    before, after = before.drop(columns="pit"), after.drop(columns="pit")
    unchanged = before.columns.difference(["elpd", "lpd"])
    assert after[unchanged].equals(before[unchanged])
    # The third house, 0.5 in county 1, and the seventh, 0.3 in county 3, both on the first floor.
    below = np.isin(np.arange(10), (2, 6))
    assert after.loc[~below].equals(before.loc[~below])
    mean = (draws["mu_alpha"] + draws["mu_beta"]).values.ravel()
    probability = stats.norm.logcdf(0.5, mean, draws["sigma"].values.ravel())
    expected = special.logsumexp(probability) - np.log(probability.size)
    assert after.loc[below, "lpd"].tolist() == pytest.approx([expected] * 2, abs=1e-5)
    assert (after.loc[below, "elpd"] < after.loc[below, "lpd"]).all()


def test_pit_up_to_the_limit_is_half_the_probability_of_being_there():
    """Of four draws, one and then three are at or below -1; others are as without a limit."""
    y_rep = np.array([[0.9, -1.0, 0.0, -2.0], [1.1, 0.5, -2.0, -1.5], [0.0, 3.0, 1.0, -1.0]])
    y_rep = np.vstack([y_rep, [2.0, 0.0, -0.9, 4.0]])
    for program in (PLAIN, CENSORING):
        houses = with_points_below(HOUSES, {"log_limit": -1.0}, program)
        found = up_to(y_rep, HOUSES["log_radon_new"], houses).mean(axis=0)
        assert found.tolist() == [2 / 4, 1 / 8, 2 / 4, 3 / 8]
    plain = up_to(y_rep, HOUSES["log_radon_new"], HOUSES).mean(axis=0)
    assert plain.tolist() == [2 / 4, 1 / 4, 2 / 4, 0]
