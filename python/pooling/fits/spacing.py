"""Evenly spaced draws: equally many of each chain, its first and last among them."""

import numpy as np
import xarray as xr


def evenly_spaced(draws: xr.Dataset, count: int) -> xr.Dataset:
    """At least `count` draws over all chains, or all if there are fewer."""
    return draws.isel(draw=_of_each_chain(draws, count))


def positions(draws: xr.Dataset, count: int) -> np.ndarray:
    """Positions of these draws among all samples, chain after chain, (sample,)."""
    chains, length = draws.sizes["chain"], draws.sizes["draw"]
    return (np.arange(chains)[:, None] * length + _of_each_chain(draws, count)).ravel()


def _of_each_chain(draws: xr.Dataset, count: int) -> np.ndarray:
    length = draws.sizes["draw"]
    wanted = min(length, -(-count // draws.sizes["chain"]))
    return np.linspace(0, length - 1, wanted).round().astype(int)
