"""Leave one house out: PSIS, and an exact refit of every house where PSIS fails.

`python -m pooling.loo stan/M FIT/fit.nc DATA.json COORDS.json SAMPLER.json -o FIT/loo.csv`

PSIS-LOO and its Pareto k are those of Vehtari, Gelman and Gabry (2017), Statistics
and Computing 27(5). A house with k above 0.7 is left out in earnest: the program is
fitted to the other houses and predicts it.
"""

import json
import os
import warnings
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
from cmdstanpy import CmdStanMCMC, disable_logging
from scipy.special import logsumexp
from tqdm import tqdm

from pooling import cli
from pooling.check import MAX_PARETO_K, MAX_R_HAT, MIN_ESS_PER_CHAIN
from pooling.draws import Fit, open_fit
from pooling.errors import SamplingError
from pooling.files import replacing
from pooling.sampling import sample
from pooling.study import Sampler, read_section

COLUMNS = ["house", "elpd", "mean", "pareto_k", "refitted", "converged"]


def psis(fit: Fit) -> pd.DataFrame:
    """PSIS leave-one-out of every house.

    Returns
    -------
    DataFrame
        house, elpd (log density of its left-out log radon), mean (left-out
        expectation of alpha + beta * floor, log pCi/L), pareto_k, refitted
        (False), converged (as the fit).
    """
    with warnings.catch_warnings():
        # What it warns of, a high Pareto k, is what the refits are for.
        warnings.simplefilter("ignore", UserWarning)
        found = arviz_stats.loo(fit.tree, pointwise=True, var_name="log_lik")
    weights = np.exp(found.log_weights.transpose(..., "house").values.reshape(-1, len(fit.houses)))
    weights /= weights.sum(axis=0)
    return pd.DataFrame(
        {
            "house": fit.houses["house"],
            "elpd": found.elpd_i.values,
            "mean": (weights * fit.expected().values).sum(axis=0),
            "pareto_k": found.pareto_k.values,
            "refitted": False,
            "converged": fit.converged,
        }
    )


def leave_out(data: dict, house: int) -> dict:
    """Stan data with one house, counted from 0, moved to the end and held out."""
    order = [i for i in range(data["N"]) if i != house] + [house]
    moved = {
        name: [data[name][i] for i in order] for name in ("county", "floor_measure", "log_radon")
    }
    return data | moved | {"held_out": 1}


def score_left_out(run: CmdStanMCMC, data: dict) -> dict:
    """Log score and mean of the house that a refit holds out, and whether the refit converged."""
    log_lik = run.stan_variable("log_lik")[:, 0].astype(float)
    county = data["county"][-1] - 1
    alpha, beta = run.stan_variable("alpha")[:, county], run.stan_variable("beta")[:, county]
    mean = alpha + beta * data["floor_measure"][-1]
    scores = {
        "elpd": logsumexp(log_lik) - np.log(log_lik.size),
        "mean": mean.mean(),
        "refitted": True,
        "converged": False,
    }
    # stan_variable stacks draws chain after chain.
    chains = mean.reshape(run.chains, -1)
    if np.isfinite([scores["elpd"], scores["mean"]]).all() and not np.sum(run.divergences):
        enough = MIN_ESS_PER_CHAIN * run.chains
        scores["converged"] = bool(
            arviz_stats.rhat(chains) <= MAX_R_HAT and arviz_stats.ess(chains) >= enough
        )
    return scores


def refit_without(executable: Path, data: dict, settings: Sampler, house: int) -> dict:
    """Exact score of one house; a second try, slower and more careful, where the first fails.

    There is no second try where more than one transition in a hundred diverges:
    then the posterior itself is at fault. Without this house the program may have
    none, as when the rest of a county's houses are tied and its spread is its own.
    """
    without = leave_out(data, house)
    short, careful = settings.refits()
    run = sample(executable, without, short, parallel_chains=1, progress=False)
    scores = score_left_out(run, without)
    if not scores["converged"] and np.sum(run.divergences) <= 0.01 * short.chains * short.draws:
        run = sample(executable, without, careful, parallel_chains=1, progress=False)
        scores = score_left_out(run, without)
    return scores


def refit(executable: Path, data: dict, settings: Sampler, scores: pd.DataFrame) -> pd.DataFrame:
    """Replace the rows of `scores` where PSIS fails by exact refits, one a core at a time.

    A house whose refits stop or do not converge has no score: its `elpd` and `mean`
    are missing.

    Raises
    ------
    SamplingError
        Every refit stopped; the message names the first house.
    """
    scores = scores.copy()
    failing = scores.index[~(scores["pareto_k"] <= MAX_PARETO_K)]
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        jobs = [pool.submit(refit_without, executable, data, settings, row) for row in failing]
        title = f"refits of {executable.name}"
        shown = tqdm(jobs, desc=title, unit="house", disable=None)
        stopped = []
        for row, job in zip(failing, shown, strict=True):
            try:
                found = job.result()
            except SamplingError as error:
                stopped.append(f"without house {scores.at[row, 'house']}: {error}")
                found = {"refitted": True, "converged": False}
            for name, value in found.items():
                scores.at[row, name] = value
    if stopped and len(stopped) == len(failing):
        raise SamplingError(stopped[0])
    scores.loc[scores["refitted"] & ~scores["converged"], ["elpd", "mean"]] = np.nan
    return scores


def main(arguments: list[str] | None) -> None:
    """Score one fit house by house; without pointwise output the table is empty."""
    names = ("executable", "fit", "data", "coords", "sampler")
    given = cli.stage(__doc__, *names).parse_args(arguments)
    disable_logging()
    fit = open_fit(given.fit.parent)
    settings = read_section(Sampler, given.sampler)
    scores = pd.DataFrame(columns=COLUMNS)
    if settings.pointwise:
        data = json.loads(given.data.read_text(encoding="utf-8"))
        scores = refit(given.executable.resolve(), data, settings, psis(fit))[COLUMNS]
    with replacing(given.output) as draft:
        scores.to_csv(draft, index=False, float_format="%.8g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
