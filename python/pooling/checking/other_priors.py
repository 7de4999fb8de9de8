r"""Compare a program's population parameters under other priors with the study's own.

    python -m pooling.checking.other_priors \
        stan/M DATA.json SAMPLER.json OTHER_PRIORS.json FIT/fit.nc \
        FIT/diagnostics.json -o FIT/other_priors.csv

Each set of priors that the study names is sampled with the study's data, seed and settings, and
undergoes the same diagnostics. A set that fails is flagged and not omitted; one that changes no
prior of the program's variables is.
"""

import json
from pathlib import Path

import pandas as pd
from arviz_base import from_cmdstanpy
from cmdstanpy import CmdStanMCMC, disable_logging

from pooling.build import cli
from pooling.build.errors import ChainLost, SamplingError
from pooling.fits.convergence import diagnose
from pooling.fits.store import Fit, read_fit, write_table
from pooling.fits.summaries import summarize
from pooling.fitting.sampling import sample
from pooling.inputs.priors import Priors
from pooling.inputs.study import OWN_PRIORS, OtherPriors, Sampler, read_section

NUMBERS = ["mean", "sd", "mcse_mean", "q5", "q95"]
COLUMNS = ["model", "priors", "parameter", *NUMBERS, "shift", "passed", "failed"]


def own(fit: Fit) -> pd.DataFrame:
    """The study's own fit: rows as `under`, for each scalar parameter."""
    posterior = fit.tree["posterior"].to_dataset()[list(fit.population())]
    checks = fit.diagnostics.get("posterior", {}).get("checks", {})
    failed = "; ".join(name for name, passed in checks.items() if not passed)
    table = summarize(posterior).rename(columns={"variable": "parameter"})
    return table[["parameter", *NUMBERS]].assign(
        priors=OWN_PRIORS, passed=fit.converged, failed=failed
    )


def under(
    name: str, priors: Priors, executable: Path, data: dict, settings: Sampler
) -> pd.DataFrame:
    """Sample a program under one set of priors, and diagnose the draws.

    Returns
    -------
    DataFrame
        parameter (scalar ones), mean, sd, mcse_mean, q5, q95, priors, passed, failed (the
        checks that failed).

    Raises
    ------
    SamplingError
        CmdStan failed; the message names the priors.
    """
    try:
        run: CmdStanMCMC = sample(executable, data | priors.scales(), settings)
    except (SamplingError, ChainLost) as error:
        raise type(error)(f"under [other_priors.{name}]: {error}") from None
    tree = from_cmdstanpy(posterior=run)
    table = summarize(tree["posterior"].to_dataset())
    table["label"] = table["variable"] + table["element"].map(lambda at: f"[{at}]" if at else "")
    found = diagnose(table, tree["sample_stats"].to_dataset(), settings.max_treedepth)
    failed = [check for check, passed in found["checks"].items() if not passed]
    numbers = table[table["element"] == ""].rename(columns={"variable": "parameter"})
    return numbers[["parameter", *NUMBERS]].assign(
        priors=name, passed=not failed, failed="; ".join(failed)
    )


def changes(priors: Priors, fit: Fit, data: dict) -> bool:
    """Whether priors differ from those of the data for any variable of the fit's program."""
    changed = {name for name, value in priors.scales().items() if data.get(name) != value}
    variables = {str(name) for name in fit.tree["posterior"].to_dataset().data_vars}
    return any(name.removeprefix("prior_").rpartition("_")[0] in variables for name in changed)


def combined(own_rows: pd.DataFrame, others: list[pd.DataFrame], model: str) -> pd.DataFrame:
    """One table, columns `COLUMNS`, the study's own priors first, of the parameters in its fit.

    `shift` is the difference from the mean under the study's priors, in standard deviations under
    the study's priors; missing for constants.
    """
    reference = own_rows.set_index("parameter")
    shared = [rows[rows["parameter"].isin(reference.index)] for rows in others]
    table = pd.concat([own_rows, *shared], ignore_index=True)
    mean, sd = (table["parameter"].map(reference[name]) for name in ("mean", "sd"))
    shift = ((table["mean"] - mean) / sd).where(sd > 0)
    return table.assign(model=model, shift=shift)[COLUMNS]


def main(arguments: list[str] | None) -> None:
    """Write one program's table; it is empty without other priors or population parameters."""
    names = ("executable", "data", "sampler", "other_priors", "fit", "diagnostics")
    given = cli.stage(__doc__, *names).parse_args(arguments)
    disable_logging()
    fit = read_fit(given.fit, diagnostics=given.diagnostics)
    settings = read_section(Sampler, given.sampler)
    sets = read_section(OtherPriors, given.other_priors).sets
    others = []
    if sets and fit.population():
        data = json.loads(given.data.read_text(encoding="utf-8"))
        program = given.executable.resolve()
        others = [
            under(name, priors, program, data, settings)
            for name, priors in sets.items()
            if changes(priors, fit, data)
        ]
    table = combined(own(fit), others, fit.model) if others else pd.DataFrame(columns=COLUMNS)
    write_table(table, given.output)


if __name__ == "__main__":
    cli.run(main)
