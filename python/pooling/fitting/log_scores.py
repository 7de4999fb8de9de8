"""Log scores of houses that a model has not seen, also of those up to the detection limit.

The score of a house is the log density of its log radon. A house up to the study's detection
limit has no known radon, and the number that stands for it is a convention; its score is the log
probability of being up to the limit, under every program alike. A program that censors gives this
as the house's `log_lik`. For any other its own density is integrated: the program predicts the
house also at points below the limit.
"""

from collections.abc import Mapping

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
        Stan data with `below_limit`, the positions of these houses from 0, for `log_scores`.
    """
    limit = data.get("log_limit")
    if limit is None or "log_limit" in declared(normalised):
        return dict(houses)
    county, floor, y = (
        np.asarray(houses[name]) for name in ("county_new", "floor_measure_new", "log_radon_new")
    )
    below = np.flatnonzero(y <= limit)
    again = np.concatenate([np.arange(y.size), np.repeat(below, DEPTHS.size)])
    radon = np.concatenate([y, np.tile(limit - DEPTHS, below.size)])
    return to_predict(county[again], floor[again], radon) | {"below_limit": below.tolist()}


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
