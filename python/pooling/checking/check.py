r"""Diagnose a fit's posterior and prior, and summarise every parameter.

    python -m pooling.checking.check stan/M FIT/fit.nc DATA.json MODELS.json SAMPLER.json \
        -o FIT/diagnostics.json --estimates FIT/estimates.csv

R-hat and effective sample sizes are those of Vehtari, Gelman, Simpson, Carpenter
and Buerkner (2021), Bayesian Analysis 16(2); E-BFMI is that of Betancourt (2016),
arXiv:1604.00695. `pooling.checking.gate` acts on them.
"""

import json
from pathlib import Path

import pandas as pd
from cmdstanpy import disable_logging

from pooling.build import cli
from pooling.build.files import replacing
from pooling.checking.likelihood import check_likelihood
from pooling.fits.convergence import GROUPS, diagnose
from pooling.fits.identified import identified_rows
from pooling.fits.limits import MAX_R_HAT, MIN_E_BFMI, MIN_ESS_PER_CHAIN
from pooling.fits.store import Fit, read_fit, write_table
from pooling.fits.summaries import label_parameters, summarize_all
from pooling.inputs.study import Models, Sampler, read_section


def examine(fit: Fit, allowed: dict[str, str], sampler: Sampler) -> tuple[dict, pd.DataFrame]:
    """Diagnostics of a fit with its sampler settings, and its table of estimates."""
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
    known = identified_rows(summary, fit.counties, fit.tree["posterior"].to_dataset())
    table = summary.assign(model=fit.model, identified=known)
    element = table["element"].map(lambda index: f"[{index}]" if index else "")
    table["parameter"] = table["variable"] + element
    columns = ["model", "parameter", "county_fips", "county", "houses", "identified", "mean", "sd"]
    columns += ["mcse_mean", "q5", "q50", "q95", "ess_bulk", "ess_tail", "r_hat"]
    return table[columns].astype({"houses": "Int64"})


def main(arguments: list[str] | None) -> None:
    """Check one fit, and record the result even if it fails.

    A program with inconsistent likelihoods is an error; see `pooling.checking.likelihood`.
    """
    parser = cli.stage(__doc__, "executable", "fit", "data", "models", "sampler")
    parser.add_argument("--estimates", type=Path, required=True)
    given = parser.parse_args(arguments)
    fit = read_fit(given.fit)
    allowed = read_section(Models, given.models).allowed_to_fail
    settings = read_section(Sampler, given.sampler)
    data = json.loads(given.data.read_text(encoding="utf-8"))
    disable_logging()
    check_likelihood(fit, given.executable.resolve(), data, settings.seed)
    found, estimates = examine(fit, allowed, settings)
    with replacing(given.output) as draft:
        draft.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    write_table(estimates, given.estimates)


if __name__ == "__main__":
    cli.run(main)
