"""What a fit says of counties and their houses, in pCi/L: the answer by county, and the prior's."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize.elementwise import find_root

from pooling.fits.identified import FIRST_FLOOR, identified, shared_effects
from pooling.fits.new_house import NORMAL, Errors, above_action_level, errors_of, house_sd
from pooling.fits.store import Fit
from pooling.inputs.response import ACTION_LEVEL, activity, log_activity
from pooling.reporting.definitions import IMPLAUSIBLE

INTERVAL = (0.05, 0.95)
FLOORS = ("basement", "first floor")


def county_levels(fit: Fit) -> pd.DataFrame:
    """What one model says of each county, in pCi/L, without any random number.

    Returns
    -------
    DataFrame
        model, converged, county_fips, county, state, houses,
        first_floor_houses, floor, identified, typical, typical_q5, typical_q95,
        house_q5, house_q95, p_action; see `pooling.reporting.definitions`. A row for each
        county and floor, in the order of county name, then floor. A level is
        identified by houses of the county on that floor, one that all counties
        share by any house there.
    """
    effects, spread = fit.effects(), house_sd(fit)
    response = fit.tree.attrs["response"]
    table = fit.counties.assign(model=fit.model, converged=fit.converged)
    houses = table["basement_houses"], table["first_floor_houses"]
    shared = shared_effects(fit.tree["posterior"].to_dataset())
    parts = []
    for floor, level in enumerate(("alpha", FIRST_FLOOR)):
        mean = (effects["alpha"] + floor * effects["beta"]).values
        levels = {"floor": FLOORS[floor], "identified": identified(level, *houses, shared)}
        parts.append(table.assign(**levels, **_radon(mean, spread, response, errors_of(fit))))
    columns = ["model", "converged", "county_fips", "county", "state", "houses"]
    columns += ["first_floor_houses", "floor", "identified", "typical", "typical_q5", "typical_q95"]
    columns += ["house_q5", "house_q95", "p_action"]
    return pd.concat(parts).sort_values(["state", "county", "county_fips", "floor"])[columns]


def _radon(
    mean: np.ndarray, spread: np.ndarray, response: str, errors: Errors
) -> dict[str, np.ndarray]:
    """Levels, intervals and probability of each county, from (sample, county) log pCi/L."""
    low, middle, high = np.quantile(mean, (INTERVAL[0], 0.5, INTERVAL[1]), axis=0)
    low_house, high_house = (predictive_quantile(mean, spread, q, errors) for q in INTERVAL)
    return {
        "typical": activity(middle, response),
        "typical_q5": activity(low, response),
        "typical_q95": activity(high, response),
        "house_q5": activity(low_house, response),
        "house_q95": activity(high_house, response),
        "p_action": above_action_level(mean, spread, response, errors).mean(axis=0),
    }


def predictive_quantile(
    mean: np.ndarray, spread: np.ndarray, share: float, errors: Errors = NORMAL
) -> np.ndarray:
    """Quantile of a new house, whose distribution is the mean of the draws' own ones.

    Parameters
    ----------
    mean, spread
        (sample, county) or, for `spread`, (sample, 1), log pCi/L.
    share
        Share of new houses below the quantile, between 0 and 1.
    errors
        Distribution of houses given a draw.

    Returns
    -------
    ndarray
        (county,), log pCi/L.
    """

    def excess(value: np.ndarray, county: np.ndarray) -> np.ndarray:
        within = np.broadcast_to(spread, mean.shape)[:, county.astype(int)]
        return errors.cdf((value - mean[:, county.astype(int)]) / within).mean(axis=0) - share

    # A mixture's quantile lies between the least and the greatest of its parts' quantiles.
    parts = mean + errors.quantile(share) * spread
    margin = 1e-6
    bracket = (parts.min(axis=0) - margin, parts.max(axis=0) + margin)
    return find_root(excess, bracket, args=(np.arange(mean.shape[1]),)).x


def prior_predictive(fits: Sequence[Fit]) -> pd.DataFrame:
    """What the prior of each model says of a typical house, in pCi/L; nothing is random.

    Returns
    -------
    DataFrame
        model, floor, prior_q5, prior_q50, prior_q95 (pCi/L; infinite above the
        largest float), share_implausible, implausible (pCi/L), over draws of
        the prior and counties. A row for each model and floor.
    """
    rows = []
    for fit in fits:
        effects = fit.effects("prior")
        response = fit.tree.attrs["response"]
        for floor, name in enumerate(FLOORS):
            mean = (effects["alpha"] + floor * effects["beta"]).values
            # Quantiles of the logarithm, since the tutorial's priors overflow its exponential.
            low, middle, high = activity(np.quantile(mean, (0.05, 0.5, 0.95)), response)
            rows.append(
                {
                    "model": fit.model,
                    "floor": name,
                    "prior_q5": low,
                    "prior_q50": middle,
                    "prior_q95": high,
                    "share_implausible": (mean > log_activity(IMPLAUSIBLE, response)).mean(),
                    "implausible": IMPLAUSIBLE,
                }
            )
    return pd.DataFrame(rows)


def data_summary(fit: Fit) -> pd.DataFrame:
    """Houses of the study, one row for all and one for each floor.

    Returns
    -------
    DataFrame
        floor, houses, counties (that have such houses), mean, sd (log pCi/L),
        median (pCi/L), share_action (of houses at or above `action_level`),
        action_level (pCi/L), response.
    """
    response = fit.tree.attrs["response"]
    # The level is a logarithm of its own: without room for its last digit it may miss a 4.0.
    level = log_activity(ACTION_LEVEL, response) - 1e-9
    rows = []
    for floor, name in ((None, "all"), *enumerate(FLOORS)):
        houses = fit.houses if floor is None else fit.houses.query("floor == @floor")
        y = houses["log_radon"]
        rows.append(
            {
                "floor": name,
                "houses": len(houses),
                "counties": houses["county_fips"].nunique(),
                "mean": y.mean(),
                "sd": y.std(ddof=1),
                "median": float(activity(y.median(), response)),
                "share_action": (y >= level).mean(),
                "action_level": ACTION_LEVEL,
                "response": response,
            }
        )
    return pd.DataFrame(rows)
