"""Leave one house out: PSIS, and an exact refit of every house where PSIS fails.

    python -m pooling.loo \\
        stan/M ESSENCE FIT/fit.nc DATA.json SAMPLER.json TOOLCHAIN.json -o FIT/loo.csv

PSIS-LOO and its Pareto k are those of Vehtari, Gelman and Gabry (2017), Statistics
and Computing 27(5). A house with k above 0.7 is left out in earnest: the program is
fitted to the other houses and predicts it. So is a house that alone informs an effect.
"""

import json
import warnings
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr

from pooling import cli
from pooling.check import MAX_PARETO_K
from pooling.draws import Fit, is_shared, open_fit
from pooling.files import replacing
from pooling.refits import SCORES, Program, read_program, run_refits
from pooling.study import Sampler, read_section

COLUMNS = ["house", *SCORES, "pareto_k", "refitted", "converged"]


def psis(fit: Fit) -> pd.DataFrame:
    """PSIS leave-one-out of every house.

    Returns
    -------
    DataFrame
        house, elpd (log density of its left-out log radon), mean (left-out
        expectation of alpha + beta * floor, log pCi/L), mcse (its Monte Carlo
        error, of independent draws), pit (left-out probability of replications
        up to what was measured), pareto_k, refitted (False), converged (as the
        fit).
    """
    with warnings.catch_warnings():
        # What it warns of, a high Pareto k, is what the refits are for.
        warnings.simplefilter("ignore", UserWarning)
        groups = {name: fit.tree[name].to_dataset() for name in ("posterior", "log_likelihood")}
        found = arviz_stats.loo(xr.DataTree.from_dict(groups), pointwise=True, var_name="log_lik")
    weights = np.exp(found.log_weights.transpose(..., "house").values.reshape(-1, len(fit.houses)))
    weights /= weights.sum(axis=0)
    expected = fit.expected().values
    mean = (weights * expected).sum(axis=0)
    below = fit.pointwise("posterior_predictive") <= fit.houses["log_radon"].to_numpy()
    return pd.DataFrame(
        {
            "house": fit.houses["house"],
            "elpd": found.elpd_i.values,
            "mean": mean,
            "mcse": np.sqrt((weights**2 * (expected - mean) ** 2).sum(axis=0)),
            "pit": (weights * below).sum(axis=0),
            "pareto_k": found.pareto_k.values,
            "refitted": False,
            "converged": fit.converged,
        }
    )


def only_informant(fit: Fit) -> pd.Series:
    """Whether each house is the only one to inform an intercept or a slope.

    Without it the effect has its prior, many times as wide as the posterior. The weights
    of PSIS then have no mean, but the draws reach too little of the prior for k to tell:
    0.68 for one of the two houses of a county, whose left-out mean was wrong by 2.2.
    Where effects have a population, that takes the prior's place and is not wide.
    """
    houses = fit.houses
    if {"sigma_alpha", "sigma_beta"} & set(fit.tree["posterior"].data_vars):
        return pd.Series(False, houses.index)
    effects = fit.effects()
    # An effect that all counties share is informed by the houses of all.
    own = {name: not is_shared(effects[name].values) for name in ("alpha", "beta")}
    by = {name: houses["county_fips"] * own[name] for name in own}
    on_floor = houses.groupby([by["beta"], houses["floor"]])["house"].transform("size")
    return (on_floor == 1) | (houses.groupby(by["alpha"])["house"].transform("size") == 1)


def failing(fit: Fit, scores: pd.DataFrame) -> pd.Index:
    """Rows of `scores` that PSIS cannot be trusted with."""
    return scores.index[~(scores["pareto_k"] <= MAX_PARETO_K) | only_informant(fit)]


def refit(
    program: Program,
    data: dict,
    settings: Sampler,
    scores: pd.DataFrame,
    rows: pd.Index,
    kept: Path,
    scheduler: str | None,
) -> pd.DataFrame:
    """Replace these rows of `scores` by exact refits; see `pooling.refits`.

    A house whose refits stop or do not converge has no score.

    Raises
    ------
    SamplingError
        Every refit stopped; the message names the first house.
    """
    scores = scores.copy()
    folds = {f"house {scores.at[row, 'house']}": [int(row)] for row in rows}
    found = run_refits(program, data, folds, settings, kept, scheduler)
    scores.loc[rows, "refitted"] = True
    for name in (*SCORES, "converged"):
        scores.loc[rows, name] = [found[fold][name][0] for fold in folds]
    scores.loc[scores["refitted"] & ~scores["converged"], list(SCORES)] = np.nan
    return scores


def main(arguments: list[str] | None) -> None:
    """Score one fit house by house; without pointwise output the table is empty.

    A fit that failed its diagnostics is not refitted: where PSIS fails too, the house
    has no score.
    """
    names = ("executable", "essence", "fit", "data", "sampler", "toolchain")
    parser = cli.stage(__doc__, *names)
    parser.add_argument("--scheduler", help="address of a dask scheduler; none: this machine")
    given = parser.parse_args(arguments)
    fit = open_fit(given.fit.parent)
    settings = read_section(Sampler, given.sampler)
    scores = pd.DataFrame(columns=COLUMNS)
    if settings.pointwise:
        scores = psis(fit)
        rows = failing(fit, scores)
        if fit.converged:
            program = read_program(given.executable, given.essence, given.toolchain, fit)
            data = json.loads(given.data.read_text(encoding="utf-8"))
            kept = given.output.with_name("refits")
            scores = refit(program, data, settings, scores, rows, kept, given.scheduler)
        else:
            scores.loc[rows, list(SCORES)] = np.nan
    with replacing(given.output) as draft:
        scores[COLUMNS].to_csv(draft, index=False, float_format="%.8g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
