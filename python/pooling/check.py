r"""Diagnose a fit's posterior and prior, and summarise every parameter.

    python -m pooling.check stan/M FIT/fit.nc DATA.json MODELS.json SAMPLER.json \
        -o FIT/diagnostics.json --estimates FIT/estimates.csv

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter
and Buerkner (2021), Bayesian Analysis 16(2); E-BFMI is that of Betancourt (2016),
arXiv:1604.00695. What follows from them is for `pooling.gate` to say.
"""

import json
import os
import signal
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import arviz_stats
import numpy as np
import pandas as pd
import xarray as xr
from cmdstanpy import disable_logging

from pooling import cli
from pooling.draws import Fit, open_fit
from pooling.files import replacing
from pooling.likelihood import check_likelihood
from pooling.study import Models, Sampler, read_section

MIN_E_BFMI = 0.3
MAX_R_HAT = 1.01
MIN_ESS_PER_CHAIN = 100
MAX_PARETO_K = 0.7  # above it importance sampling cannot be trusted
TAIL = (0.05, 0.95)
SMALL = 1_000_000  # bytes of draws that are summarised before a process has begun
GROUPS = {"posterior": "sample_stats", "prior": "sample_stats_prior"}


def summarize(draws: xr.Dataset) -> pd.DataFrame:
    """One row a parameter: moments, quantiles, Monte Carlo error and convergence.

    Parameters
    ----------
    draws
        Variables (chain, draw, ...). A parameter that is the same in every draw
        has no R-hat, effective size or Monte Carlo error.

    Returns
    -------
    DataFrame
        variable, county_fips (missing unless by county), element (rest of its
        index), mean, sd, mcse_mean, q5, q50, q95, ess_bulk, ess_tail, r_hat.
    """
    return _together([_rows(variable) for variable in draws.data_vars.values()])


def summarize_all(groups: Sequence[xr.Dataset]) -> list[pd.DataFrame]:
    """As `summarize`, for each of several groups of draws, on all cores."""
    # In processes: threads would wait for Python's lock, and new interpreters import for longer
    # than this takes. The only threads of a stage are OpenBLAS's, which stops them for a fork.
    # An interruption ends the processes without a word.
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
    """Summary of (chain, draw, parameter), one row a parameter."""
    # Not `> 0`: what is no number must reach the gate.
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


def diagnose(summary: pd.DataFrame, stats: xr.Dataset, max_treedepth: int) -> dict:
    """Numbers of the gate, the parameter that is worst in each, and named booleans.

    Parameters
    ----------
    summary
        As `summarize` returns it, with a `label` column.
    stats
        `diverging`, `tree_depth` and `energy`, each (chain, draw).
    max_treedepth
        Depth at which the sampler gives up.
    """
    chains = stats.sizes["chain"]
    divergences = int(stats["diverging"].values.sum())
    hits = int((stats["tree_depth"].values >= max_treedepth).sum())
    e_bfmi = float(np.min(arviz_stats.bfmi(stats["energy"].transpose("chain", "draw").values)))
    r_hat, ess_bulk, ess_tail = (
        _worst(summary, "r_hat", max),
        _worst(summary, "ess_bulk", min),
        _worst(summary, "ess_tail", min),
    )
    enough = MIN_ESS_PER_CHAIN * chains
    return {
        "chains": chains,
        "draws": stats.sizes["draw"],
        "divergences": divergences,
        "treedepth_hits": hits,
        "e_bfmi": e_bfmi,
        "r_hat": r_hat,
        "ess_bulk": ess_bulk,
        "ess_tail": ess_tail,
        "checks": {
            "divergences": divergences == 0,
            "treedepth_hits": hits == 0,
            "e_bfmi": e_bfmi >= MIN_E_BFMI,
            "r_hat": r_hat["value"] <= MAX_R_HAT,
            "ess_bulk": ess_bulk["value"] >= enough,
            "ess_tail": ess_tail["value"] >= enough,
        },
    }


def _worst(summary: pd.DataFrame, column: str, pick: type[max]) -> dict:
    """Worst value of a column and its parameter; a NaN among moving parameters is the worst."""
    known = summary[summary["sd"] != 0]
    lost = known[known[column].isna()]
    if len(lost):
        return {"value": float("nan"), "parameter": lost["label"].iloc[0]}
    row = known.loc[known[column].idxmax() if pick is max else known[column].idxmin()]
    return {"value": float(row[column]), "parameter": row["label"]}


