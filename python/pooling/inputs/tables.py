"""Read and validate tables: a study's houses and counties, and houses to predict.

Invalid input yields one error that names file, line, column and value. Checks run on whole
columns; the line number is looked up only after a failure.
"""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandera.errors import SchemaError
from pandera.pandas import Check, Column, DataFrameSchema

from pooling.build.errors import DataError
from pooling.inputs.csv_table import (
    line_number,
    read_header,
    read_rows,
    thousands,
    with_points,
)
from pooling.inputs.response import PER_PCI

HIGHEST_ACTIVITY = 100_000.0  # pCi/L; the highest ever measured in a house is near 3,500
LOWEST_ACTIVITY = 1e-6  # pCi/L; a smaller activity other than 0 is a typing error
LONGEST_NAME = 100  # characters
MISSING = "data.houses or data.counties in the study"
OTHERWISE = {
    "county_fips": ", or data.columns.county to that with the names of counties",
    "activity": ", or data.columns.log_radon to that with its logarithm",
}

# Characters that XML or a terminal cannot show, and line ends.
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ufffe\uffff]")

WHOLE = Check(
    lambda x: (x == x.round()) & (x.abs() < 1e9), error="is not a whole number; correct it"
)
ONCE = Check(lambda x: ~x.duplicated(), error="occurs twice; remove or renumber one of the rows")
CODE = Check(
    lambda x: x >= 1,
    error="is not a county code; give a whole number from 1, such as the FIPS code",
)
NAME = [
    Check(
        lambda x: ~x.isin([name for name in x.unique() if UNPRINTABLE.search(str(name))]),
        error="has a line end or another control character; remove it",
    ),
    Check(
        lambda x: ~x.isin([name for name in x.unique() if len(str(name)) > LONGEST_NAME]),
        error=f"is longer than {LONGEST_NAME} characters; shorten it",
    ),
]


WEIGHT = Check.in_range(
    1e-6, 1e9, error="is not a weight; give the number of houses that this one stands for"
)


def _activity(unit: str, *, nullable: bool = False) -> Column:
    highest, lowest = HIGHEST_ACTIVITY * PER_PCI[unit], LOWEST_ACTIVITY * PER_PCI[unit]
    checks = [
        Check(lambda x: x >= 0, error="is negative; correct it or remove the house"),
        Check(
            lambda x: x <= highest,
            error=f"is above {highest:,.0f} {unit}; correct it (the unit is {unit})",
        ),
        Check(
            lambda x: (x == 0) | (x >= lowest),
            error=f"is below {lowest:g} {unit}, but not 0; correct it",
        ),
    ]
    return Column(float, checks, nullable=nullable)


def _log_radon(unit: str) -> Column:
    lowest, highest = (PER_PCI[unit] * level for level in (LOWEST_ACTIVITY, HIGHEST_ACTIVITY))
    error = f"is not the logarithm of an activity up to {highest:,.0f} {unit}; correct it, or name "
    error += "the column data.columns.activity if it is the activity itself"
    return Column(float, Check.in_range(np.log(lowest), np.log(highest), error=error))


def _houses(unit: str, columns: Collection[str]) -> DataFrameSchema:
    """The columns that a study's table of houses has, given those that the study names."""
    named, logged = "county" in columns, "log_radon" in columns
    schema = {"house_id": Column(None, NAME)}
    if not named or "state" in columns:
        schema["state"] = Column(None, NAME)
    schema |= {"county": Column(None, NAME)} if named else {"county_fips": FIPS}
    schema["floor"] = Column(None, metadata={"code": True})
    schema |= {"log_radon": _log_radon(unit)} if logged else {"activity": _activity(unit)}
    schema |= {name: column for name, column in OF_COUNTIES.items() if name in columns}
    schema["weight"] = Column(float, WEIGHT, nullable=True)
    return DataFrameSchema(schema)


def _houses_to_predict(unit: str) -> DataFrameSchema:
    # Names as text: users need not know our codes.
    return DataFrameSchema(
        {
            "county": Column(None, NAME),
            "floor": Column(None, NAME),
            "activity": _activity(unit, nullable=True),
        }
    )


