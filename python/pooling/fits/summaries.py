"""Summaries of each parameter: moments, quantiles, Monte Carlo error and convergence.

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter
and Buerkner (2021), Bayesian Analysis 16(2).
"""

import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

TAIL = (0.05, 0.95)
SMALL = 1_000_000  # bytes of draws that take less time than starting processes


def summarize(draws: xr.Dataset) -> pd.DataFrame:
    """One row per parameter: moments, quantiles, Monte Carlo error and convergence.

    Parameters
    ----------
    draws
        Variables (chain, draw, ...). A constant parameter has no R-hat, effective sample size
        or Monte Carlo error.

    Returns
    -------
    DataFrame
        variable, county_fips (missing unless by county), element (rest of its
        index), mean, sd, mcse_mean, q5, q50, q95, ess_bulk, ess_tail, r_hat.
    """
    return _together([_rows(variable) for variable in draws.data_vars.values()])


def summarize_all(groups: Sequence[xr.Dataset]) -> list[pd.DataFrame]:
    """As `summarize`, for each of several groups of draws, on all cores."""
    # Threads would wait for the GIL, and spawned processes would import for longer than this
    # takes. Forking is safe: a stage's only threads are OpenBLAS's, which stop for a fork.
    # SIG_DFL ends the processes without a traceback after an interruption.
    fork, quiet = get_context("fork"), (signal.SIGINT, signal.SIG_DFL)
    with ProcessPoolExecutor(os.cpu_count(), fork, signal.signal, quiet) as pool:
        each = pool.map if sum(own.nbytes for own in groups) > SMALL else map
        parts = [each(_rows, own.data_vars.values()) for own in groups]
        return [_together(list(part)) for part in parts]


def _together(parts: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(parts, ignore_index=True).astype({"county_fips": "Int64"})


def _rows(variable: xr.DataArray) -> pd.DataFrame:
    """Rows of `summarize` for one variable."""
    values = variable.transpose("chain", "draw", ...)
    index = [dim for dim in values.dims if dim not in ("chain", "draw")]
    table = _summary_of(values.values.reshape(values.sizes["chain"], values.sizes["draw"], -1))
    labels = pd.DataFrame(index=[0])
    if index:
        keys = pd.MultiIndex.from_product([values.get_index(dim) for dim in index], names=index)
        labels = keys.to_frame(index=False)
    table.insert(0, "county_fips", labels.pop("county") if "county" in labels else pd.NA)
    table.insert(1, "element", [",".join(map(str, row)) for row in labels.itertuples(index=False)])
    table.insert(0, "variable", variable.name)
    return table


def _summary_of(values: np.ndarray) -> pd.DataFrame:
    """Summary of (chain, draw, parameter), one row per parameter."""
    # Not `> 0`: NaN must reach the diagnostics.
    moving = ~(np.ptp(values, axis=(0, 1)) == 0)
    q5, q50, q95 = np.quantile(values, (0.05, 0.5, 0.95), axis=(0, 1))
    table = pd.DataFrame(
        {
            "mean": values.mean(axis=(0, 1)),
            "sd": np.where(moving, values.std(axis=(0, 1), ddof=1), 0.0),
            "mcse_mean": np.nan,
            "q5": q5,
            "q50": q50,
            "q95": q95,
            "ess_bulk": np.nan,
            "ess_tail": np.nan,
            "r_hat": np.nan,
        }
    )
    if moving.any():
        live = values[..., moving]
        table.loc[moving, "mcse_mean"] = arviz_stats.mcse(live, method="mean")
        table.loc[moving, "ess_bulk"] = arviz_stats.ess(live, method="bulk")
        table.loc[moving, "ess_tail"] = arviz_stats.ess(live, method="tail", prob=TAIL)
        table.loc[moving, "r_hat"] = arviz_stats.rhat(live)
    return table


def label_parameters(summary: pd.DataFrame, counties: pd.DataFrame) -> pd.DataFrame:
    """Add county (name), houses and label, such as `beta[CASS]`."""
    table = summary.merge(counties[["county_fips", "county", "houses"]], how="left")
    where = table["county"].fillna(table["element"])
    table["label"] = table["variable"] + where.map(lambda name: f"[{name}]" if name else "")
    return table
