"""Turn the tables and a study into Stan data, and count the rows that are dropped.

No other module drops rows or makes 1-based indices.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from pooling.build import cli
from pooling.build.errors import StudyError
from pooling.build.files import replacing
from pooling.inputs.priors import Priors
from pooling.inputs.response import ZERO, log_activity
from pooling.inputs.study import Data, read_section, study_file
from pooling.inputs.tables import Table, read_counties, read_houses

EARTH_RADIUS = 6371.0088  # km; mean radius of the International Union of Geodesy and Geophysics
METRE = 3  # decimals of a distance in km; centroids have hundreds of metres


@dataclass
class Rules:
    """The rules that were applied, in order.

    Attributes
    ----------
    applied
        One entry per rule: `rule`, the number of `rows` it affected, `reason`.
    """

    applied: list[dict[str, str | int]] = field(default_factory=list)

    def record(self, rule: str, rows: int, reason: str) -> None:
        """Add a rule, even if it affected no row."""
        self.applied.append({"rule": rule, "rows": int(rows), "reason": reason})

    def record_any(self, rule: str, rows: int, reason: str) -> None:
        """Add a rule unless it affected no row."""
        if rows:
            self.record(rule, rows, reason)


def select_houses(table: Table, data: Data, rules: Rules) -> pd.DataFrame:
    """Houses of the study's states, except those with dropped floor or county codes.

    Raises
    ------
    StudyError
        `data.states` names a state without houses, or no house remains.
    DataError
        A house has a floor code that the study does not mention.
    """
    houses = table.rows
    rules.record("houses read", len(houses), f"rows of {_file(table)}")
    known = houses["state"].unique()
    for state in data.states:
        if state not in known:
            raise StudyError(
                f"data.states: no house of {state} in {table.path}; choose from its states: "
                f"{', '.join(sorted(known))}"
            )
    if data.states:
        others = ~houses["state"].isin(data.states)
        rules.record_any("houses dropped", others.sum(), "state not in data.states")
        houses = houses[~others]
    houses = _without_codes(houses, "floor", data.drop_floors, rules)
    houses = _without_codes(houses, "county_fips", data.drop_counties, rules)
    if houses.empty:
        raise StudyError(f"data: no house of {table.path} is left; change data.states or drop_*")
    _refuse_unknown_floors(table, houses, data)
    return houses


def _file(table: Table) -> str:
    return table.path.name if table.path else "a frame"


def _without_codes(
    houses: pd.DataFrame, column: str, codes: Sequence[int], rules: Rules
) -> pd.DataFrame:
    setting = {"floor": "drop_floors", "county_fips": "drop_counties"}[column]
    for code in sorted(set(codes)):
        rows = int((houses[column] == code).sum())
        rules.record_any("houses dropped", rows, f"{column} {code} is in data.{setting}")
    return houses[~houses[column].isin(codes)] if codes else houses


def _refuse_unknown_floors(table: Table, houses: pd.DataFrame, data: Data) -> None:
    unknown = houses.loc[~houses["floor"].isin(list(data.floors)), "floor"]
    if unknown.empty:
        return
    codes = sorted(set(unknown.tolist()))
    raise table.error(
        "floor",
        unknown.index[0],
        f"has no meaning in the study; define it in data.floors, or set "
        f"data.drop_floors = {sorted({*codes, *data.drop_floors})} to exclude such houses "
        f"({len(unknown)} of {len(houses)})",
    )


def select_counties(
    table: Table, houses: pd.DataFrame, house_table: Table, data: Data, rules: Rules
) -> pd.DataFrame:
    """Counties of the houses and, with `unmeasured_counties`, the other counties of their states.

    Returns
    -------
    DataFrame
        Columns of the county table, in FIPS order.

    Raises
    ------
    DataError
        A house is in a county missing from the table.
    """
    unknown = houses.index[~houses["county_fips"].isin(table.rows["county_fips"])]
    if len(unknown):
        remedy = f"is not in {table.path}; add the county there or correct the code"
        raise house_table.error("county_fips", unknown[0], remedy)
    counties = table.rows.sort_values("county_fips", ignore_index=True)
    counties = counties[~counties["county_fips"].isin(data.drop_counties)]
    measured = counties["county_fips"].isin(houses["county_fips"])
    within = counties["state"].isin(counties.loc[measured, "state"])
    without = int((within & ~measured).sum())
    rules.record("counties with houses", measured.sum(), f"rows of {_file(table)}")
    if data.unmeasured_counties:
        rules.record("counties added", without, "no house; data.unmeasured_counties is true")
        return counties[within].reset_index(drop=True)
    rules.record_any("counties left out", without, "no house; data.unmeasured_counties is false")
    return counties[measured].reset_index(drop=True)


def log_radon(activity: np.ndarray, response: str, rules: Rules) -> np.ndarray:
    """Response of each house, log pCi/L; records the rule for activities of 0."""
    zeros = int((activity == 0).sum())
    if response == "log(x + 0.1)":
        rules.record("zero activities kept", zeros, f"{ZERO} pCi/L is added to every activity")
    else:
        rules.record("zero activities replaced", zeros, f"activity 0 counts as {ZERO} pCi/L")
    return log_activity(activity, response)


def count_houses(houses: pd.DataFrame, counties: pd.DataFrame, data: Data) -> pd.DataFrame:
    """Houses by county.

    Returns
    -------
    DataFrame
        Indexed by FIPS code, in the order of `counties`; columns houses and
        first_floor_houses.
    """
    first = houses["floor"].map(data.floors) == "first floor"
    by_county = first.groupby(houses["county_fips"]).agg(houses="size", first_floor_houses="sum")
    return by_county.reindex(counties["county_fips"], fill_value=0)


def stan_data(
    houses: pd.DataFrame, counties: pd.DataFrame, data: Data, priors: Priors, rules: Rules
) -> dict[str, int | float | list]:
    """Stan data, of which each program declares a part; lists over houses (N) and counties (J).

    `first_floor_share` is a county's share of first-floor houses; for a county without houses,
    the mean of the others. `log_uranium` (log ppm) and `distance` (km) are included if the study
    uses them, `S` and `state` (1..S, alphabetical) unless the study names a single state.
    """
    number = count_houses(houses, counties, data)
    share = _shares(number, rules)
    first = houses["floor"].map(data.floors) == "first floor"
    return {
        "N": len(houses),
        "J": len(counties),
        "county": (np.searchsorted(counties["county_fips"], houses["county_fips"]) + 1).tolist(),
        "floor_measure": first.astype(float).tolist(),
        "log_radon": log_radon(houses["activity"].to_numpy(), data.response, rules).tolist(),
        "first_floor_share": share.tolist(),
        **_uranium(counties, data),
        **_distances(counties, data),
        **_states(counties, data),
        **priors.scales(),
        # Later stages add houses to predict.
        "N_new": 0,
        "county_new": [],
        "floor_measure_new": [],
        "log_radon_new": [],
    }


def _shares(number: pd.DataFrame, rules: Rules) -> pd.Series:
    """Share of first-floor houses of each county, from their numbers."""
    share = number["first_floor_houses"] / number["houses"]  # 0 / 0 is missing
    mean = share.mean()
    reason = f"no house; set to {mean:.3f}, the mean of the counties with houses"
    rules.record_any("first-floor shares unknown", share.isna().sum(), reason)
    return share.fillna(mean)


def _uranium(counties: pd.DataFrame, data: Data) -> dict[str, list]:
    if not data.uranium:
        return {}
    unknown = counties.loc[counties["uranium"].isna(), "county_fips"].tolist()
    if unknown:
        raise StudyError(
            f"data.uranium is true, but the county table has no uranium for {len(unknown)} of "
            f"the study's counties, such as {unknown[0]}; set it to false or add the values"
        )
    return {"log_uranium": np.log(counties["uranium"].to_numpy()).tolist()}


def _distances(counties: pd.DataFrame, data: Data) -> dict[str, list]:
    if not data.distances:
        return {}
    unplaced = counties.loc[counties[["lon", "lat"]].isna().any(axis=1), "county_fips"].tolist()
    if unplaced:
        raise StudyError(
            f"data.distances is true, but the county table has no lon and lat for {len(unplaced)} "
            f"of the study's counties, such as {unplaced[0]}; set it to false or add the values"
        )
    twice = counties.loc[counties.duplicated(["lon", "lat"], keep=False), "county_fips"].tolist()
    if twice:
        raise StudyError(
            f"data.distances is true, but counties {twice[0]} and {twice[1]} have the same lon and "
            "lat in the county table; correct them or set it to false"
        )
    distance = great_circles(counties["lon"].to_numpy(), counties["lat"].to_numpy())
    return {"distance": distance.round(METRE).tolist()}


def great_circles(lon: np.ndarray, lat: np.ndarray) -> np.ndarray:
    """Great-circle distance between any two places, in degrees, (place, place), km.

    By the haversine formula, on a sphere with the mean radius of the Earth.
    """
    lon, lat = np.radians(lon), np.radians(lat)
    half_chord = np.sin((lat[:, None] - lat) / 2) ** 2
    half_chord += np.cos(lat[:, None]) * np.cos(lat) * np.sin((lon[:, None] - lon) / 2) ** 2
    return 2 * EARTH_RADIUS * np.arcsin(np.sqrt(half_chord))


def _states(counties: pd.DataFrame, data: Data) -> dict[str, int | list]:
    if not data.several_states:
        return {}
    names, codes = np.unique(counties["state"].to_numpy(str), return_inverse=True)
    return {"S": len(names), "state": (codes + 1).tolist()}


def coordinates(
    study: str, houses: pd.DataFrame, counties: pd.DataFrame, data: Data, rules: Rules
) -> dict[str, str | list]:
    """Labels of the positions in the Stan data, and the rules that were applied.

    Returns
    -------
    dict
        study, response; over houses, in the table's order: house_id,
        house_county (FIPS); over counties, in FIPS order: county_fips, county
        (name), state, houses, first_floor_houses; rules.
    """
    number = count_houses(houses, counties, data)
    return {
        "study": study,
        "response": data.response,
        "house_id": houses["house_id"].tolist(),
        "house_county": houses["county_fips"].tolist(),
        "county_fips": counties["county_fips"].tolist(),
        "county": counties["county"].tolist(),
        "state": counties["state"].tolist(),
        "houses": number["houses"].tolist(),
        "first_floor_houses": number["first_floor_houses"].tolist(),
        "rules": rules.applied,
    }


def prepare(
    study: str, data: Data, priors: Priors, houses: Table, counties: Table
) -> tuple[dict, dict]:
    """Stan data and coordinates of a study.

    Raises
    ------
    StudyError
        A setting of the study matches no row.
    DataError
        A house has an undefined floor code or an unknown county.
    """
    rules = Rules()
    kept = select_houses(houses, data, rules)
    chosen = select_counties(counties, kept, houses, data, rules)
    state = kept["county_fips"].map(chosen.set_index("county_fips")["state"])
    moved = int((state != kept["state"]).sum())
    rules.record_any("houses moved", moved, "to the state that their county is in")
    values = stan_data(kept, chosen, data, priors, rules)
    rules.record("houses kept", len(kept), f"floor {_meanings(data)}")
    return values, coordinates(study, kept, chosen, data, rules)


def _meanings(data: Data) -> str:
    return ", ".join(f"{code} {meaning}" for code, meaning in data.floors.items())


def main(arguments: list[str] | None = None) -> None:
    """Prepare one study; without `--study` its name is the output's stem."""
    parser = cli.stage(__doc__, "data", "priors", "houses", "counties")
    parser.add_argument("--coords", type=Path, required=True, help="names of the positions, JSON")
    parser.add_argument("--study", help="name of the study")
    given = parser.parse_args(arguments)
    data, priors = read_section(Data, given.data), read_section(Priors, given.priors)
    houses = read_houses(given.houses, data.columns)
    counties = read_counties(given.counties, data.county_columns)
    study = given.study or given.output.stem
    try:
        values, names = prepare(study, data, priors, houses, counties)
    except StudyError as error:
        raise StudyError(f"{study_file(study)}: {error}") from None
    for path, content in ((given.coords, names), (given.output, values)):
        with replacing(path) as draft:
            draft.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
