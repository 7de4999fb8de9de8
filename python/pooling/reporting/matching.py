"""Match the rows of a user's table with the counties and floors of a study."""

import re
from collections.abc import Mapping

import numpy as np
import pandas as pd

from pooling.fits.store import label_counties
from pooling.inputs.sections import FLOORS
from pooling.inputs.tables import Table


def floor_words(table: Table, floors: Mapping[int | str, str]) -> list[str]:
    """Floor of each house, "basement" or "first floor".

    Raises
    ------
    DataError
        A floor is neither of these nor a code of the study.
    """
    meanings = {_plain(code): word for code, word in floors.items()}
    meanings |= {word: word for word in FLOORS}
    written = table.rows["floor"].map(_plain)
    unknown = ~written.isin(list(meanings))
    if unknown.any():
        codes = "".join(f"{code} ({word}), " for code, word in floors.items())
        problem = f"is not a floor of the study; give {codes}or the word"
        raise table.error("floor", int(unknown.idxmax()), problem)
    return written.map(meanings).tolist()


def county_positions(table: Table, counties: pd.DataFrame) -> np.ndarray:
    """Position of each house's county among the study's, from 0; -1 if it is not in the study.

    Parameters
    ----------
    counties
        `Fit.counties`.

    Raises
    ------
    DataError
        Several counties of the study have this name.
    """
    labels = label_counties(counties).tolist()
    places: dict[str, set[int]] = {}
    columns = (counties[name] for name in ("county_fips", "county", "state"))
    for place, (fips, name, state) in enumerate(zip(*columns, strict=True)):
        for written in (fips, name, f"{name}, {state}", labels[place]):
            places.setdefault(_plain(written), set()).add(place)
    found = table.rows["county"].map(lambda written: places.get(_plain(written), set()))
    several = found.map(len) > 1
    if several.any():
        row = int(several.idxmax())
        choice = " or ".join(
            f"{labels[i]} ({counties['county_fips'][i]})" for i in sorted(found[row])
        )
        raise table.error(
            "county",
            row,
            f"is the name of several counties; give the full name or the code: {choice}",
        )
    return np.array([min(places, default=-1) for places in found])


def _plain(written: object) -> str:
    """A name or code in a common form: 01001 and 1001.0 are 1001."""
    text = re.sub(r"\s*,\s*", ", ", " ".join(str(written).split())).casefold()
    number = re.fullmatch(r"0*(\d+?)(\.0*)?", text)
    return number[1] if number else text
