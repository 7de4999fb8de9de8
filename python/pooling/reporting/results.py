"""Tables of a study: the estimates, diagnostics and scores of all models, and the answer by county.

`python -m pooling.reporting.results COORDS.json TWINS.json FIT... -o TABLES --priors PRIORS.json`

The folder TABLES gets one CSV a table; `pooling.reporting.definitions` says what is in each.
Nothing here is random: the same fits give the same bytes.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.files import replacing
from pooling.fits.convergence import GROUPS
from pooling.inputs.priors import PARTS, Priors
from pooling.inputs.study import read_section
from pooling.reporting.comparison import comparison
from pooling.reporting.counties import county_levels, data_summary, prior_predictive
from pooling.reporting.definitions import definitions
from pooling.reporting.fits import Result, open_results


def models(results: Sequence[Result]) -> pd.DataFrame:
    """One row per model: model, structure, converged, allowed_to_fail (the study's reason)."""
    rows = [
        {
            "model": r.fit.model,
            "structure": r.structure,
            "converged": r.fit.converged,
            "allowed_to_fail": r.fit.diagnostics.get("allowed_to_fail"),
        }
        for r in results
    ]
    return pd.DataFrame(rows)


def diagnostics(results: Sequence[Result]) -> pd.DataFrame:
    """One row for each model and group, posterior or prior, of the gate's findings.

    `<check>_parameter` is the parameter with the worst value; `failed` names the
    failed checks; `passed` is about the group, not about the whole model.
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
        # What is infinite sets no scale or bound.
        finite = {name: value for name, value in prior if np.isfinite(value)}
        rows.append({"parameter": parameter, "prior": prior.family} | finite)
    return pd.DataFrame(rows, columns=["parameter", "prior", *PARTS])


def together(results: Sequence[Result], name: str) -> pd.DataFrame:
    """One of the tables beside each fit, of all fits; some may be empty."""
    tables = [result.table(name) for result in results]
    filled = [table for table in tables if len(table)]
    return pd.concat(filled, ignore_index=True) if filled else tables[0]


def make_tables(results: Sequence[Result], coords: dict) -> dict[str, pd.DataFrame]:
    """All tables that fits and rules give, by name; see `pooling.reporting.definitions`.

    The scores are last: once make sees them, the other tables are there.
    """
    return {
        "models": models(results),
        "estimates": together(results, "estimates"),
        "diagnostics": diagnostics(results),
        "comparison": comparison([r.fit for r in results]),
        "counties": pd.concat([county_levels(r.fit) for r in results], ignore_index=True),
        "prior_predictive": prior_predictive([r.fit for r in results]),
        "sensitivity": together(results, "sensitivity"),
        "other_priors": together(results, "other_priors"),
        "data_rules": pd.DataFrame(coords["rules"], columns=["rule", "rows", "reason"]),
        "data_summary": data_summary(results[0].fit),
        "definitions": definitions(),
        "scores": together(results, "scores"),
    }


def main(arguments: list[str] | None) -> None:
    """Write the tables of a study."""
    parser = cli.stage(__doc__, "coords", "twins", many="fits")
    parser.add_argument("--priors", type=Path, help="the study's [priors] section")
    given = parser.parse_args(arguments)
    files = (given.coords, given.twins)
    coords, twins = (json.loads(path.read_text(encoding="utf-8")) for path in files)
    tables = make_tables(open_results(given.fits, coords, twins), coords)
    if given.priors:
        tables = {"priors": priors_table(read_section(Priors, given.priors))} | tables
    for name, table in tables.items():
        with replacing(given.output / f"{name}.csv") as draft:
            table.to_csv(draft, index=False, float_format="%.6g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
