r"""Tables of all reference draws: the checks of each posterior, the mean of each parameter.

    python -m pooling.checking.reference_table X.info.json X.mean_value.json ... \
        -o checks.csv --means means.csv
"""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.fits.store import write_table

OWN, TWIN = "_noncentered", "_centered"


def posteriors_of(reference: str) -> list[str]:
    """posteriordb's posteriors that share these draws: a non-centered one and its twin."""
    return [reference, reference.replace(OWN, TWIN)] if reference.endswith(OWN) else [reference]


def checks_of(info: dict) -> dict:
    """One row of the table of checks: the worst value of each diagnostic, and what passed."""
    found = info["diagnostics"]
    names = found["diagnostic_information"]["names"]
    worst = {name: int(np.argmax(found[name])) for name in ("r_hat", "mean_lag1_ac")}
    return {
        "reference_posterior_name": info["name"],
        "draws": found["ndraws"],
        "parameters": len(names),
        "r_hat": found["r_hat"][worst["r_hat"]],
        "r_hat_of": names[worst["r_hat"]],
        "mean_lag1_ac": found["mean_lag1_ac"][worst["mean_lag1_ac"]],
        "mean_lag1_ac_of": names[worst["mean_lag1_ac"]],
        "efmi": min(found["expected_fraction_of_missing_information"]),
        "divergent_transitions": sum(found["divergent_transitions"]),
        "ess_bulk_min": min(found["effective_sample_size_bulk"]),
        "ess_tail_min": min(found["effective_sample_size_tail"]),
        **info["checks_made"],
    }


def main(arguments: list[str] | None) -> None:
    """Collect the diagnostics and means of reference draws."""
    parser = cli.stage(__doc__, many="files")
    parser.add_argument("--means", type=Path, required=True, help="table of means, CSV")
    given = parser.parse_args(arguments)
    checked, means = [], []
    for path in given.files:
        content = json.loads(path.read_text(encoding="utf-8"))
        if path.name.endswith(".info.json"):
            names = posteriors_of(content["name"])
            checked += [{"posterior": name, **checks_of(content)} for name in names]
        else:
            reference = path.name.removesuffix(".mean_value.json")
            means.append(pd.DataFrame({"reference_posterior_name": reference, **content}))
    write_table(pd.concat(means), given.means)
    write_table(pd.DataFrame(checked), given.output)


if __name__ == "__main__":
    cli.run(main)
