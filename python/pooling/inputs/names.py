"""Counties known by name: their table, from the houses if there is no other, and their codes.

Later stages know counties by number. Where a study gives their names, they have the codes of its
table of counties; without such a table or codes in it, they are numbered from 1 in alphabetical
order of state and name.
"""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.inputs.csv_table import line_number
from pooling.inputs.study import Data
from pooling.inputs.tables import Table, read_counties

ONE_AREA = "one area"  # the state of every county where no column gives it
UNKNOWN = 0  # code of a county that is not in the table of counties


def read_named_counties(source: Path | Table, data: Data) -> Table:
    """The counties of a study whose houses have the names of their counties.

    Parameters
    ----------
    source
        The table of counties, or the houses, as `read_houses` reads them, if there is none.
    data
        The study's settings; counties in `drop_counties` are left out.

    Returns
    -------
    Table
        As `read_counties` reads it, with codes and states.

    Raises
    ------
    DataError
        A row is faulty, a county without a code occurs twice, or houses of one county have
        different uranium.
    """
    if isinstance(source, Table):
        table = _of_houses(source)
    else:
        table = read_counties(source, data.county_columns, named=True)
    rows = table.rows.copy()
    if "state" not in rows:
        rows["state"] = ONE_AREA
    if "county_fips" in rows:
        rows = rows[~rows["county_fips"].isin(data.drop_counties)]
    else:
        key = _key(rows)
        if key.duplicated().any():
            row = int(key.duplicated().idxmax())
            raise table.error("county", row, "occurs twice; remove one of the rows")
        order = rows.assign(key=key).sort_values(["state", "key"]).index
        rows["county_fips"] = pd.Series(np.arange(1, len(rows) + 1), order)
    return replace(table, rows=rows)


def with_codes(houses: Table, counties: Table) -> Table:
    """Houses with the codes of their counties, or `UNKNOWN`, and states.

    Raises
    ------
    DataError
        Several counties have the name of a house's county.
    """
    rows, known = houses.rows.copy(), counties.rows
    stateless = "state" not in rows
    if stateless:
        # Names alone must tell.
        rows["state"], known = ONE_AREA, known.assign(state=ONE_AREA)
    key, keys = _key(rows), _key(known)
    ambiguous = key.isin(keys[keys.duplicated()])
    if ambiguous.any():
        remedy = f"is the name of several counties in {counties.path}; "
        remedy += "name data.columns.state" if stateless else "give codes, data.columns.county_fips"
        raise houses.error("county", int(ambiguous.idxmax()), remedy)
    place = pd.Series(known.index, keys)[lambda places: ~places.index.duplicated()]
    found = key.map(place)
    rows["county_fips"] = found.map(known["county_fips"]).fillna(UNKNOWN).astype("int64")
    if stateless:
        rows["state"] = found.map(counties.rows["state"]).fillna(ONE_AREA)
    return replace(houses, rows=rows)


def spellings(houses: pd.DataFrame) -> int:
    """Rows in which a county is spelt otherwise than in its first row."""
    first = houses.groupby("county_fips")["county"].transform("first")
    return int((first.astype(str) != houses["county"].astype(str)).sum())


def _key(rows: pd.DataFrame) -> pd.Series:
    """State and name of each county, whatever capitals and blanks they are written with."""
    names = rows["county"].astype(str).str.split().str.join(" ").str.casefold()
    return names + "\n" + rows["state"].astype(str)


def _of_houses(houses: Table) -> Table:
    """One row per county of the houses, under the name that is written first."""
    rows = houses.rows
    if "state" not in rows:
        rows = rows.assign(state=ONE_AREA)
    key = _key(rows)
    counties = rows[~key.duplicated()][["state", "county"]]
    counties = counties.assign(county=counties["county"].astype(str), lon=np.nan, lat=np.nan)
    uranium = _uranium(houses, key)
    counties["uranium"] = key[counties.index].map(uranium).to_numpy()
    return replace(houses, rows=counties)


def _uranium(houses: Table, key: pd.Series) -> pd.Series:
    """Uranium (ppm) by county, from houses that must agree; NaN where none has it."""
    name = next((name for name in ("uranium", "log_uranium") if name in houses.rows), None)
    if name is None:
        return pd.Series(np.nan, key.unique())
    values = houses.rows[name]
    first = values.groupby(key).transform("first")
    different = values.notna() & (values != first)
    if different.any():
        row = int(different.idxmax())
        same = (key == key[row]) & values.notna()
        line = line_number(houses.path, int(same.idxmax())) if houses.path else same.idxmax()
        raise houses.error(
            name,
            row,
            f"differs from {first[row]:.15g} in line {line}, a house of the same county; uranium "
            "is that of the county: correct one of them",
        )
    found = values.groupby(key).first()
    return np.exp(found) if name == "log_uranium" else found
