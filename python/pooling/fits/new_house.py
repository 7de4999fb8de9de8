"""The predictive distribution of a new house in a county, and of reaching the action level."""

from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

import numpy as np
from scipy.special import ndtr, ndtri, stdtr, stdtrit

from pooling.fits.store import Fit
from pooling.inputs.response import Response


class Errors(NamedTuple):
    """CDF and quantiles of the standardised residual of a house."""

    cdf: Callable[[np.ndarray], np.ndarray]
    quantile: Callable[[float], np.ndarray | float]


NORMAL = Errors(ndtr, ndtri)
SIGMA_BY_FLOOR = ("sigma_basement", "sigma_first_floor")  # of programs without a `sigma`


def errors_of(fit: Fit) -> Errors:
    """Student-t for a program with degrees of freedom `nu`, otherwise normal."""
    if "nu" not in fit.tree["posterior"]:
        return NORMAL
    nu = fit.tree["posterior"]["nu"].transpose("chain", "draw").values.reshape(-1, 1)
    return Errors(partial(stdtr, nu), partial(stdtrit, nu))


def house_sd(fit: Fit, floor: int) -> np.ndarray:
    """Residual standard deviation on a floor (0, 1): (sample, county), or (sample, 1) if shared."""
    posterior = fit.tree["posterior"].to_dataset()
    name = "sigma" if "sigma" in posterior else SIGMA_BY_FLOOR[floor]
    sigma = posterior[name].stack(sample=("chain", "draw"), create_index=False)
    values = sigma.transpose("sample", ...).values
    return values.reshape(len(values), -1)


def sd_of_houses(draws: Mapping, houses: Mapping) -> np.ndarray:
    """Residual standard deviation of the houses to predict, (sample, house), log pCi/L.

    Parameters
    ----------
    draws
        Of the program's variables, (chain, draw, ...).
    houses
        As Stan data.
    """
    county = np.asarray(houses["county_new"], int) - 1
    floor = np.asarray(houses["floor_measure_new"], int)
    names = ("sigma", "sigma") if "sigma" in draws else SIGMA_BY_FLOOR
    columns = []
    for name in names:
        sigma = np.asarray(draws[name])
        values = sigma.reshape(sigma.shape[0] * sigma.shape[1], -1)
        columns.append(values[:, county] if values.shape[1] > 1 else np.tile(values, county.size))
    return np.where(floor == 1, columns[1], columns[0])


def above_action_level(
    mean: np.ndarray, sd: np.ndarray, response: Response, errors: Errors
) -> np.ndarray:
    """Probability that a new house is at or above the action level, given each draw.

    Parameters
    ----------
    mean, sd
        (sample, county) or, for `sd`, (sample, 1), log pCi/L.
    response
        The study's.
    errors
        Residual distribution, from `errors_of`.

    Returns
    -------
    ndarray
        (sample, county); the mean over samples is the posterior predictive probability.
    """
    return errors.cdf((mean - response.log_action_level) / sd)
