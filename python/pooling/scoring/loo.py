"""Leave-one-out of houses: PSIS and, where it fails, the conditional density or a refit.

    python -m pooling.scoring.loo stan/M NORMALISED FIT/fit.nc DATA.json SAMPLER.json SCORES.json \\
        TOOLCHAIN.json PRIORS.json FIT/diagnostics.json \\
        -o FIT/loo.csv --sensitivity FIT/sensitivity.csv

PSIS-LOO and its Pareto k are those of Vehtari, Gelman and Gabry (2017), Statistics and Computing
27(5). For a house with k above 0.7, the weights are instead the density of the house given its
county's other houses, if the program integrates county effects out and so provides it. If k is
still above 0.7, or the program does not provide it, the program is refitted without the house. So
is it for the only house that informs an effect.

The table of `pooling.checking.sensitivity` is written here too, since it reweights the same draws
by the density of the same houses.
"""

import json
import warnings
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from scipy.special import logsumexp

from pooling.build import cli
from pooling.checking.sensitivity import COLUMNS as OF_SENSITIVITY
from pooling.checking.sensitivity import scaled_priors, sensitivity
from pooling.fits.identified import is_shared
from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.spacing import evenly_spaced
from pooling.fits.store import Fit, read_fit, write_table
from pooling.fitting.generate import (
    SCORED,
    flat,
    generate,
    predict,
    to_predict,
)
from pooling.fitting.log_scores import log_scores, with_points_below
from pooling.fitting.refits import SCORES, Program, compiled, read_program, run_refits
from pooling.inputs.priors import Priors
from pooling.inputs.study import Sampler, Scores, read_section
from pooling.programs.source import declared
from pooling.scoring.importance import double_counties, weighted_scores, weights_of

COLUMNS = ["house", *SCORES, "lpd", "pareto_k", "refitted", "converged"]
BLOCK = 2000  # houses predicted at once, to limit memory


def psis(fit: Fit, program: Program, data: dict, seed: int) -> tuple[pd.DataFrame, xr.Dataset]:
    """PSIS leave-one-out of every house, and the draws it is based on.

    Returns
    -------
    DataFrame
        house, elpd (log score of its left-out log radon), mean (left-out
        expectation of alpha + beta * floor, log pCi/L), mcse (its Monte Carlo
        error for independent draws), pit (left-out probability of replications
        up to the measurement), lpd (log score under the full fit), pareto_k,
        refitted (False), converged (as the fit).
    Dataset
        The program's draws, (chain, draw, ...), with the joint log density of all houses as
        `log_lik` (chain, draw), nats.
    """
    parts: list[pd.DataFrame] = []
    total: xr.DataArray | float = 0.0
    for start in range(0, data["N"], BLOCK):
        own = {n: data[n][start : start + BLOCK] for n in ("county", "floor_measure", "log_radon")}
        count = len(own["county"])
        # Programs generate county effects before predictions, from one stream of random numbers
        # for all draws: with the same seed and as many houses, the effects of all blocks are equal.
        filler = BLOCK - count if start else 0
        filled = [[*values, *filler * [values[-1]]] for values in own.values()]
        houses = with_points_below(to_predict(*filled), data, program.normalised)
        draws = predict(fit, compiled(program), data, houses, seed)
        fitted = draws["log_lik"].isel(new=slice(count))
        weights, k = _loo_weights(draws, fitted)
        lpd = logsumexp(log_scores(flat(draws["log_lik"].values), houses)[:, :count], axis=0)
        lpd -= np.log(len(weights))
        scores = weighted_scores(weights, draws, houses, own["log_radon"])
        parts.append(scores.assign(lpd=lpd, pareto_k=k))
        total = total + fitted.sum("new")
    scores = pd.concat(parts, ignore_index=True)
    scores = scores.assign(house=fit.houses["house"], refitted=False, converged=fit.converged)
    return scores, draws.drop_vars(["log_lik", "y_rep"]).assign(log_lik=total)


