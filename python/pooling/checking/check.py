r"""Diagnose a fit's posterior and prior, and summarise every parameter.

    python -m pooling.checking.check stan/M FIT/fit.nc DATA.json MODELS.json SAMPLER.json \
        -o FIT/diagnostics.json --estimates FIT/estimates.csv

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter
and Buerkner (2021), Bayesian Analysis 16(2); E-BFMI is that of Betancourt (2016),
arXiv:1604.00695. What follows from them is for `pooling.checking.gate` to say.
"""

import json
from pathlib import Path

import pandas as pd
import xarray as xr
from cmdstanpy import disable_logging

from pooling.build import cli
from pooling.build.files import replacing
from pooling.checking.likelihood import check_likelihood
from pooling.fits.convergence import GROUPS, diagnose
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.fits.store import Fit, open_fit
from pooling.fits.summaries import label_parameters, summarize_all
from pooling.inputs.study import Models, Sampler, read_section


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

    A program whose two likelihoods are not the same is refused; see `pooling.checking.likelihood`.
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
