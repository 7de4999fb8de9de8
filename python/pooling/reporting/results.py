"""Tables of a study: estimates, diagnostics and scores of all models, and radon by county.

`python -m pooling.reporting.results COORDS.json TWINS.json FIT... -o TABLES
--priors PRIORS.json --headline HEADLINE.json`

The folder TABLES gets one CSV file per table; `pooling.reporting.definitions` defines each.
Nothing here is random: the same fits give the same bytes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.checking.sensitivity import SENSITIVE
from pooling.fits.convergence import GROUPS
from pooling.fits.store import Fit, write_table
from pooling.inputs.priors import PARTS, Priors
from pooling.inputs.study import read_section
from pooling.reporting.counties import (
    county_levels,
    data_summary,
    prior_predictive,
    unmeasured,
)
from pooling.reporting.definitions import definitions
from pooling.reporting.fits import Result, open_results
from pooling.reporting.ranks import county_ranks
from pooling.reporting.weights import pooling_weights
from pooling.reporting.zones import county_zones
from pooling.scoring.comparison import comparison, headline


def models(results: Sequence[Result]) -> pd.DataFrame:
    """One row per model.

    Columns: model, structure, converged, parameters (numbers that do not vary by county),
    allowed_to_fail (the study's reason); `make_tables` adds headline.
    """
    rows = [
        {
            "model": r.fit.model,
            "structure": r.structure,
            "converged": r.fit.converged,
            "parameters": common_parameters(r.fit),
            "allowed_to_fail": r.fit.diagnostics.get("allowed_to_fail"),
        }
        for r in results
    ]
    return pd.DataFrame(rows)


def common_parameters(fit: Fit) -> int:
    """How many numbers in the parameters block do not vary by county."""
    posterior = fit.tree["posterior"].to_dataset()[fit.parameters]
    sizes = [v[0, 0].size for v in posterior.values() if "county" not in v.dims]
    return sum(sizes)


def diagnostics(results: Sequence[Result]) -> pd.DataFrame:
    """Convergence diagnostics, one row per model and group (posterior or prior).

    `<check>_parameter` is the parameter with the worst value; `failed` names the
    failed checks; `passed` refers to the group, not to the whole model.
    """
    rows = []
    for result in results:
        for group in GROUPS:
            found = dict(result.fit.diagnostics[group])
            checks = found.pop("checks")
            row: dict[str, object] = {"model": result.fit.model, "group": group}
            for name, value in found.items():
                worst = value if isinstance(value, dict) else {"value": value}
                row[name] = worst["value"]
                if "parameter" in worst:
                    row[f"{name}_parameter"] = worst["parameter"]
            row["passed"] = all(checks.values())
            row["failed"] = "; ".join(name for name, passed in checks.items() if not passed)
            row["allowed_to_fail"] = result.fit.diagnostics.get("allowed_to_fail")
            rows.append(row)
    return pd.DataFrame(rows)


def priors_table(priors: Priors) -> pd.DataFrame:
    """One row per parameter: parameter, prior (its kind), loc, scale, upper, shape, rate."""
    rows = []
    for parameter, prior in priors:
        # An infinite scale or bound means that there is none.
        finite = {name: value for name, value in prior if np.isfinite(value)}
        rows.append({"parameter": parameter, "prior": prior.family} | finite)
    return pd.DataFrame(rows, columns=["parameter", "prior", *PARTS])


def together(results: Sequence[Result], name: str) -> pd.DataFrame:
    """One of the tables in the fits' folders, for all fits; some may be empty."""
    tables = [result.table(name) for result in results]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def estimates(results: Sequence[Result]) -> pd.DataFrame:
    """Estimates of all fits; see `pooling.fits.identified` for those by county.

    A parameter of the population counts as identified unless its posterior moves with the power
    of the prior, and more than with that of the likelihood (`pooling.checking.sensitivity`).
    """
    table, moved = together(results, "estimates"), together(results, "sensitivity")
    decided = moved[(moved["prior"] >= SENSITIVE) & (moved["prior"] > moved["likelihood"])]
    by_prior = pd.MultiIndex.from_frame(decided[["model", "parameter"]])
    rows = pd.MultiIndex.from_frame(table[["model", "parameter"]]).isin(by_prior)
    return table.assign(identified=table["identified"].astype(bool) & ~rows)


def make_tables(results: Sequence[Result], coords: dict, wanted: str) -> dict[str, pd.DataFrame]:
    """All tables of fits and data rules, by name; see `pooling.reporting.definitions`.

    The scores are written last: make depends on them, and then the other tables exist.

    Parameters
    ----------
    wanted
        The study's headline model; "": the one that `headline` chooses.
    """
    fits, known = [r.fit for r in results], models(results)
    answering = wanted or headline(known, fits)
    return {
        "models": known.assign(headline=known["model"] == answering),
        "estimates": estimates(results),
        "diagnostics": diagnostics(results),
        "comparison": comparison(fits),
        "counties": pd.concat([county_levels(fit) for fit in fits], ignore_index=True),
        "unmeasured": unmeasured(fits),
        "ranks": county_ranks(results),
        "zones": county_zones(fits),
        "weights": pooling_weights(results),
        "prior_predictive": prior_predictive(fits),
        "sensitivity": together(results, "sensitivity"),
        "other_priors": together(results, "other_priors"),
        "data_rules": pd.DataFrame(coords["rules"], columns=["rule", "rows", "reason"]),
        "data_summary": data_summary(fits[0]),
        "definitions": definitions(fits[0].response),
        "scores": together(results, "scores"),
    }


def main(arguments: list[str] | None) -> None:
    """Write the tables of a study."""
    parser = cli.stage(__doc__, "coords", "twins", many="fits")
    parser.add_argument("--priors", type=Path, help="the study's [priors] section")
    parser.add_argument("--headline", type=Path, help="the model that the study names, or none")
    args = parser.parse_args(arguments)
    files = (args.coords, args.twins)
    coords, twins = (json.loads(path.read_text(encoding="utf-8")) for path in files)
    wanted = json.loads(args.headline.read_text(encoding="utf-8")) if args.headline else ""
    tables = make_tables(open_results(args.fits, coords, twins), coords, wanted)
    if args.priors:
        tables = {"priors": priors_table(read_section(Priors, args.priors))} | tables
    for name, table in tables.items():
        write_table(table, args.output / f"{name}.csv")


if __name__ == "__main__":
    cli.run(main)