def _loo_weights(draws: xr.Dataset, log_lik: xr.DataArray) -> tuple[np.ndarray, np.ndarray]:
    """Weights (sample, house) and Pareto k from the density that houses were fitted with."""
    posterior = draws.drop_vars(["log_lik", "y_rep", "log_lik_county"], errors="ignore")
    groups = {"posterior": posterior, "log_likelihood": log_lik.to_dataset(name="log_lik")}
    with warnings.catch_warnings():
        # It warns of a high Pareto k, which is handled by refits.
        warnings.simplefilter("ignore", UserWarning)
        found = arviz_stats.loo(xr.DataTree.from_dict(groups), pointwise=True, var_name="log_lik")
    weights = np.exp(flat(found.log_weights.transpose("chain", "draw", "new").values))
    return weights / weights.sum(axis=0), found.pareto_k.values


def has_conditional_density(program: Program) -> bool:
    """Whether a program has the county's density and generates its effects."""
    generated = declared(program.normalised, "generated quantities")
    return {"alpha", "beta", "log_lik_county"} <= {*generated}


def generate_with_doubles(
    fit: Fit, program: Program, data: dict, extended: dict, doubled: np.ndarray, seed: int
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]] | None:
    """Generated quantities of stored draws, with doubles of counties added to the data.

    Parameters
    ----------
    data, extended
        Stan data of the fit, and with the doubles and what is predicted.
    doubled
        Counties whose doubles were added, 1 to J, in this order.

    Returns
    -------
    tuple or None
        Parameters including those of doubles, and generated quantities, each (chain, draw, ...).
        None if adding doubles changes the meaning of the draws, as in a program whose
        parameterisation depends on the data: `log_lik_county` of the original counties changes.
    """
    draws = evenly_spaced(fit.tree["posterior"].to_dataset(), SCORED).compute()
    draws = draws.transpose("chain", "draw", ...)
    # The double has the county's own parameters, which are conditioned on.
    parameters = {n: with_doubles(draws[n], doubled) for n in fit.parameters}
    found = generate(compiled(program), extended, parameters, seed)
    own = {n: draws[n].values for n in fit.parameters}
    alone = generate(compiled(program), data | to_predict([], []), own, seed)
    ours, theirs = (each["log_lik_county"][..., : data["J"]] for each in (alone, found))
    return (parameters, found) if np.allclose(ours, theirs, rtol=1e-6, atol=1e-6) else None


def conditional_loo(
    fit: Fit, program: Program, data: dict, positions: list[int], seed: int
) -> pd.DataFrame | None:
    """Scores of houses by their density given the parameters and their county's other houses.

    Each house gets a double of its county with the other houses. The difference of the two
    `log_lik_county` is the log density of the house given the others, by whose inverse the
    draws are weighted; the double's effects predict the house.

    Returns
    -------
    DataFrame
        One row per house of `positions`: elpd, mean, mcse, pit, pareto_k. None if adding
        doubles changes the meaning of the draws.
    """
    county = np.asarray(data["county"])
    own = county[positions]
    added: dict[str, list] = {"county": [], "floor_measure": [], "log_radon": []}
    for i, (house, j) in enumerate(zip(positions, own, strict=True), data["J"] + 1):
        others = [other for other in np.flatnonzero(county == j) if other != house]
        added["county"] += [i] * len(others)
        for name in ("floor_measure", "log_radon"):
            added[name] += [data[name][other] for other in others]
    measured = [data["log_radon"][i] for i in positions]
    houses = to_predict(
        [data["J"] + i + 1 for i in range(len(positions))],
        [data["floor_measure"][i] for i in positions],
        measured,
    )
    houses = with_points_below(houses, data, program.normalised)
    doubled = double_counties(data, own.tolist()) | houses
    doubled |= {name: [*data[name], *more] for name, more in added.items()}
    doubled["N"] = len(doubled["county"])
    beside = generate_with_doubles(fit, program, data, doubled, own, seed)
    if beside is None:
        return None
    _, found = beside
    whole = flat(found["log_lik_county"])
    ratios = whole[:, data["J"] :] - whole[:, own - 1]
    weights, k = weights_of(ratios, len(found["alpha"]))
    return weighted_scores(weights, found, houses, measured).assign(pareto_k=k)


def with_doubles(values: xr.DataArray, counties: np.ndarray) -> np.ndarray:
    """Draws of a parameter, (chain, draw, ...), with copies for the doubles of counties, 1 to J."""
    if "county" not in values.dims:
        return values.values
    return np.concatenate([values.values, values.values[..., counties - 1]], axis=-1)


