"""Read county outlines: one row per county, its polygons as well-known text."""

import re
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build.errors import DataError

COLUMNS = ("county_fips", "outline")
NUMBER = r"[-+]?\d+(?:\.\d*)?(?:[eE][-+]?\d+)?"
POINT = rf"{NUMBER}\s+{NUMBER}"
RING = rf"\(\s*{POINT}(?:\s*,\s*{POINT})*\s*\)"
POLYGON = rf"\(\s*{RING}(?:\s*,\s*{RING})*\s*\)"
OUTLINE = re.compile(
    rf"\s*(?:POLYGON\s*{POLYGON}|MULTIPOLYGON\s*\(\s*{POLYGON}(?:\s*,\s*{POLYGON})*\s*\))\s*"
)
OUTER = re.compile(r"\(\s*\(([^()]*)\)")  # the first ring of a polygon; the others are holes

NO_SHAPES = pd.DataFrame({"county_fips": [], "ring": [], "lon": [], "lat": []})


def read_shapes(path: Path) -> pd.DataFrame:
    """Outer rings of the county outlines; holes are other counties and are ignored.

    Returns
    -------
    DataFrame
        One row per point, in the table's order, the last point of a ring its first:
        county_fips, ring (0, 1, ... of the county), lon, lat (degrees).

    Raises
    ------
    DataError
        The file is missing or lacks a column, or a row has no county code, repeats a county,
        or has an outline that is not a closed (MULTI)POLYGON in degrees.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except FileNotFoundError:
        raise DataError(
            f"{path}: no such table of outlines; correct data.county_shapes in the study"
        ) from None
    except ValueError as error:
        raise DataError(f"{path}: not a CSV table ({error}); correct the file") from None
    missing = [name for name in COLUMNS if name not in table]
    if missing:
        raise DataError(f"{path}: line 1: no column {missing[0]}; it needs {', '.join(COLUMNS)}")
    if table.empty:
        raise DataError(f"{path}: no outlines; add one row per county")
    twice = table["county_fips"].duplicated()
    rows = zip(table["county_fips"], table["outline"], twice, strict=True)
    parts = [_rings(*row, f"{path}: row {number}") for number, row in enumerate(rows, start=1)]
    return pd.concat([ring for rings in parts for ring in rings], ignore_index=True)


def _rings(code: str, outline: str, twice: bool, place: str) -> list[pd.DataFrame]:
    if not re.fullmatch(r"\d{1,9}", code):
        raise DataError(f"{place}: county_fips: {code!r} is not a county code; correct it")
    if twice:
        raise DataError(f"{place}: county_fips: {code} occurs twice; remove one of the rows")
    if not OUTLINE.fullmatch(outline):
        raise DataError(
            f"{place}: outline: not a polygon; write it as well-known text, as in "
            "MULTIPOLYGON (((-93.1 46.2, -93.1 46.9, -93.8 46.9, -93.1 46.2)))"
        )
    rings = []
    for number, text in enumerate(OUTER.findall(outline)):
        points = np.array([pair.split() for pair in text.split(",")], dtype=float)
        if len(points) < 4 or (points[0] != points[-1]).any():
            raise DataError(
                f"{place}: outline: ring {number + 1} is not closed; repeat its first point"
            )
        if (np.abs(points) > [180, 90]).any():
            raise DataError(
                f"{place}: outline: beyond 180 or 90 degrees; write longitude, then latitude"
            )
        about = {"county_fips": int(code), "ring": number}
        rings.append(pd.DataFrame(about | {"lon": points[:, 0], "lat": points[:, 1]}))
    return rings
