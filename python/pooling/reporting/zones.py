"""The average radon of each county, and the probability of each EPA zone.

The EPA puts a county into zone 1, 2 or 3 if its predicted average screening measurement is above
4, from 2 to 4, or below 2 pCi/L. We take as average the arithmetic mean over new houses, of which
as many are on the first floor in every county as in the survey of its state, so that counties
differ by radon and not by which floors happened to be measured; and give the geometric mean, the
typical house, beside it, which is lower. Heavy-tailed errors of log radon, as Student's t, have
no arithmetic mean: it is missing there.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy.special import ndtr

from pooling.fits.new_house import NORMAL, errors_of, house_sd
from pooling.fits.store import Fit
from pooling.inputs.response import Response
from pooling.reporting.counties import INTERVAL

ZONES = (4.0, 2.0)  # pCi/L: zone 1 above the first, zone 3 below the second
AVERAGES = ("arithmetic", "geometric")
LARGEST = 1e200  # pCi/L; wide priors give more, which quantiles and weighted means could not use


def county_zones(fits: Sequence[Fit]) -> pd.DataFrame:
    """Average radon of each county and probabilities of the EPA's zones, under each model.

    Returns
    -------
    DataFrame
        model, county_fips, county, state, average (arithmetic or geometric),
        first_floor_share (of the new houses), mean_q5, mean_q50, mean_q95 (study's unit), zone_1,
        zone_2, zone_3 (probabilities). One row per model, county and average.
    """
    parts = []
    for fit in fits:
        table = fit.counties[["county_fips", "county", "state"]].assign(model=fit.model)
        share = state_shares(fit.counties)
        for name, draws in zip(AVERAGES, averages(fit, share), strict=True):
            about = table.assign(average=name, first_floor_share=share)
            parts.append(about.assign(**_summary(draws, fit.response)))
    columns = ["model", "county_fips", "county", "state", "average", "first_floor_share"]
    columns += ["mean_q5", "mean_q50", "mean_q95", "zone_1", "zone_2", "zone_3"]
    return pd.concat(parts, ignore_index=True)[columns]


def state_shares(counties: pd.DataFrame) -> np.ndarray:
    """Share of first-floor houses among those measured in each county's state, (county,)."""
    sums = counties.groupby("state")[["first_floor_houses", "houses"]].transform("sum")
    return (sums["first_floor_houses"] / sums["houses"].clip(lower=1)).to_numpy(float)


def averages(fit: Fit, share: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Draws of the arithmetic and geometric mean of each county's new houses.

    Parameters
    ----------
    share
        Of houses on the first floor, (county,).

    Returns
    -------
    tuple of ndarray
        (sample, county), in the study's unit; the first is NaN unless errors are normal.
    """
    effects, response = fit.effects(), fit.response
    alpha, beta = effects["alpha"].values, effects["beta"].values
    geometric = np.minimum(response.activity(alpha + share * beta), LARGEST)
    if errors_of(fit) is not NORMAL:
        return np.full(alpha.shape, np.nan), geometric
    basement, first = (mean_activity(alpha + f * beta, house_sd(fit, f), response) for f in (0, 1))
    return (1 - share) * basement + share * first, geometric


def mean_activity(mean: np.ndarray, sd: np.ndarray, response: Response) -> np.ndarray:
    """Arithmetic mean activity (study's unit) of houses whose log radon is normal.

    Where 0.1 pCi/L is added before the logarithm, an activity is exp(y) - 0.1, but at least 0;
    its mean is that of a call option with strike 0.1 (Black 1976).
    """
    whole = np.exp(np.minimum(mean + sd**2 / 2, np.log(LARGEST)))
    if not response.added:
        return response.from_pci(whole)
    above = (mean - np.log(response.added)) / sd
    return response.from_pci(whole * ndtr(above + sd) - response.added * ndtr(above))


def _summary(draws: np.ndarray, response: Response) -> dict[str, np.ndarray]:
    """Quantiles and zone probabilities of draws (sample, county); NaN where there are none."""
    high, low = (response.from_pci(zone) for zone in ZONES)
    zones = (draws > high, (draws >= low) & (draws <= high), draws < low)
    known = ~np.isnan(draws).any(axis=0)
    quantiles = np.quantile(draws, (INTERVAL[0], 0.5, INTERVAL[1]), axis=0)
    return dict(zip(("mean_q5", "mean_q50", "mean_q95"), quantiles, strict=True)) | {
        f"zone_{i}": np.where(known, zone.mean(axis=0), np.nan) for i, zone in enumerate(zones, 1)
    }