def label_parameters(summary: pd.DataFrame, counties: pd.DataFrame) -> pd.DataFrame:
    """Add county (name), houses and label, such as `beta[CASS]`."""
    table = summary.merge(counties[["county_fips", "county", "houses"]], how="left")
    where = table["county"].fillna(table["element"])
    table["label"] = table["variable"] + where.map(lambda name: f"[{name}]" if name else "")
    return table


def identified(summary: pd.DataFrame, fit: Fit) -> pd.Series:
    """Whether the data identify each parameter without the prior's or the population's help.

    A county's slope needs houses of the county on both floors, its intercept a
    house in the basement, its spread more houses than floors that have any. A
    parameter that is the same for all counties needs the same of all houses
    together. `beta_tilde` and the like go by the first part of their name. Any
    other parameter is about the population, and counts as identified.
    """
    own = fit.counties.set_index("county_fips")[["basement_houses", "first_floor_houses"]]
    result = pd.Series(True, index=summary.index)
    by_county = summary["county_fips"].notna()
    for name in summary.loc[by_county, "variable"].unique():
        meaning = name.partition("_")[0]
        if meaning not in ("alpha", "beta", "sigma"):
            continue
        rows = summary.index[summary["variable"].eq(name) & by_county]
        shared = _same_for_all(fit.tree["posterior"][name])
        houses = own.loc[summary.loc[rows, "county_fips"]].reset_index(drop=True)
        if shared:
            houses = pd.DataFrame([own.sum()] * len(rows))
        basement, first = houses["basement_houses"], houses["first_floor_houses"]
        known = {
            "alpha": basement > 0,
            "beta": (basement > 0) & (first > 0),
            "sigma": basement + first > (basement > 0).astype(int) + (first > 0),
        }[meaning]
        result.loc[rows] = known.to_numpy()
    return result


def _same_for_all(variable: xr.DataArray) -> bool:
    values = variable.transpose(..., "county").values
    return bool((values == values[..., :1]).all())


def examine(fit: Fit, allowed: dict[str, str], sampler: Sampler) -> tuple[dict, pd.DataFrame]:
    """Diagnostics of a fit, with the settings of its sampler, and its table of estimates."""
    found: dict = {"model": fit.model, "study": fit.study, "sampler": sampler.model_dump()}
    estimates = pd.DataFrame()
    draws = [fit.tree[group].to_dataset().load() for group in GROUPS]
    summaries = summarize_all(draws)
    for (group, stats), summary in zip(GROUPS.items(), summaries, strict=True):
        summary = label_parameters(summary, fit.counties)
        found[group] = diagnose(summary, fit.tree[stats].to_dataset(), sampler.max_treedepth)
        if group == "posterior":
            estimates = _estimates(summary, fit)
    enough = MIN_ESS_PER_CHAIN * found["posterior"]["chains"]
    found["limits"] = {
        "divergences": 0,
        "treedepth_hits": 0,
        "e_bfmi": MIN_E_BFMI,
        "r_hat": MAX_R_HAT,
        "ess_bulk": enough,
        "ess_tail": enough,
    }
    found["passed"] = all(all(found[group]["checks"].values()) for group in GROUPS)
    found["allowed_to_fail"] = allowed.get(fit.model)
    return found, estimates


def _estimates(summary: pd.DataFrame, fit: Fit) -> pd.DataFrame:
    table = summary.assign(model=fit.model, identified=identified(summary, fit))
    element = table["element"].map(lambda index: f"[{index}]" if index else "")
    table["parameter"] = table["variable"] + element
    columns = ["model", "parameter", "county_fips", "county", "houses", "identified", "mean", "sd"]
    columns += ["mcse_mean", "q5", "q50", "q95", "ess_bulk", "ess_tail", "r_hat"]
    return table[columns].astype({"houses": "Int64"})


def main(arguments: list[str] | None) -> None:
    """Check one fit; one that does not pass is recorded like any other.

    A program whose two likelihoods are not the same is refused; see `pooling.likelihood`.
    """
    parser = cli.stage(__doc__, "executable", "fit", "data", "models", "sampler")
    parser.add_argument("--estimates", type=Path, required=True)
    given = parser.parse_args(arguments)
    fit = open_fit(given.fit.parent, even_failed=True)
    allowed = read_section(Models, given.models).allowed_to_fail
    settings = read_section(Sampler, given.sampler)
    data = json.loads(given.data.read_text(encoding="utf-8"))
    disable_logging()
    check_likelihood(fit, given.executable.resolve(), data, settings.seed)
    found, estimates = examine(fit, allowed, settings)
    with replacing(given.output) as draft:
        draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    with replacing(given.estimates) as draft:
        estimates.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
