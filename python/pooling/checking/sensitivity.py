"""Power-scaling sensitivity of the posterior to prior and likelihood.

The method is that of Kallioinen, Paananen, Buerkner and Vehtari (2024), Statistics and Computing
34:57: the prior or the likelihood is raised to a power near 1, the draws are reweighted, and the
sensitivity is the rate at which each parameter's posterior changes. The top-level priors are
scaled: the program's `lprior` if it has one, else the study's priors. The population distribution
of county effects is not scaled, as the paper advises for hierarchical models. The table is
written by `pooling.scoring.loo`, which predicts the houses.
"""

from collections.abc import Mapping

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import Fit
from pooling.inputs.priors import Prior, Priors
from pooling.programs.source import declared

POWERS = (0.99, 1.01)
SENSITIVE = 0.05  # the paper's threshold
COLUMNS = ["model", "parameter", "prior", "likelihood", "diagnosis", "prior_from"]
COLUMNS += ["prior_pareto_k", "likelihood_pareto_k"]
DIAGNOSES = {
    "-": "the prior hardly matters",
    "prior-data conflict": "prior and likelihood both matter and may conflict",
    "strong prior / weak likelihood": "the prior matters and the likelihood hardly does",
    "not trusted": f"the draws cannot be reweighted: a Pareto k exceeds {MAX_PARETO_K:g}",
}


def scaled_priors(normalised: str, priors: Priors, posterior: xr.Dataset) -> dict[str, Prior]:
    """The study's priors that a program reads, for parameters in its posterior.

    Parameters
    ----------
    normalised
        From `pooling.programs.source.normalised`.
    """
    read = declared(normalised)
    return {
        parameter: prior
        for parameter, prior in priors
        if parameter in posterior and any(f"prior_{parameter}_{part}" in read for part, _ in prior)
    }


def log_prior(posterior: xr.Dataset, priors: Mapping[str, Prior]) -> xr.DataArray:
    """Joint log density of the priors, summed over counties for county parameters.

    Returns
    -------
    DataArray
        (chain, draw), nats, up to a constant.
    """
    total = xr.zeros_like(posterior["alpha"].isel(county=0, drop=True), dtype=float)
    for parameter, prior in priors.items():
        density = xr.apply_ufunc(prior.log_density, posterior[parameter])
        total = total + density.sum([dim for dim in density.dims if dim not in ("chain", "draw")])
    return total.transpose("chain", "draw")


def pareto_k(density: xr.DataArray) -> float:
    """Larger Pareto k of the importance weights of both powers; NaN for a constant density."""
    if float(density.max() - density.min()) == 0:
        return float("nan")
    # psislw takes the negative logarithm of the weights.
    weights = [-(power - 1) * density for power in POWERS]
    return max(float(w.azstats.psislw(dim=["chain", "draw"])[1]) for w in weights)


def sensitivity_of(draws: xr.Dataset, group: str, density: xr.DataArray) -> pd.Series:
    """Sensitivity of each parameter to scaling a log density, by name.

    Parameters
    ----------
    draws
        Parameters, each (chain, draw).
    group
        "prior" or "likelihood".
    density
        Its log density, (chain, draw), nats.
    """
    if float(density.max() - density.min()) == 0:
        return pd.Series(0.0, index=list(draws))
    groups = {"posterior": draws, f"log_{group}": xr.Dataset({"density": density})}
    found = arviz_stats.psense(xr.DataTree.from_dict(groups), group=group, alphas=POWERS)
    return pd.Series({name: float(found[name]) for name in draws})


def diagnosis(prior: float, likelihood: float, worst_k: float) -> str:
    """The paper's diagnosis of a pair of sensitivities, one of `DIAGNOSES`."""
    if worst_k > MAX_PARETO_K:
        return "not trusted"
    if prior < SENSITIVE:
        return "-"
    return "prior-data conflict" if likelihood >= SENSITIVE else "strong prior / weak likelihood"


def sensitivity(
    fit: Fit, draws: xr.Dataset, log_lik: xr.DataArray, priors: Mapping[str, Prior]
) -> pd.DataFrame:
    """Sensitivities of every scalar parameter.

    Parameters
    ----------
    draws
        Draws of the program, (chain, draw, ...), with its `lprior` if it has one.
    log_lik
        Joint log density of all houses, (chain, draw), nats.
    priors
        The study's, for a program without `lprior`.

    Returns
    -------
    DataFrame
        One row per parameter, columns `COLUMNS`: prior and likelihood are the
        sensitivities (cumulative Jensen-Shannon distance of the posterior per doubling of the
        power, from a small change of it); prior_from is the source of the scaled priors,
        program or study; Pareto k of the weights. Empty without scalar parameters.
    """
    names = list(fit.population())
    if not names:
        return pd.DataFrame(columns=COLUMNS)
    own = "lprior" in draws
    densities = {
        "prior": draws["lprior"] if own else log_prior(draws, priors),
        "likelihood": log_lik,
    }
    table = pd.DataFrame(
        {group: sensitivity_of(draws[names], group, d) for group, d in densities.items()}
    )
    worst = {f"{group}_pareto_k": pareto_k(density) for group, density in densities.items()}
    table = table.assign(model=fit.model, **worst).rename_axis("parameter").reset_index()
    table["prior_from"] = "program" if own else "study"
    table["diagnosis"] = [
        diagnosis(row.prior, row.likelihood, np.nanmax([-np.inf, *worst.values()]))
        for row in table.itertuples()
    ]
    return table[COLUMNS]
