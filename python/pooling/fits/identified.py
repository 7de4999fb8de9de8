"""Which parameters the data identify, without information from a prior or population.

A county's basement measurements identify its intercept, alpha; those on the first floor
alpha + beta; both together its slope, beta. Any two of the three give the third. So if all
counties share a slope that some county identifies, houses on one floor suffice for a county, as
in least squares of `floor + county`. A standard deviation needs more houses than floors with
houses. Shared parameters are informed by all houses.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd
import xarray as xr
from numpy.typing import ArrayLike

FIRST_FLOOR = "alpha + beta"  # mean log radon on the first floor
EFFECTS = ("alpha", "beta", "sigma")


def identified(
    parameter: str, basement: ArrayLike, first_floor: ArrayLike, shared: Collection[str] = ()
) -> np.ndarray:
    """Whether the data identify a parameter of each county.

    Parameters
    ----------
    parameter
        `alpha`, `beta`, `sigma` or `FIRST_FLOOR`.
    basement, first_floor
        Houses of each county by floor, (county,).
    shared
        Those of `EFFECTS` that counties share, and so informed by the houses of others.

    Returns
    -------
    ndarray of bool
        (county,).
    """
    low, high = np.asarray(basement), np.asarray(first_floor)
    own = {"sigma"} if parameter == "sigma" else {"alpha", "beta"}
    if own <= {*shared}:  # shared, so the houses of all counties count
        low, high = (np.full(houses.shape, houses.sum()) for houses in (low, high))
    if parameter == "sigma":
        return low + high > (low > 0).astype(int) + (high > 0)
    low, high = low > 0, high > 0
    slope = low & high
    if "beta" in shared:
        slope = np.full(slope.shape, slope.any())
    known = {"alpha": low | (high & slope), "beta": slope, FIRST_FLOOR: high | (low & slope)}
    return known[parameter]


def shared_effects(posterior: xr.Dataset) -> set[str]:
    """Those of `EFFECTS` that are the same in all counties, or in those of a state."""
    return {
        name
        for name in set(EFFECTS) & posterior.data_vars.keys()
        if "county" not in posterior[name].dims
        or f"{name}_state" in posterior
        or is_shared(posterior[name].transpose(..., "county").values)
    }


def is_shared(values: np.ndarray) -> bool:
    """Whether an effect (..., county) is the same in all counties."""
    return bool((values == values[..., :1]).all())


def identified_rows(
    summary: pd.DataFrame, counties: pd.DataFrame, posterior: xr.Dataset
) -> np.ndarray:
    """Whether the data identify the parameter of each row of a summary, (row,).

    A county parameter `alpha_...`, such as `alpha_tilde`, counts as `alpha`, and so on. All
    others are population parameters, which count as identified.

    Parameters
    ----------
    summary
        With columns variable and county_fips, missing for population parameters.
    counties
        `Fit.counties`.
    """
    shared = shared_effects(posterior)
    result = np.ones(len(summary), dtype=bool)
    houses = counties["basement_houses"], counties["first_floor_houses"]
    place = pd.Index(counties["county_fips"]).get_indexer(summary["county_fips"])
    for name in summary.loc[place >= 0, "variable"].unique():
        effect = name.partition("_")[0]
        if effect in EFFECTS:
            rows = (place >= 0) & (summary["variable"] == name)
            result[rows] = identified(effect, *houses, shared)[place[rows]]
    return result
