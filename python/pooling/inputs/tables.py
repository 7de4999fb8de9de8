"""Read and validate tables: a study's houses and counties, and houses to predict.

Invalid input yields one error that names file, line, column and value. Checks run on whole
columns; the line number is looked up only after a failure.
"""

import csv
import re
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from pandera.errors import SchemaError
from pandera.pandas import Check, Column, DataFrameSchema

from pooling.build.errors import DataError
from pooling.inputs.response import PER_PCI

HIGHEST_ACTIVITY = 100_000.0  # pCi/L; the highest ever measured in a house is near 3,500
LOWEST_ACTIVITY = 1e-6  # pCi/L; a smaller activity other than 0 is a typing error
LONGEST_NAME = 100  # characters

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


def _activity(unit: str) -> list[Check]:
    highest, lowest = HIGHEST_ACTIVITY * PER_PCI[unit], LOWEST_ACTIVITY * PER_PCI[unit]
    return [
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


def _houses(unit: str) -> DataFrameSchema:
    return DataFrameSchema(
        {
            "house_id": Column(None, [*NAME, ONCE]),
            "state": Column(None, NAME),
            "county_fips": Column(float, [WHOLE, CODE]),
            "floor": Column(float, WHOLE),
            "activity": Column(float, _activity(unit)),
            "weight": Column(float, WEIGHT, nullable=True),
        }
    )


def _houses_to_predict(unit: str) -> DataFrameSchema:
    # Names as text: users need not know our codes.
    return DataFrameSchema(
        {
            "county": Column(None, NAME),
            "floor": Column(None, NAME),
            "activity": Column(float, _activity(unit), nullable=True),
        }
    )


LONGITUDE = Check.in_range(-180, 180, error="is not a longitude; give degrees, east positive")
LATITUDE = Check.in_range(-90, 90, error="is not a latitude; give degrees, north positive")
URANIUM = Check.in_range(
    1e-6, 1e6, error="is not from 1e-6 to 1e6 ppm; correct it, or leave it blank if not measured"
)
COUNTIES = DataFrameSchema(
    {
        "county_fips": Column(float, [WHOLE, CODE, ONCE]),
        "state": Column(None, NAME),
        "county": Column(None, NAME),
        "lon": Column(float, LONGITUDE, nullable=True),
        "lat": Column(float, LATITUDE, nullable=True),
        "uranium": Column(float, URANIUM, nullable=True),
    }
)


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
        The file's column names by ours, where they differ: the study's `data.columns`.
    unit
        Of the activities, as `data.unit` of the study.

    Returns
    -------
    Table
        house_id (integer or text, unique), state (text), county_fips, floor
        (integers), activity (in `unit`, from 0); weight (number of houses that this one stands
        for; optional, and NaN where it is missing).

    Raises
    ------
    DataError
        The first fault, with file, line, column and remedy.
    """
    return _read(Path(path), _houses(unit), columns or {}, "data.columns")[0]


def read_counties(path: Path, columns: Mapping[Any, str] | None = None) -> Table:
    """Read the table of counties; as `read_houses`, with the study's `data.county_columns`.

    Returns
    -------
    Table
        county_fips (integer, unique), state, county (text), lon, lat (degrees),
        uranium (ppm); the last three are optional, and NaN where unknown.
    """
    return _read(Path(path), COUNTIES, columns or {}, "data.county_columns")[0]


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


def line_number(path: Path, row: int) -> int:
    """1-based line of the file on which its 0-based `row` begins."""
    for number, (line, _) in enumerate(_records(path), start=-1):
        if number == row:
            return line
    raise IndexError(row)


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
    try:
        header = _header(path, setting)
        _refuse_nul(path)
        blank = {
            name
            for name, column in schema.columns.items()
            if column.nullable and name not in given and name not in header
        }
        _require(path, header, {k: v for k, v in columns.items() if k not in blank}, setting)
        text = [columns[name] for name in _text_columns(schema)]
        raw = _parse(path, header, dict.fromkeys(text, str) if setting else str)
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    if raw.empty:
        raise DataError(f"{path}: the table has a header and no rows; add rows to it")
    rows = {ours: np.nan if ours in blank else raw[columns[ours]] for ours in columns}
    table = Table(path, columns, pd.DataFrame(rows, index=raw.index))
    return _checked(table, schema), raw.loc[:, ~raw.columns.isin(list(columns.values()))]


def _text_columns(schema: DataFrameSchema) -> list[str]:
    return [name for name, column in schema.columns.items() if column.dtype is None]


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, header included, with its first line."""
    last = ""
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(((last := line) for line in file), skipinitialspace=True)
        begins = 1
        try:
            for record in reader:
                # As in pandas, two quotes or a vertical tab are a field.
                if len(record) > 1 or last.strip(" \t\r\n"):
                    yield begins, record
                begins = reader.line_num + 1
        except csv.Error:
            raise DataError(
                f"{path}: line {begins}: a quote opens here and is not closed; close or remove it"
            ) from None


def _header(path: Path, setting: str | None) -> list[str]:
    try:
        _, header = next(_records(path))
    except FileNotFoundError:
        remedy = "data.houses or data.counties in the study" if setting else "its path"
        raise DataError(f"{path}: no such table; correct {remedy}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; give the path of a table") from None
    except StopIteration:
        raise DataError(f"{path}: the file is empty; add a header and rows") from None
    return [name.strip() for name in header]


def _refuse_nul(path: Path) -> None:
    # csv and pandas treat NUL differently; UTF-16 files contain many.
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if b"\0" in line:
                raise DataError(f"{path}: line {number}: a NUL byte; save the table as UTF-8 CSV")


def _require(
    path: Path, header: list[str], columns: Mapping[str, str], setting: str | None
) -> None:
    if len(header) == 1 and (mark := re.search(r"[;\t|]", header[0])):
        raise DataError(
            f"{path}: line 1: columns are separated by {mark[0]!r}; save the table with commas "
            "between columns and decimal points"
        )
    for ours, theirs in columns.items():
        if header.count(theirs) == 1:
            continue
        count = "no column" if theirs not in header else "more than one column"
        remedy = f"name exactly one column {ours}"
        if setting:
            remedy = f'set {setting}.{ours} = "..." in the study to the column with {ours}'
        raise DataError(
            f"{path}: line 1: {count} {theirs}; the columns are {', '.join(header)}; {remedy}"
        )


def _parse(path: Path, header: list[str], types: dict[str, type] | type) -> pd.DataFrame:
    """Read the file; a row with too many or too few fields is an error.

    pandas pads short rows, so only a gap in the last column can mean a short row.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw = pd.read_csv(
                path,
                encoding="utf-8-sig",
                compression=None,
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                dtype=types,
                low_memory=False,
            )
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _refuse_ragged(path)
        raise DataError(f"{path}: not a CSV table ({error}); correct the file") from None
    raw.columns = pd.Index(header)
    if raw.iloc[:, -1].isna().any():
        _refuse_ragged(path)
    return raw


def _refuse_ragged(path: Path) -> None:
    records = _records(path)
    _, header = next(records)
    for line, record in records:
        if len(record) != len(header):
            raise DataError(
                f"{path}: line {line}: {len(record)} fields where the header has {len(header)}; "
                "give one field per column, and quote fields that contain a comma"
            )


def _not_utf8(path: Path) -> DataError:
    content = path.read_bytes()
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        return DataError(
            f"{path}: line {line}: byte {content[error.start]:#04x} is not UTF-8; "
            "save the table as UTF-8 CSV"
        )
    raise AssertionError("the file is UTF-8")


def _checked(table: Table, schema: DataFrameSchema) -> Table:
    text = _text_columns(schema)
    numbers = [name for name in schema.columns if name not in text]
    columns = {name: _names(table.rows[name]) for name in text}
    rows = table.rows.assign(**columns, **{name: _numbers(table, name) for name in numbers})
    found = Table(table.path, table.columns, rows)
    try:
        schema.validate(rows)
    except SchemaError as error:
        row = int(error.failure_cases["index"].iloc[0])
        problem = getattr(error.check, "error", None) or "is missing; fill it in or remove the row"
        raise found.error(error.schema.name, row, problem) from None
    whole = [name for name in ("county_fips", "floor") if name in numbers]
    return Table(table.path, table.columns, rows.astype(dict.fromkeys(whole, "int64")))


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
    numbers = pd.to_numeric(column, errors="coerce").astype(float)
    text = numbers.isna() & column.notna()
    if text.any():
        raise table.error(name, int(text.idxmax()), "is not a number; correct it")
    return numbers
