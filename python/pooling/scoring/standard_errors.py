"""Means and sums over houses, with standard errors clustered by what was left out together.

The error of the mean m is that of a ratio over G groups, sqrt(G / (G - 1) sum (S - m
n)^2) / N with S and n the sum and size of a group (Cochran 1977, Sampling Techniques,
chapter 9A). With one house per group it is sd / sqrt(N).
"""

import numpy as np
import pandas as pd

from pooling.fits.store import Fit
from pooling.inputs.schemes import SCHEMES


def cluster(fit: Fit, scheme: str) -> np.ndarray:
    """Cluster of each house of the fit under a scheme of `SCHEMES`: its county, or the house."""
    county = fit.houses["county_fips"].to_numpy()
    return county if SCHEMES[scheme].whole_counties else np.arange(county.size)


def mean(values: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Mean and its standard error, NaN with a single group."""
    m = values.mean()
    sums = pd.Series(values - m).groupby(group).sum().to_numpy()
    if sums.size < 2:
        return float(m), float("nan")
    error = np.sqrt(sums.size / (sums.size - 1) * (sums**2).sum()) / values.size
    return float(m), float(error)


def root_mean_square(squares: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Root of the mean of `squares`, and its standard error by the delta method."""
    m, error = mean(squares, group)
    return float(np.sqrt(m)), error / (2 * float(np.sqrt(m))) if m > 0 else float("nan")


def total(values: np.ndarray, group: np.ndarray) -> tuple[float, float]:
    """Sum and its standard error, N times that of the mean."""
    m, error = mean(values, group)
    return m * values.size, error * values.size