def only_informant(fit: Fit) -> pd.Series:
    """Whether each house is the only one that informs an intercept or a slope.

    Without it the posterior of the effect is its prior, which is much wider. PSIS weights then
    have no finite mean, but k may not reveal it: it was 0.68 for one of the two houses of a
    county, whose left-out mean was wrong by 2.2. With a population distribution of effects,
    which is not wide, there is no such house.
    """
    houses = fit.houses
    if {"sigma_alpha", "sigma_beta"} & set(fit.tree["posterior"].data_vars):
        return pd.Series(False, houses.index)
    effects = fit.effects()
    # A shared effect is informed by the houses of all counties.
    own = {name: not is_shared(effects[name].values) for name in ("alpha", "beta")}
    by = {name: houses["county_fips"] * own[name] for name in own}
    on_floor = houses.groupby([by["beta"], houses["floor"]])["house"].transform("size")
    return (on_floor == 1) | (houses.groupby(by["alpha"])["house"].transform("size") == 1)


def leave_out(
    fit: Fit,
    program: Program,
    data: dict,
    settings: Sampler,
    scores: pd.DataFrame,
    cache: Path,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """Scores of every house, columns `COLUMNS`: from `psis` if reliable, else by refits.

    A fit that failed its diagnostics is not refitted: houses for which PSIS fails have no score.
    Nor do houses whose refits fail or do not converge.

    Raises
    ------
    SamplingError
        CmdStan failed in every refit; the message names the first house.
    """
    scores = scores.copy()
    failing = ~(scores["pareto_k"] <= MAX_PARETO_K).to_numpy() | only_informant(fit).to_numpy()
    if not fit.converged:
        scores.loc[failing, list(SCORES)] = np.nan
        return scores[COLUMNS]
    rows = np.flatnonzero(failing)
    if rows.size and has_conditional_density(program):
        better = conditional_loo(fit, program, data, rows.tolist(), settings.seed)
        if better is not None:
            for name in better:
                scores.loc[rows, name] = better[name].to_numpy()
            failing[rows] = ~(better["pareto_k"] <= MAX_PARETO_K).to_numpy()
    return refit(program, data, settings, scores, failing, cache, scheduler)[COLUMNS]


def refit(
    program: Program,
    data: dict,
    settings: Sampler,
    scores: pd.DataFrame,
    failing: np.ndarray,
    cache: Path,
    scheduler: str | None,
) -> pd.DataFrame:
    """Replace the `failing` rows of `scores` by exact refits."""
    rows = scores.index[failing]
    folds = {f"house {scores.at[row, 'house']}": [int(row)] for row in rows}
    found = run_refits(program, data, folds, settings, cache, scheduler)
    scores.loc[rows, "refitted"] = True
    for name in (*SCORES, "converged"):
        scores.loc[rows, name] = [found[fold][name][0] for fold in folds]
    scores.loc[scores["refitted"] & ~scores["converged"], list(SCORES)] = np.nan
    return scores


def main(arguments: list[str] | None) -> None:
    """Score one fit by house; tables that the study does not request are empty."""
    names = ("executable", "normalised", "fit", "data", "sampler", "scores", "toolchain", "priors")
    parser = cli.stage(__doc__, *names, "diagnostics")
    parser.add_argument("--sensitivity", type=Path, required=True)
    parser.add_argument("--scheduler", help="address of a dask scheduler; default: this machine")
    given = parser.parse_args(arguments)
    asked = read_section(Scores, given.scores)
    scores, sensitivities = pd.DataFrame(columns=COLUMNS), pd.DataFrame(columns=OF_SENSITIVITY)
    if asked.pointwise:
        fit = read_fit(given.fit, diagnostics=given.diagnostics)
        settings = read_section(Sampler, given.sampler)
        data = json.loads(given.data.read_text(encoding="utf-8"))
        program = read_program(given.executable, given.normalised, given.toolchain, fit)
        every, draws = psis(fit, program, data, settings.seed)
        priors = scaled_priors(program.normalised, read_section(Priors, given.priors), draws)
        sensitivities = sensitivity(fit, draws, draws["log_lik"], priors)
        if "loo" in asked.leave_out:
            cache = given.output.with_name("refits")
            scores = leave_out(fit, program, data, settings, every, cache, given.scheduler)
    write_table(sensitivities, given.sensitivity)
    write_table(scores, given.output, digits=8)


if __name__ == "__main__":
    cli.run(main)