LONGITUDE = Check.in_range(-180, 180, error="is not a longitude; give degrees, east positive")
LATITUDE = Check.in_range(-90, 90, error="is not a latitude; give degrees, north positive")
URANIUM = Check.in_range(
    1e-6, 1e6, error="is not from 1e-6 to 1e6 ppm; correct it, or leave it blank if not measured"
)
LOG_URANIUM = Check.in_range(
    *np.log([1e-6, 1e6]), error="is not the logarithm of uranium in ppm; correct it"
)
FIPS = Column(float, [WHOLE, CODE])
OF_COUNTIES = {
    "uranium": Column(float, URANIUM, nullable=True),
    "log_uranium": Column(float, LOG_URANIUM, nullable=True),
}
COUNTIES = {
    "county_fips": Column(float, [WHOLE, CODE, ONCE]),
    "state": Column(None, NAME),
    "county": Column(None, NAME),
    "lon": Column(float, LONGITUDE, nullable=True),
    "lat": Column(float, LATITUDE, nullable=True),
    "uranium": OF_COUNTIES["uranium"],
}


@dataclass(frozen=True)
class Table:
    """A validated table with the source of its rows.

    Attributes
    ----------
    path
        The CSV file; None for a data frame.
    columns
        The file's column names by ours.
    rows
        Our columns; the index is the 0-based row of the file.
    """

    path: Path | None
    columns: Mapping[str, str]
    rows: pd.DataFrame

    def error(self, column: str, row: int, problem: str) -> DataError:
        """An error that names the place and value of a `problem` in one of our columns."""
        value = self.rows.at[row, column]
        if pd.isna(value):
            shown = "value"
        elif isinstance(value, float):
            shown = f"{value:.15g}"
        else:
            shown = repr(value) if isinstance(value, str) else str(value)
        place = f"{self.path}: line {line_number(self.path, row)}" if self.path else f"row {row}"
        return DataError(f"{place}: column {self.columns[column]}: {shown} {problem}")


def read_houses(path: Path, columns: Mapping[Any, str] | None = None, unit: str = "pCi/L") -> Table:
    """Read the table of houses.

    Parameters
    ----------
    path
        CSV file, UTF-8, with a header.
    columns
        The file's column names by ours, where they differ: the study's `data.columns`. Those
        of county, log_radon, uranium and log_uranium, and with county that of state, are read
        only if they are named here.
    unit
        Of the activities, as `data.unit` of the study.

    Returns
    -------
    Table
        house_id (integer or text; without such a column, the number of the row), state (text),
        county_fips (integer) or county (text), floor (integer where it is one, or text),
        activity (in `unit`, from 0) or log_radon, and perhaps uranium (ppm), log_uranium;
        weight (number of houses that this one stands for; NaN where it is missing).

    Raises
    ------
    DataError
        The first fault, with file, line, column and remedy.
    """
    given = columns or {}
    return _read(Path(path), _houses(unit, given), given, "data.columns")[0]


def read_counties(
    path: Path, columns: Mapping[Any, str] | None = None, *, named: bool = False
) -> Table:
    """Read the table of counties; as `read_houses`, with the study's `data.county_columns`.

    Parameters
    ----------
    named
        Whether houses have the names of counties: codes and states may then be missing.

    Returns
    -------
    Table
        county_fips (integer, unique), state, county (text), lon, lat (degrees),
        uranium (ppm); the last three are optional, and NaN where unknown, as the first two are
        if houses have names.
    """
    given = columns or {}
    schema = dict(COUNTIES)
    if named:
        header = read_header(Path(path), MISSING)
        for name in ("county_fips", "state"):
            if name not in given and name not in header:
                del schema[name]
    return _read(Path(path), DataFrameSchema(schema), given, "data.county_columns")[0]


def read_houses_to_predict(
    source: Path | str | pd.DataFrame, unit: str = "pCi/L"
) -> tuple[Table, pd.DataFrame]:
    """Read a table of houses to predict.

    Parameters
    ----------
    source
        CSV file with our column names, as for `read_houses`, or a data frame.
    unit
        Of the activities.

    Returns
    -------
    Table
        county, floor (text, or integers if all are), activity (in `unit`, from 0; optional, NaN
        where blank).
    DataFrame
        The other columns, unchanged from a frame, as text from a file.

    Raises
    ------
    DataError
        The first fault, with line (or 0-based row of the frame) and column.
    """
    schema = _houses_to_predict(unit)
    if not isinstance(source, pd.DataFrame):
        return _read(Path(source), schema, {}, None)
    frame = source.reset_index(drop=True)
    columns = {name: name for name in schema.columns}
    for name, column in schema.columns.items():
        count = list(frame.columns).count(name)
        if count > 1 or (count == 0 and not column.nullable):
            raise DataError(f"the frame of houses has {count} columns {name}; give it exactly one")
    if frame.empty:
        raise DataError("the frame of houses has no rows; add rows to it")
    rows = frame.reindex(columns=list(columns))
    text = _text_columns(schema)
    as_text = rows[text].astype(object).map(lambda value: value if pd.isna(value) else str(value))
    table = _checked(Table(None, columns, rows.assign(**as_text)), schema)
    return table, frame.drop(columns=list(columns), errors="ignore")


