"""Leave-one-out scores from draws of the full fit, by Pareto-smoothed importance sampling.

Draws are weighted by the inverse density of what is left out. The weights are smoothed, and their
Pareto k indicates their reliability (Vehtari, Simpson, Gelman, Yao and Gabry 2024, Journal of
Machine Learning Research 25(72)).

If a program has `log_lik_county`, the density of a county's houses with the county's effects
integrated out, draws are weighted by that density, since county effects depend strongly on the
left-out houses. The predictions are then for a county's double, a further county with the same
predictors and neighbours but without the left-out houses.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path

import arviz_stats  # noqa: F401 - adds `azstats` to arrays
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from pooling.fitting import sampling
from pooling.fitting.chains import Chains, read_chains
from pooling.fitting.generate import SCORED, expected, flat
from pooling.fitting.log_scores import log_scores, up_to
from pooling.inputs.study import Sampler

ROUNDING = 1e-9  # nats, below which log ratios count as equal
BY_COUNTY = ("log_uranium", "first_floor_share", "state")  # Stan data with one value per county


def double_counties(data: Mapping, counties: Sequence[int]) -> dict:
    """Stan data with a double of each of these counties (1 to J), without houses.

    The doubles are counties J + 1, J + 2, ..., in the order given, each at distance 0 from its
    county.
    """
    copied = {
        name: [*data[name], *(data[name][j - 1] for j in counties)]
        for name in BY_COUNTY
        if name in data
    }
    if "distance" in data:
        every = [*range(data["J"]), *(j - 1 for j in counties)]
        copied["distance"] = [[data["distance"][i][j] for j in every] for i in every]
    return {**data, **copied, "J": data["J"] + len(counties)}


def sample_extended(
    executable: Path, extended: Mapping, settings: Sampler
) -> dict[str, np.ndarray] | None:
    """Sample a program's posterior again, with additional counties without houses.

    For programs that sample county effects, whose draws do not include new counties.

    Parameters
    ----------
    extended
        Stan data with the additional counties, as from `double_counties`.

    Returns
    -------
    dict or None
        Draws of each variable, (chain, draw, ...); None after divergences even with small steps.
    """
    draws = max(settings.draws, -(-SCORED // settings.chains))
    for care in ({}, {"adapt_delta": max(0.99, settings.adapt_delta)}):
        effort = settings.model_copy(update={"draws": min(draws, 2000), **care})
        chains: Chains = sampling.sample(executable, dict(extended), effort, take=read_chains)
        if not chains.statistics["diverging"].any():
            step = max(1, chains.statistics["lp"].size // SCORED)
            return {name: values[:, ::step] for name, values in chains.variables.items()}
    return None


def weights_of(log_ratios: np.ndarray, chains: int) -> tuple[np.ndarray, np.ndarray]:
    """Smoothed, normalised weights (sample, fold), and Pareto k (fold,).

    Parameters
    ----------
    log_ratios
        (sample, fold), chain after chain: logarithm of the raw weights. If all are equal up to
        rounding, so are the weights, and k is 0.
    """
    constant = np.ptp(log_ratios, axis=0) < ROUNDING
    weights = np.full(log_ratios.shape, 1 / len(log_ratios))
    k = np.zeros(log_ratios.shape[1])
    if not constant.all():
        values = log_ratios[:, ~constant].reshape(chains, -1, (~constant).sum())
        # psislw takes the negative logarithm of the weights.
        density = xr.DataArray(-values, dims=("chain", "draw", "fold"))
        smoothed, found = density.azstats.psislw(dim=["chain", "draw"])
        raw = np.exp(flat(smoothed.transpose("chain", "draw", "fold").values))
        weights[:, ~constant], k[~constant] = raw / raw.sum(axis=0), found.values
    return weights, k


def weighted_scores(
    weights: np.ndarray, draws: Mapping, houses: Mapping, measured: Sequence[float]
) -> pd.DataFrame:
    """Scores of the houses to predict.

    Parameters
    ----------
    weights
        (sample, house), each column sums to 1.
    draws
        `alpha`, `beta`, `log_lik` and `y_rep` of these houses, (chain, draw, ...).
    houses
        As from `pooling.fitting.log_scores.with_points_below`.
    measured
        Log radon of the houses to score, the first of these, log pCi/L.

    Returns
    -------
    DataFrame
        elpd (log score), mean (expectation of alpha + beta * floor, log pCi/L),
        mcse (its Monte Carlo error for independent draws), pit (probability of replications
        up to the measurement).
    """
    count = len(measured)
    means = expected(draws, houses)[:, :count]
    scores = log_scores(flat(np.asarray(draws["log_lik"])), houses)[:, :count]
    with np.errstate(divide="ignore"):
        elpd = logsumexp(np.log(weights) + scores, axis=0)
    mean = (weights * means).sum(axis=0)
    below = up_to(flat(np.asarray(draws["y_rep"])), measured, houses)
    return pd.DataFrame(
        {
            "elpd": elpd,
            "mean": mean,
            "mcse": np.sqrt((weights**2 * (means - mean) ** 2).sum(axis=0)),
            "pit": (weights * below).sum(axis=0),
        }
    )
