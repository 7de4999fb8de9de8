"""How much of a partially pooled estimate comes from the county's own houses.

Given the standard deviations, the effects of a county are normal, and the expected level on a
floor is a weighted mean: of the county's houses on that floor, of those on the other, and of what
the model expects of a county without houses. For one floor this is equation 12.1 of Gelman and
Hill (2007). Weights are means over the posterior draws of the standard deviations.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd

from pooling.fits.new_house import NORMAL, errors_of, house_sd
from pooling.fits.store import Fit
from pooling.inputs.sections import FLOORS
from pooling.reporting.fits import Result

KEYS = ["county_fips", "county", "state"]
WEIGHTS = ("weight_floor", "weight_other_floor", "weight_counties")


def pooling_weights(results: Sequence[Result]) -> pd.DataFrame:
    """The county's own houses, and their weight in each model's estimate.

    Returns
    -------
    DataFrame
        model, county_fips, county, state, floor, floor_houses (of the county on this floor),
        own (their geometric mean, in the study's unit; missing if there are none), weight_floor
        (of these houses), weight_other_floor (of the county's others), weight_counties (of the
        other counties). One row per model, county and floor. Weights are missing unless the model
        has normal errors and normal county effects, as its REML twin shows.
    """
    parts = []
    for result in results:
        fit = result.fit
        normal = "|" in result.twin and errors_of(fit) is NORMAL
        weights = model_weights(fit) if normal else np.full((2, 3, len(fit.counties)), np.nan)
        for floor, name in enumerate(FLOORS):
            houses = fit.houses[fit.houses["floor"] == floor].groupby("county_fips")["log_radon"]
            codes = fit.counties["county_fips"]
            mean = houses.mean().reindex(codes).to_numpy(float)
            own = {
                "floor_houses": houses.size().reindex(codes, fill_value=0).to_numpy(),
                "own": fit.response.activity(mean),
            }
            shares = dict(zip(WEIGHTS, weights[floor], strict=True))
            about = fit.counties[KEYS].assign(model=fit.model, floor=name)
            parts.append(about.assign(**own, **shares))
    columns = ["model", *KEYS, "floor", "floor_houses", "own", *WEIGHTS]
    return pd.concat(parts, ignore_index=True)[columns]


def model_weights(fit: Fit) -> np.ndarray:
    """Mean weights over draws, (floor, 3, county), in the order of `WEIGHTS`."""
    draws = fit.population()
    zero = np.zeros(len(next(iter(draws.values()))))
    names = ("sigma_alpha", "sigma_beta", "rho")
    tau_alpha, tau_beta, rho = (draws.get(name, zero)[:, None] for name in names)
    houses = fit.counties["basement_houses"], fit.counties["first_floor_houses"]
    precisions = [np.asarray(n) / house_sd(fit, f) ** 2 for f, n in enumerate(houses)]
    own = own_weights(tau_alpha**2, tau_beta**2, rho * tau_alpha * tau_beta, precisions)
    return np.array(
        [(f, g, 1 - f - g) for f, g in ([w.mean(axis=0) for w in pair] for pair in own)]
    )


def own_weights(
    alpha: np.ndarray, beta: np.ndarray, both: np.ndarray, precisions: Sequence[np.ndarray]
) -> tuple[tuple[np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]:
    """Weights of a county's houses on the same and on the other floor, for each floor.

    With C the covariance of the levels on both floors in the population and P the precisions of
    the county's mean on either, the expected levels have weights C (C + 1/P)^-1 =
    I - (I + C P)^-1, which needs neither an inverse of C, which is singular where slopes do not
    vary, nor of P, which is 0 on a floor without houses.

    Parameters
    ----------
    alpha, beta, both
        Population variances of intercept and slope, and their covariance, (sample, 1).
    precisions
        Of the mean of the county's houses in the basement and on the first floor, (sample,
        county): number of houses over the residual variance.
    """
    low, high = precisions
    first = alpha + both  # covariance of the levels on the two floors
    a, b = 1 + alpha * low, first * high
    c, d = first * low, 1 + (first + both + beta) * high
    determinant = a * d - b * c
    return (1 - d / determinant, b / determinant), (1 - a / determinant, c / determinant)
