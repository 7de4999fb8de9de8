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
from pooling.inputs.csv_table import line_number
from pooling.inputs.distances import distances
from pooling.inputs.names import read_named_counties, spellings, with_codes
from pooling.inputs.priors import Priors
from pooling.inputs.response import ROUNDING, ZERO, Response
from pooling.inputs.study import Data, read_section, study_file
from pooling.inputs.tables import Table, read_counties, read_houses

REPEATED = (
    "several detectors in one house, which are not independent, or a wrong number; correct the "
    'number, remove a row, or set data.repeated_houses = "first" or "mean"'
)
EARTH_RADIUS = 6371.0088  # km; mean radius of the International Union of Geodesy and Geophysics


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
    key = "county" if data.named else "county_fips"
    houses = _without_codes(houses, key, data.drop_counties, rules)
    if houses.empty:
        raise StudyError(f"data: no house of {table.path} is left; change data.states or drop_*")
    _refuse_unknown_floors(table, houses, data)
    return houses


def _file(table: Table) -> str:
    return table.path.name if table.path else "a frame"


def _without_codes(
    houses: pd.DataFrame, column: str, codes: Sequence[int | str], rules: Rules
) -> pd.DataFrame:
    setting = "drop_floors" if column == "floor" else "drop_counties"
    for code in sorted(set(codes), key=str):
        rows = int((houses[column] == code).sum())
        rules.record_any("houses dropped", rows, f"{column} {code} is in data.{setting}")
    return houses[~houses[column].isin(codes)] if codes else houses


