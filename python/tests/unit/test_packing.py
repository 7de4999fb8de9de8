"""Draws that the county explorer carries."""

import base64

import numpy as np
import pytest
from scipy.stats import norm, t

from pooling.fits.new_house import NORMAL, Errors
from pooling.inputs.response import Response
from pooling.reporting.packing import STEP, equally_likely, packed

RESPONSE = Response("log(x), 0 as 0.1")
NU = np.full((400, 1), 4.0)
STUDENT = Errors(lambda z: t.cdf(z, NU), lambda p: t.ppf(p, NU))


def unpacked(text: str, counties: int) -> np.ndarray:
    steps = np.frombuffer(base64.b64decode(text), "<i2").reshape(counties, -1)
    return np.exp(steps * STEP)


@pytest.mark.parametrize(("errors", "cdf"), [(NORMAL, norm.cdf), (STUDENT, STUDENT.cdf)])
def test_new_houses_are_quantiles_of_the_mixture(errors, cdf):
    # Three counties: known well, known badly, and with an unknown level.
    random = np.random.default_rng(1)
    mean = np.array([1.2, 0.8, 2.0]) + np.array([0.05, 0.5, 2.0]) * random.normal(size=(400, 3))
    sd = np.exp(random.normal(-0.3, 0.05, size=(400, 1)))
    found = equally_likely(mean, sd, 200, errors)
    shares = np.array([cdf((house - mean) / sd).mean(axis=0) for house in found])
    assert np.abs(shares - (np.arange(200)[:, None] + 0.5) / 200).max() < 5e-4


def test_the_share_of_new_houses_above_a_level_is_within_half_a_house():
    mean = np.array([[1.0], [1.4], [1.6]])
    sd = np.array([[0.7], [0.8], [0.9]])
    houses = unpacked(packed(equally_likely(mean, sd, 200), RESPONSE), 1)
    for level in np.arange(0.5, 20, 0.1):
        exact = norm.sf((np.log(level) - mean) / sd).mean()
        assert (houses >= level).mean() == pytest.approx(exact, abs=0.5 / 200 + STEP)


def test_packed_numbers_keep_three_digits_and_their_county():
    log_radon = np.log([[0.5, 4.0], [123.0, 9e9]])
    found = unpacked(packed(log_radon, RESPONSE), 2)
    assert found[0] == pytest.approx([0.5, 123.0], rel=5e-4)
    # Larger activities are printed as > 99,999.
    assert found[1] == pytest.approx([4.0, 1e6], rel=5e-4)


def test_counties_that_share_their_numbers_carry_them_once():
    assert unpacked(packed(np.full((5, 3), np.log(4.0)), RESPONSE), 1).size == 5
