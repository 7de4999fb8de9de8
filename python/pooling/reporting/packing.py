"""Draws for the county explorer: a few hundred numbers per county, packed into text.

Two kinds are carried. Levels are posterior draws, evenly spaced, the same for all counties, so
that counties can be compared draw by draw. New houses are not random: they are the quantiles of
the predictive distribution at the middle of as many equal shares, so the share of them at or above
any level is within half of one house of the probability, without Monte Carlo error.
"""

import base64

import numpy as np
from scipy.interpolate import PchipInterpolator
from scipy.special import ndtr, ndtri

from pooling.fits.identified import is_shared
from pooling.fits.new_house import NORMAL, Errors
from pooling.inputs.response import Response

LEVELS = 200  # posterior draws of each county's level on each floor
HOUSES = 200  # equally likely new houses of each county on each floor
STEP = 0.0005  # log pCi/L; three digits of an activity
REACH = 16.0
LOWEST, HIGHEST = 0.01, 1e6  # in either unit; beyond, pages print 0.0 and > 99,999
GRID = ndtr(np.linspace(-4, 4, 33))  # probabilities between which quantiles are interpolated


def equally_likely(
    mean: np.ndarray, sd: np.ndarray, count: int, errors: Errors = NORMAL
) -> np.ndarray:
    """Quantiles of the predictive distribution of a new house, a mixture over posterior draws.

    The distribution function is computed at 33 points, exactly, and interpolated between them as
    a normal score, which is nearly a line; this takes a hundredth of the time that
    `counties.predictive_quantile` needs for 200 quantiles.

    Parameters
    ----------
    mean, sd
        (sample, county) or, for `sd`, (sample, 1), log pCi/L.

    Returns
    -------
    ndarray
        (house, county), log pCi/L, at the probabilities (i - 1/2) / `count`.
    """
    shares = (np.arange(count) + 0.5) / count
    # The sum of quantiles of two parts reaches at least as far as the quantile of their sum.
    spread = np.array([np.median(errors.quantile(share) * sd, axis=0) for share in GRID])
    points = np.quantile(mean, GRID, axis=0) + spread
    scores = np.array([_score(errors.cdf((point - mean) / sd).mean(axis=0)) for point in points])
    wanted = ndtri(shares)
    curves = (PchipInterpolator(*pair) for pair in zip(scores.T, points.T, strict=True))
    return np.stack([curve(wanted) for curve in curves], axis=-1)


def _score(probability: np.ndarray) -> np.ndarray:
    return ndtri(np.clip(probability, 1e-12, 1 - 1e-12))


def packed(log_radon: np.ndarray, response: Response) -> str:
    """Activities of these responses, (number, county), as text.

    That of `in_steps`, of the logarithm of the activity in the study's unit.
    """
    return in_steps(np.log(np.clip(response.activity(log_radon), LOWEST, HIGHEST)))


def in_steps(values: np.ndarray) -> str:
    """Logarithms between -16 and 16, (number, county), as text.

    Each is a 16-bit integer, in steps of `STEP`, low byte first; counties follow each other. Where
    all counties have the same numbers only one is there.
    """
    if is_shared(values):
        values = values[:, :1]
    steps = np.round(np.clip(values, -REACH, REACH) / STEP).astype("<i2")
    return base64.b64encode(np.ascontiguousarray(steps.T).tobytes()).decode()