def _read(
    path: Path, schema: DataFrameSchema, given: Mapping[str, str], setting: str | None
) -> tuple[Table, pd.DataFrame]:
    """The validated table, and the file's other columns.

    Parameters
    ----------
    setting
        Setting of the study that maps columns; None for a table outside the study, whose other
        columns are read as text.
    """
    columns = {name: given.get(name, name) for name in schema.columns}
    header = read_header(path, MISSING if setting else "its path")
    blank = {
        name
        for name, column in schema.columns.items()
        if (column.nullable or name == "house_id") and name not in given and name not in header
    }
    _require(path, header, {k: v for k, v in columns.items() if k not in blank}, setting)
    text = [columns[name] for name in _text_columns(schema)]
    raw = read_rows(path, header, dict.fromkeys(text, str) if setting else str)
    rows = {ours: np.nan if ours in blank else raw[columns[ours]] for ours in columns}
    if "house_id" in blank:
        rows["house_id"] = pd.Series(np.arange(1, len(raw) + 1).astype(str), raw.index)
    table = Table(path, columns, pd.DataFrame(rows, index=raw.index))
    return _checked(table, schema), raw.loc[:, ~raw.columns.isin(list(columns.values()))]


def _text_columns(schema: DataFrameSchema) -> list[str]:
    columns = schema.columns.items()
    return [name for name, column in columns if column.dtype is None and not column.metadata]


def _require(
    path: Path, header: list[str], columns: Mapping[str, str], setting: str | None
) -> None:
    for ours, theirs in columns.items():
        if header.count(theirs) == 1:
            continue
        count = "no column" if theirs not in header else "more than one column"
        remedy = f"name exactly one column {ours}"
        if setting:
            remedy = f'set {setting}.{ours} = "..." in the study to the column with {ours}'
            remedy += OTHERWISE.get(ours, "")
        raise DataError(
            f"{path}: line 1: {count} {theirs}; the columns are {', '.join(header)}; {remedy}"
        )


def _checked(table: Table, schema: DataFrameSchema) -> Table:
    text = _text_columns(schema)
    codes = [name for name, column in schema.columns.items() if column.metadata]
    numbers = [name for name in schema.columns if name not in (*text, *codes)]
    columns = {name: _names(table.rows[name]) for name in text}
    columns |= {name: floor_codes(table.rows[name]) for name in codes}
    rows = table.rows.assign(**columns, **{name: _numbers(table, name) for name in numbers})
    found = Table(table.path, table.columns, rows)
    try:
        schema.validate(rows)
    except SchemaError as error:
        row = int(error.failure_cases["index"].iloc[0])
        problem = getattr(error.check, "error", None) or "is missing; fill it in or remove the row"
        raise found.error(error.schema.name, row, problem) from None
    whole = [name for name in ("county_fips",) if name in numbers]
    return Table(table.path, table.columns, rows.astype(dict.fromkeys(whole, "int64")))


def floor_codes(column: pd.Series) -> pd.Series:
    """Integers where a whole number is written, otherwise text without surrounding space."""
    if pd.api.types.is_integer_dtype(column):
        return column
    written = column.map(lambda value: str(value).strip(), na_action="ignore").replace("", np.nan)
    numbers = pd.to_numeric(written, errors="coerce")
    whole = (numbers == numbers.round()) & (numbers.abs() < 1e9)
    if whole.all():
        return numbers.astype("int64")
    return written.where(~whole, numbers.where(whole, 0).astype("int64").astype(object))


def _names(column: pd.Series) -> pd.Series:
    """Text without surrounding space; integers if all are written as such."""
    column = column.str.strip().replace("", np.nan)
    try:
        numbers = column.astype("int64")
    except (ValueError, OverflowError):
        return column
    # 007 and 7 are different houses, as are 1 and 1.0.
    return numbers if (numbers.astype(str) == column).all() else column


def _numbers(table: Table, name: str) -> pd.Series:
    column = table.rows[name]
    if pd.api.types.is_bool_dtype(column):
        column = column.astype(str)
    if name in ("activity", "log_radon") and (doubtful := thousands(table.path, column)).any():
        problem = "may have a thousands separator; write numbers without, with one decimal mark"
        raise table.error(name, int(doubtful.idxmax()), problem)
    numbers = pd.to_numeric(with_points(table.path, column), errors="coerce").astype(float)
    text = numbers.isna() & column.notna()
    if text.any():
        raise table.error(name, int(text.idxmax()), "is not a number; correct it")
    return numbers
