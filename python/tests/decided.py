"""Fits whose draws are known distributions, and the tables of decisions that follow from them."""

import numpy as np
import pandas as pd
import xarray as xr

from pooling.fits.store import Fit

FLOORS = ("basement", "first floor")
DRAWS = 1000  # of each of four chains
PLAIN = "log(x), 0 as 0.1"


def with_draws(fit, alpha, beta, sigma, response=PLAIN):
    """The fit with other draws: alpha and beta (chain, draw, county), other parameters constant."""
    tree = xr.DataTree.from_dict({name: fit.tree[name].to_dataset() for name in fit.tree.children})
    dims = ("chain", "draw", "county")
    values = {"alpha": (dims, alpha), "beta": (dims, beta)}
    old = fit.tree["posterior"].to_dataset()
    for name, draws in old.items():
        if draws.dims == dims[:2]:
            values[name] = (dims[:2], np.full(alpha.shape[:2], draws.values.mean()))
    values["sigma"] = (dims[:2], np.full(alpha.shape[:2], sigma))
    tree["posterior"] = xr.Dataset(values, {"county": fit.counties["county_fips"].to_numpy()})
    tree.attrs = fit.tree.attrs | {"response": response}
    return Fit(tree, fit.diagnostics)


def spread_out(fit: Fit, draws: int = DRAWS, response: str = PLAIN) -> Fit:
    """The fit with levels from -1 to 4 log pCi/L, each normal(., 0.15^2), and sigma 0.75.

    First floors are lower by normal(0.6, 0.2^2).
    """
    rng = np.random.default_rng(3)
    count = len(fit.counties)
    alpha = np.linspace(-1, 4, count) + 0.15 * rng.standard_normal((4, draws, count))
    beta = -0.6 + 0.2 * rng.standard_normal((4, draws, count))
    return with_draws(fit, alpha, beta, 0.75, response)


def represented(fit, weights=None):
    codes = fit.counties["county_fips"].repeat(2).tolist()
    number = np.arange(1.0, len(codes) + 1) if weights is None else weights
    return pd.DataFrame(
        {"county_fips": codes, "floor": FLOORS * (len(codes) // 2), "represented": number}
    ).assign(houses=1, weighted=weights is None)
