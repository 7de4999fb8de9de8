"""Read CSV files strictly: a header, as many fields in every row, UTF-8.

Columns are separated by commas or, as in spreadsheets of much of Europe, by semicolons or tabs;
numbers may then have decimal commas. Line numbers are looked up only after a failure.
"""

import csv
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pandas as pd

from pooling.build.errors import DataError

COMMAS = re.compile(r"[-+]?\d+,\d+")
THOUSANDS = re.compile(r"[-+]?\d{1,3}\.\d{3}")


def line_number(path: Path, row: int) -> int:
    """1-based line of the file on which its 0-based `row` begins."""
    for number, (line, _) in enumerate(_records(path), start=-1):
        if number == row:
            return line
    raise IndexError(row)


def read_header(path: Path, remedy: str) -> list[str]:
    """Names of the columns.

    Parameters
    ----------
    remedy
        What to correct if there is no such file.

    Raises
    ------
    DataError
        The file is missing, empty, not UTF-8 text, or has one column.
    """
    try:
        _, header = next(_records(path))
        _refuse_nul(path)
    except FileNotFoundError:
        raise DataError(f"{path}: no such table; correct {remedy}") from None
    except IsADirectoryError:
        raise DataError(f"{path}: is a folder; give the path of a table") from None
    except StopIteration:
        raise DataError(f"{path}: the file is empty; add a header and rows") from None
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    if len(header) == 1 and "|" in header[0]:
        raise DataError(
            f"{path}: line 1: columns are separated by '|'; save the table with commas or "
            "semicolons between columns"
        )
    return [name.strip() for name in header]


def read_rows(path: Path, header: list[str], types: Mapping[str, type] | type) -> pd.DataFrame:
    """The rows, with columns named as in `header`; only an empty field is missing.

    pandas pads short rows, so only a gap in the last column can mean a short row.

    Raises
    ------
    DataError
        A row has too many or too few fields, or there is none.
    """
    mark = separator(path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", pd.errors.ParserWarning)
            raw = pd.read_csv(
                path,
                sep=mark,
                encoding="utf-8-sig",
                compression=None,
                index_col=False,
                skipinitialspace=True,
                keep_default_na=False,
                na_values=[""],
                dtype=types if mark == "," else str,
                low_memory=False,
            )
    except UnicodeDecodeError:
        raise _not_utf8(path) from None
    except (pd.errors.ParserError, pd.errors.ParserWarning) as error:
        _refuse_ragged(path)
        raise DataError(f"{path}: not a CSV table ({error}); correct the file") from None
    raw.columns = pd.Index(header)
    if raw.iloc[:, -1].isna().any():
        _refuse_ragged(path)
    if raw.empty:
        raise DataError(f"{path}: the table has a header and no rows; add rows to it")
    return raw


def separator(path: Path) -> str:
    """What separates the columns of the first line that is not blank."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        first = next((line for line in file if line.strip()), "")
    outside = re.sub(r'"[^"]*"', "", first)
    return max((",", ";", "\t"), key=outside.count)


def with_points(path: Path | None, column: pd.Series) -> pd.Series:
    """Text of numbers with decimal points; commas are decimal where columns have another mark."""
    if path is None or not pd.api.types.is_string_dtype(column) or separator(path) == ",":
        return column
    commas = column.str.fullmatch(COMMAS).fillna(False).astype(bool)
    return column.where(~commas, column.str.replace(",", "."))


def thousands(path: Path | None, column: pd.Series) -> pd.Series:
    """Rows whose point may separate thousands: three digits follow it, or others have commas."""
    if path is None or not pd.api.types.is_string_dtype(column) or separator(path) == ",":
        return pd.Series(False, column.index)
    pointed = column.str.contains(".", regex=False).fillna(False).astype(bool)
    commas = column.str.contains(",", regex=False).fillna(False).astype(bool)
    like = column.str.fullmatch(THOUSANDS).fillna(False).astype(bool)
    doubtful = commas.any() or like[pointed].all()
    return pointed & doubtful


def _records(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield each record that is not blank, header included, with its first line."""
    last = ""
    mark = separator(path)
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = ((last := line) for line in file)
        reader = csv.reader(lines, delimiter=mark, skipinitialspace=True)
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


def _refuse_nul(path: Path) -> None:
    # csv and pandas treat NUL differently; UTF-16 files contain many.
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if b"\0" in line:
                raise DataError(f"{path}: line {number}: a NUL byte; save the table as UTF-8 CSV")


def _refuse_ragged(path: Path) -> None:
    records = _records(path)
    _, header = next(records)
    for line, record in records:
        if len(record) != len(header):
            raise DataError(
                f"{path}: line {line}: {len(record)} fields where the header has {len(header)}; "
                "give one field per column, and quote fields that contain the separator"
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
