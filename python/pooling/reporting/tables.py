"""The study's tables, as the report reads them."""

from pathlib import Path

import pandas as pd

from pooling.build.errors import DataError
from pooling.fits.store import read_table
from pooling.inputs.decision import TABLES as DECISIONS

REQUIRED = (
    *("models", "estimates", "diagnostics", "scores", "comparison"),
    *("counties", "ranks", "zones", "weights", "data_rules", "data_summary", "definitions"),
)
OPTIONAL = (
    *("priors", "prior_predictive", "sensitivity", "other_priors", "frequentist", "published"),
    *("unmeasured", *DECISIONS),
)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a study, by name.

    Raises
    ------
    DataError
        A table that the report needs is missing.
    """
    tables = {}
    for name in (*REQUIRED, *OPTIONAL):
        path = folder / f"{name}.csv"
        if path.is_file():
            tables[name] = read_table(path)
        elif name in REQUIRED:
            raise DataError(f"{path}: no such table; run make again")
    return tables


def records(table: pd.DataFrame) -> list[dict]:
    """Rows as dictionaries, None for missing values."""
    return table.astype(object).where(table.notna(), None).to_dict("records")
