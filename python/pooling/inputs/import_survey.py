"""Reproduce the shipped tables from the raw survey, byte for byte.

`python -m pooling.inputs.import_survey srrs2.dat cty.dat` reads the files of houses and
counties distributed with Gelman and Hill (2007) and writes `households.csv` and
`counties.csv`. Values are copied unchanged; the study decides which houses are used.
data/README.md lists the rules and how many rows each affects.
"""

from argparse import ArgumentParser
from pathlib import Path

import pandas as pd

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.build.files import replacing

HOUSE_COLUMNS = (
    *("idnum", "state", "state2", "stfips", "cntyfips", "county"),
    *("floor", "activity", "adjwt"),
)
COUNTY_COLUMNS = ("stfips", "ctfips", "st", "cty", "lon", "lat", "Uppm")

RESERVATIONS = "R5"  # the survey's "state" of tribal land in Michigan, Minnesota and Wisconsin

# cty.dat has names without spaces. The survey has most of them with spaces, but not these
# counties, which have no house in their own state's survey.
NAMES_WITH_BLANKS = {
    26055: "GRAND TRAVERSE",
    26141: "PRESQUE ISLE",
    26147: "ST CLAIR",
    26149: "ST JOSEPH",
    26159: "VAN BUREN",
    27125: "RED LAKE",
    55035: "EAU CLAIRE",
    55039: "FOND DU LAC",
    55047: "GREEN LAKE",
    55063: "LA CROSSE",
    55109: "ST CROIX",
}

# A county in several parts has one row for each. The first has the centroid of the whole county or
# of its main part, except here, where the second has.
SECOND_CENTROID = {25021}  # NORFOLK


def read_raw(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    """Read columns of a raw file as text, without padding.

    Raises
    ------
    DataError
        The file lacks a column or has another format.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="ascii")
    except (ValueError, pd.errors.ParserError) as error:
        raise DataError(
            f"{path}: not a raw file of the survey ({error}); give srrs2.dat first"
        ) from None
    table.columns = table.columns.str.strip()
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise DataError(
            f"{path}: line 1: no column {missing[0]}; "
            "give the original srrs2.dat first and cty.dat second"
        )
    return table[list(columns)].apply(lambda column: column.str.strip())


def fips(state: pd.Series, county: pd.Series) -> pd.Series:
    """County key: state FIPS code * 1000 + county FIPS code."""
    return state.astype(int) * 1000 + county.astype(int)


def households(survey: pd.DataFrame) -> pd.DataFrame:
    """One row per house, in the survey's order; every row and every code is kept."""
    return pd.DataFrame(
        {
            "house_id": survey["idnum"],
            "state": survey["state"],
            "county_fips": fips(survey["stfips"], survey["cntyfips"]),
            "floor": survey["floor"],
            "activity": survey["activity"],
            "weight": survey["adjwt"],
        }
    )


def counties(survey: pd.DataFrame, places: pd.DataFrame) -> pd.DataFrame:
    """One row per county in the survey's states or in the codes of its houses, in FIPS order.

    A county in several parts has several rows in `places`, with one uranium value and several
    centroids; the first row is used, or the second of `SECOND_CENTROID`. Uranium 0 means not
    measured.
    """
    seen = pd.DataFrame(
        {
            "county_fips": fips(survey["stfips"], survey["cntyfips"]),
            "state": survey["state2"],
        }
    ).drop_duplicates("county_fips")
    mapped = places.rename(columns={"st": "state", "cty": "county", "Uppm": "uranium"})
    mapped.insert(0, "county_fips", fips(places["stfips"], places["ctfips"]))
    minor = mapped["county_fips"].isin(SECOND_CENTROID) & ~mapped["county_fips"].duplicated()
    mapped = mapped[~minor].drop_duplicates("county_fips")
    mapped = mapped[mapped["state"].isin(survey["state2"])]
    mapped.loc[mapped["uranium"].astype(float) == 0, "uranium"] = ""
    unmapped = seen[~seen["county_fips"].isin(mapped["county_fips"])]
    table = pd.concat([mapped, unmapped]).sort_values("county_fips", ignore_index=True).fillna("")
    key = table["county_fips"]
    name = key.map(survey_names(survey, tribal=False)).fillna(key.map(NAMES_WITH_BLANKS))
    table["county"] = name.fillna(
        table["county"].where(table["county"] != "", key.map(survey_names(survey, tribal=True)))
    )
    return table[["county_fips", "state", "county", "lon", "lat", "uranium"]]


def survey_names(survey: pd.DataFrame, *, tribal: bool) -> pd.Series:
    """Most frequent county name in the survey by FIPS code; ties go to the first alphabetically.

    On tribal land the survey gives the reservation's name instead of the county's.
    """
    rows = survey[((survey["state"] == RESERVATIONS) == tribal) & (survey["county"] != "")]
    counts = rows.groupby([fips(rows["stfips"], rows["cntyfips"]), "county"]).size()
    counts = counts.rename_axis(["county_fips", "county"]).reset_index(name="rows")
    best = counts.sort_values(["rows", "county"], ascending=[False, True])
    return best.drop_duplicates("county_fips").set_index("county_fips")["county"]


def write_table(table: pd.DataFrame, path: Path) -> None:
    """Write a table as UTF-8 with Unix line endings."""
    with replacing(path) as draft:
        table.to_csv(draft, index=False, lineterminator="\n", encoding="utf-8")


def command_line(description: str | None, **inputs: str) -> ArgumentParser:
    """Parser of an import: its `inputs` in order, each with its help, and the folder to fill."""
    parser = cli.parser(description)
    for name, text in inputs.items():
        parser.add_argument(name, type=Path, help=text)
    parser.add_argument(
        *("-o", "--output"), type=Path, default=Path("data"), help="folder (default: %(default)s)"
    )
    return parser


def main(arguments: list[str] | None = None) -> None:
    """Command line of the module."""
    parser = command_line(__doc__, survey="srrs2.dat, the houses", places="cty.dat, the counties")
    given = parser.parse_args(arguments)
    survey = read_raw(given.survey, HOUSE_COLUMNS)
    places = read_raw(given.places, COUNTY_COLUMNS)
    write_table(households(survey), given.output / "households.csv")
    write_table(counties(survey, places), given.output / "counties.csv")


if __name__ == "__main__":
    cli.run(main)