def _refuse_unknown_floors(table: Table, houses: pd.DataFrame, data: Data) -> None:
    unknown = houses.loc[~houses["floor"].isin(list(data.floors)), "floor"]
    if unknown.empty:
        return
    codes = set(unknown.tolist())
    raise table.error(
        "floor",
        unknown.index[0],
        f"has no meaning in the study; define it in data.floors, or set "
        f"data.drop_floors = {sorted({*codes, *data.drop_floors}, key=str)} to exclude such houses "
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
        key, what = ("county", "name") if data.named else ("county_fips", "code")
        remedy = f"is not in {table.path}; add the county there or correct the {what}"
        raise house_table.error(key, unknown[0], remedy)
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


def with_log_radon(houses: pd.DataFrame, data: Data, rules: Rules) -> pd.DataFrame:
    """Houses with their response in `log_radon`, log pCi/L, and the rule for activities of 0."""
    response = data.measured()
    if data.logged:
        rules.record("responses read", len(houses), f"the table has {response.transform}")
        logs = houses["log_radon"].to_numpy() - np.log(response.from_pci(1.0))
    else:
        logs = log_radon(houses["activity"].to_numpy(), response, rules)
    return houses.assign(log_radon=logs)


def one_row_per_house(table: Table, houses: pd.DataFrame, data: Data, rules: Rules) -> pd.DataFrame:
    """Houses measured by several detectors, reduced to one row as `repeated_houses` says.

    A model takes rows for houses with independent errors, which detectors in one house have not.

    Raises
    ------
    DataError
        A house has several rows, and the study does not say what to do with them, or wants the
        mean of detectors that stood in different counties or on different floors.
    """
    repeated = houses["house_id"].duplicated()
    if not repeated.any():
        return houses
    row = int(repeated.idxmax())
    same = houses["house_id"] == houses.at[row, "house_id"]
    if data.repeated_houses == "refuse":
        also = line_number(table.path, int(same.idxmax())) if table.path else same.idxmax()
        raise table.error("house_id", row, f"occurs twice, before in line {also}: {REPEATED}")
    if data.repeated_houses == "first":
        rules.record("houses dropped", repeated.sum(), "a further detector in the same house")
        return houses[~repeated]
    places = houses.groupby("house_id")[["county_fips", "floor"]].nunique()
    apart = houses["house_id"].map((places > 1).any(axis=1))
    if apart.any():
        raise table.error(
            "house_id",
            int(apart.idxmax()),
            "has detectors in different counties or on different floors, which have no mean; "
            'remove all but one floor, or set data.repeated_houses = "first"',
        )
    reason = "averaged on the log scale: detectors in the same house"
    rules.record("houses averaged", houses["house_id"].duplicated(keep=False).sum(), reason)
    means = houses.groupby("house_id")["log_radon"].transform("mean")
    return houses.assign(log_radon=means)[~repeated]


def log_radon(activity: np.ndarray, response: Response, rules: Rules) -> np.ndarray:
    """Response of each house, log pCi/L; records the rule for activities of 0."""
    zeros = int((activity == 0).sum())
    added = f"{response.from_pci(ZERO):g} {response.unit_label}"
    if response.transform == "log(x + 0.1)":
        rules.record("zero activities kept", zeros, f"{added} is added to every activity")
    else:
        rules.record("zero activities replaced", zeros, f"activity 0 counts as {added}")
    return response.log_radon(activity)


def _limit(log_radon: pd.Series, data: Data, rules: Rules) -> dict[str, float]:
    if data.detection_limit is None:
        return {}
    limit = data.measured().log_radon(data.detection_limit)
    below = int((log_radon <= limit + ROUNDING).sum())
    rules.record(
        "activities up to the detection limit",
        below,
        f"{data.detection_limit:g} {data.measured().unit_label}; censored by programs that read "
        "log_limit, taken as measured by the others",
    )
    return {"log_limit": limit}


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
    the mean of the others. `log_limit` (log pCi/L) is included if the study has a detection
    limit, `log_uranium` (log ppm) and `distance` (km) if it uses them, `S` and
    `state` (1..S, alphabetical) unless the study names a single state.
    """
    number = count_houses(houses, counties, data)
    share = _shares(number, rules)
    first = houses["floor"].map(data.floors) == "first floor"
    return {
        "N": len(houses),
        "J": len(counties),
        "county": (np.searchsorted(counties["county_fips"], houses["county_fips"]) + 1).tolist(),
        "floor_measure": first.astype(float).tolist(),
        "log_radon": houses["log_radon"].tolist(),
        "first_floor_share": share.tolist(),
        **_limit(houses["log_radon"], data, rules),
        **_uranium(counties, data),
        **distances(counties, data),
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
        study, response, unit, action_level; over houses, in the table's order: house_id,
        house_county (FIPS); over counties, in FIPS order: county_fips, county
        (name), state, houses, first_floor_houses; rules.
    """
    number = count_houses(houses, counties, data)
    return {
        "study": study,
        **data.measured().settings(),
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
    if data.named:
        rules.record_any("names read", spellings(kept), "spelt otherwise than in an earlier row")
    kept = one_row_per_house(houses, with_log_radon(kept, data, rules), data, rules)
    values = stan_data(kept, chosen, data, priors, rules)
    rules.record("houses kept", len(kept), f"floor {_meanings(data)}")
    return values, coordinates(study, kept, chosen, data, rules)


def read_tables(data: Data, houses: Path, counties: Path | None) -> tuple[Table, Table]:
    """The tables of houses, with codes of counties, and of counties, which houses may give.

    Raises
    ------
    DataError
        A table is missing or invalid.
    """
    table = read_houses(houses, data.columns, data.unit)
    if data.named:
        known = read_named_counties(counties or table, data)
        return with_codes(table, known), known
    if counties is None:
        raise StudyError("data.counties: houses have codes of counties; name their table")
    return table, read_counties(counties, data.county_columns)


def _meanings(data: Data) -> str:
    pairs = data.floors.items()
    return ", ".join(meaning if code == meaning else f"{code} {meaning}" for code, meaning in pairs)


def main(arguments: list[str] | None = None) -> None:
    """Prepare one study; without `--study` its name is the output's stem."""
    parser = cli.stage(__doc__, "data", "priors", "houses")
    parser.add_argument("counties", type=Path, nargs="?", help="unless houses have all of it")
    parser.add_argument("--coords", type=Path, required=True, help="names of the positions, JSON")
    parser.add_argument("--study", help="name of the study")
    given = parser.parse_args(arguments)
    data, priors = read_section(Data, given.data), read_section(Priors, given.priors)
    houses, counties = read_tables(data, given.houses, given.counties)
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
