"""Radon by county and floor, from the posterior and the prior; the survey by floor."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.optimize.elementwise import find_root

from pooling.fits.identified import FIRST_FLOOR, identified, shared_effects
from pooling.fits.new_house import NORMAL, Errors, above_action_level, errors_of, house_sd
from pooling.fits.store import Fit
from pooling.inputs.response import Response
from pooling.inputs.sections import FLOORS

INTERVAL = (0.05, 0.95)
IMPLAUSIBLE = 1000.0  # pCi/L: 250 times the EPA's action level; no house of the survey reaches 300
NEW_COUNTY = {"mu_alpha", "mu_beta", "sigma_alpha", "sigma"}  # what a new county is drawn with


def county_levels(fit: Fit) -> pd.DataFrame:
    """Radon of each county under one model, in the study's unit, computed without random numbers.

    Returns
    -------
    DataFrame
        model, converged, county_fips, county, state, houses,
        first_floor_houses, floor, identified, typical, typical_q5, typical_q95,
        house_q5, house_q95, p_action; see `pooling.reporting.definitions`. One row per
        county and floor, in the order of state, county name and floor. A row is
        identified by houses of the county on that floor; if all counties share the
        parameter, by any house on it.
    """
    effects = fit.effects()
    table = fit.counties.assign(model=fit.model, converged=fit.converged)
    houses = table["basement_houses"], table["first_floor_houses"]
    shared = shared_effects(fit.tree["posterior"].to_dataset())
    parts = []
    for floor, level in enumerate(("alpha", FIRST_FLOOR)):
        mean = (effects["alpha"] + floor * effects["beta"]).values
        levels = {"floor": FLOORS[floor], "identified": identified(level, *houses, shared)}
        radon = _radon(mean, house_sd(fit, floor), fit.response, errors_of(fit))
        parts.append(table.assign(**levels, **radon))
    columns = ["model", "converged", "county_fips", "county", "state", "houses"]
    columns += ["first_floor_houses", "floor", "identified", "typical", "typical_q5", "typical_q95"]
    columns += ["house_q5", "house_q95", "p_action"]
    return pd.concat(parts).sort_values(["state", "county", "county_fips", "floor"])[columns]


def _radon(
    mean: np.ndarray, sd: np.ndarray, response: Response, errors: Errors
) -> dict[str, np.ndarray]:
    """Typical radon, intervals and probability by county, from (sample, county) log pCi/L."""
    low, middle, high = np.quantile(mean, (INTERVAL[0], 0.5, INTERVAL[1]), axis=0)
    low_house, high_house = (predictive_quantile(mean, sd, q, errors) for q in INTERVAL)
    return {
        "typical": response.activity(middle),
        "typical_q5": response.activity(low),
        "typical_q95": response.activity(high),
        "house_q5": response.activity(low_house),
        "house_q95": response.activity(high_house),
        "p_action": above_action_level(mean, sd, response, errors).mean(axis=0),
    }


def unmeasured(fits: Sequence[Fit]) -> pd.DataFrame:
    """Radon in a county that nobody measured, in the study's unit, computed without random numbers.

    Of models whose counties differ only by independent normal intercepts and slopes, around means
    without a predictor: given a draw, the level of a new county is normal around
    `mu_alpha + mu_beta * floor` with variance `sigma_alpha^2 + sigma_beta^2 * floor`, and a house
    has `sigma^2` in addition (Gelman and Hill 2007, section 12.8).

    Returns
    -------
    DataFrame
        model, floor, and the columns of `county_levels` from typical to p_action. One row per
        model and floor.
    """
    rows = []
    for fit in fits:
        own = {name: draws[:, None] for name, draws in fit.population().items()}
        if not NEW_COUNTY <= own.keys() <= NEW_COUNTY | {"sigma_beta"}:
            continue
        for floor, name in enumerate(FLOORS):
            mean = own["mu_alpha"] + floor * own["mu_beta"]
            between = np.hypot(own["sigma_alpha"], floor * own.get("sigma_beta", 0.0))
            house = np.hypot(between, own["sigma"])
            found = _radon(mean, house, fit.response, NORMAL)
            for column, share in (("typical", 0.5), ("typical_q5", 0.05), ("typical_q95", 0.95)):
                level = predictive_quantile(mean, between, share)
                found[column] = fit.response.activity(level)
            rows.append({"model": fit.model, "floor": name} | {k: v[0] for k, v in found.items()})
    columns = ["model", "floor", "typical", "typical_q5", "typical_q95", "house_q5", "house_q95"]
    return pd.DataFrame(rows, columns=[*columns, "p_action"])


def predictive_quantile(
    mean: np.ndarray, sd: np.ndarray, share: float, errors: Errors = NORMAL
) -> np.ndarray:
    """Predictive quantile of a new house, whose distribution is a mixture over posterior draws.

    Parameters
    ----------
    mean, sd
        (sample, county) or, for `sd`, (sample, 1), log pCi/L.
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
        within = np.broadcast_to(sd, mean.shape)[:, county.astype(int)]
        return errors.cdf((value - mean[:, county.astype(int)]) / within).mean(axis=0) - share

    # A quantile of a mixture lies between the smallest and largest of its components' quantiles.
    parts = mean + errors.quantile(share) * sd
    margin = 1e-6
    bracket = (parts.min(axis=0) - margin, parts.max(axis=0) + margin)
    return find_root(excess, bracket, args=(np.arange(mean.shape[1]),)).x


def prior_predictive(fits: Sequence[Fit]) -> pd.DataFrame:
    """Prior distribution of a typical house under each model, without random numbers.

    Returns
    -------
    DataFrame
        model, floor, prior_q5, prior_q50, prior_q95 (study's unit; infinite above the
        largest float), share_implausible, implausible (study's unit), over draws of
        the prior and counties. One row per model and floor.
    """
    rows = []
    for fit in fits:
        effects = fit.effects("prior")
        response = fit.response
        implausible = response.from_pci(IMPLAUSIBLE)
        for floor, name in enumerate(FLOORS):
            mean = (effects["alpha"] + floor * effects["beta"]).values
            # Quantiles on the log scale, since draws from the tutorial's priors overflow exp().
            low, middle, high = response.activity(np.quantile(mean, (0.05, 0.5, 0.95)))
            rows.append(
                {
                    "model": fit.model,
                    "floor": name,
                    "prior_q5": low,
                    "prior_q50": middle,
                    "prior_q95": high,
                    "share_implausible": (mean > response.log_radon(implausible)).mean(),
                    "implausible": implausible,
                }
            )
    return pd.DataFrame(rows)


def data_summary(fit: Fit) -> pd.DataFrame:
    """The houses of the study: one row for all and one per floor.

    Returns
    -------
    DataFrame
        floor, houses, counties (with such houses), mean, sd (log pCi/L),
        median (in `unit`), share_action (of houses at or above `action_level`),
        action_level (in `unit`), unit, response (its transform).
    """
    response = fit.response
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
                "median": float(response.activity(y.median())),
                "share_action": response.reaches_action_level(y).mean(),
                "action_level": response.action_level,
                "unit": response.unit_label,
                "response": response.transform,
            }
        )
    return pd.DataFrame(rows)
