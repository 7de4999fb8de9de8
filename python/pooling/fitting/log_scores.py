"""Log scores and PIT of left-out houses, also of those at or below the detection limit.

The score of a house is the log density of its log radon. A house up to the study's detection
limit has no known radon, and the number that stands for it is a convention; its score is the log
probability of being up to the limit, under every program alike. A program that censors gives this
as the house's `log_lik`. For any other its own density is integrated: the program predicts the
house also at points below the limit.

PIT is the probability of radon up to the measurement. Of a house at or below the limit it is
known only to lie between 0 and the probability of that; half of this is taken, the middle of the
non-randomized PIT of Czado, Gneiting and Held (2009, Biometrics 65:1254-1261).
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.special import logsumexp

from pooling.fitting.generate import to_predict
from pooling.programs.source import declared

# Below the limit by up to 12 log units: for a standard deviation of houses of 0.5 to 2 the
# integral of a normal density has six digits or more.
DEPTH = 12.0
_nodes, _weights = np.polynomial.legendre.leggauss(40)
DEPTHS = DEPTH * (_nodes + 1) / 2
LOG_WEIGHTS = np.log(DEPTH * _weights / 2)


def with_points_below(houses: Mapping, data: Mapping, normalised: str) -> dict:
    """Houses to predict, followed by those up to the limit at each of the points below it.

    Parameters
    ----------
    houses
        As from `to_predict`.
    data
        Stan data of the study, with `log_limit` if it has a detection limit.
    normalised
        Source of the program; one that censors needs no such points.

    Returns
    -------
    dict
        Stan data with `log_limit` and, where points were added, `below_limit`, the
        positions of these houses from 0, for `log_scores`.
    """
    limit = data.get("log_limit")
    if limit is None:
        return dict(houses)
    if "log_limit" in declared(normalised):
        return {**houses, "log_limit": limit}
    county, floor, y = (
        np.asarray(houses[name]) for name in ("county_new", "floor_measure_new", "log_radon_new")
    )
    below = np.flatnonzero(y <= limit)
    again = np.concatenate([np.arange(y.size), np.repeat(below, DEPTHS.size)])
    radon = np.concatenate([y, np.tile(limit - DEPTHS, below.size)])
    found = to_predict(county[again], floor[again], radon)
    return found | {"log_limit": limit, "below_limit": below.tolist()}


def scored(houses: Mapping) -> int:
    """Number of houses of `with_points_below`, without the points."""
    return houses["N_new"] - DEPTHS.size * len(houses.get("below_limit", []))


def log_scores(log_lik: np.ndarray, houses: Mapping) -> np.ndarray:
    """Log score of each house given each draw, (sample, house), nats.

    Parameters
    ----------
    log_lik
        (sample, new), of `houses` as from `with_points_below`.
    """
    count = scored(houses)
    scores = log_lik[:, :count].copy()
    for i, house in enumerate(houses.get("below_limit", [])):
        start = count + i * DEPTHS.size
        density = log_lik[:, start : start + DEPTHS.size]
        scores[:, house] = logsumexp(density + LOG_WEIGHTS, axis=1)
    return scores


def up_to(y_rep: np.ndarray, measured: Sequence[float] | np.ndarray, houses: Mapping) -> np.ndarray:
    """PIT of each house given each draw, (sample, house): 0 or 1, or up to the limit 0 or 1/2.

    Parameters
    ----------
    y_rep
        (sample, new), of `houses` as from `with_points_below`.
    measured
        Log radon of the houses without the points, log pCi/L.
    """
    y = np.asarray(measured, dtype=float)
    drawn, limit = y_rep[:, : y.size], houses.get("log_limit", -np.inf)
    return np.where(y <= limit, (drawn <= limit) / 2, drawn <= y)
