"""Uniform ranks: statistic, exact p-values and bands, by hand and by simulation."""

import numpy as np
import pytest
from scipy.stats import binom

from pooling.checking.uniformity import band, below, p_value, statistic, tails

LAST = 99


def test_numbers_below_by_hand():
    assert below(np.array([0, 2, 2, 3]), 3).tolist() == [1, 1, 3]
    assert below(np.array([[0, 3], [1, 3]]), 3).tolist() == [[1, 0], [2, 0], [2, 0]]


def test_two_ranks_are_a_binomial_test():
    # Ten ranks of 0 or 1, two of them 0: P(at most 2) = 56 / 1024, doubled.
    ranks = np.array([0] * 2 + [1] * 8)[:, None]
    assert statistic(ranks, 1) == pytest.approx([112 / 1024])
    # As rare as or rarer: 0, 1, 2, 8, 9 or 10 of ten.
    assert p_value(statistic(ranks, 1), 10, 1) == pytest.approx([112 / 1024])


def test_p_value_of_all_ways_to_draw_three_ranks():
    every = np.array(np.meshgrid(*[range(3)] * 3)).reshape(3, -1)
    found = statistic(every, 2)
    # Ranks 0, 0, 0 and 2, 2, 2 are as rare as each other, but for rounding.
    share = [(found <= value * (1 + 1e-9)).mean() for value in found]
    assert p_value(found, 3, 2) == pytest.approx(share)
    # All three equal to 0: below both 1 and 2; P = 1 / 27 at k = 1, doubled.
    assert found.min() == pytest.approx(2 / 27)


def test_p_values_of_uniform_ranks_are_uniform():
    rng = np.random.default_rng(20060)
    p = p_value(statistic(rng.integers(0, LAST + 1, (200, 2000)), LAST), 200, LAST)
    for level in (0.05, 0.2, 0.5, 0.8):
        # Four binomial standard deviations; p-values take many values, but not all.
        assert abs((p <= level).mean() - level) < 4 * np.sqrt(level * (1 - level) / 2000) + 0.01


def test_band_holds_uniform_ranks_as_often_as_it_says():
    rng = np.random.default_rng(20060)
    low, high = band(0.95, 50, LAST)
    numbers = below(rng.integers(0, LAST + 1, (50, 4000)), LAST)
    inside = (numbers >= low[:, None]) & (numbers <= high[:, None])
    assert abs(inside.all(axis=0).mean() - 0.95) < 4 * np.sqrt(0.05 * 0.95 / 4000) + 0.005
    # Wider than a band for one place alone: central 95% of a binomial.
    assert low[49] < binom.ppf(0.025, 50, 0.5)
    assert high[49] > binom.ppf(0.975, 50, 0.5)


def test_band_and_p_value_are_one_test():
    rng = np.random.default_rng(3)
    ranks = rng.binomial(LAST, rng.beta(1.3, 1, (100, 300)))
    low, high = band(0.9, 100, LAST)
    numbers = below(ranks, LAST)
    inside = ((numbers >= low[:, None]) & (numbers <= high[:, None])).all(axis=0)
    calm = p_value(statistic(ranks, LAST), 100, LAST) > 0.1
    assert 0 < inside.sum() < 300
    assert (inside == calm).all()


def test_too_few_ranks_have_a_band_of_everything():
    low, high = band(0.95, 2, 1)
    assert (low.tolist(), high.tolist()) == ([0], [2])


def test_tails_are_at_most_one():
    assert tails(2, 1).tolist() == [[0.5, 1.0, 0.5]]


@pytest.mark.parametrize(
    "shares",
    [
        pytest.param(lambda rng: rng.beta(1.5, 1, 200), id="too low"),
        pytest.param(lambda rng: rng.beta(1, 1.5, 200), id="too high"),
        pytest.param(lambda rng: rng.beta(0.5, 0.5, 200), id="too narrow"),
        pytest.param(lambda rng: rng.beta(2, 2, 200), id="too wide"),
    ],
)
def test_ranks_that_are_not_uniform_are_caught(shares):
    ranks = np.floor(shares(np.random.default_rng(20060)) * (LAST + 1)).astype(int)[:, None]
    assert p_value(statistic(ranks, LAST), 200, LAST)[0] < 0.001
