r"""How many houses each county has on each floor, from the survey's weights.

    python -m pooling.inputs.represented DATA.json COORDS.json HOUSES.csv [COUNTIES.csv] -o OUT.csv

A survey that samples some places more densely than others gives each house a weight, the number
of houses that it stands for. Without weights, the houses of the study stand for themselves.
"""

import json
from pathlib import Path

import pandas as pd

from pooling.build import cli
from pooling.build.files import replacing
from pooling.inputs.prepare import Rules, read_tables, select_houses
from pooling.inputs.sections import FLOORS
from pooling.inputs.study import Data, read_section
from pooling.inputs.tables import Table


def represented(table: Table, data: Data, counties: list[int]) -> pd.DataFrame:
    """Houses of the study, and those that they stand for.

    Parameters
    ----------
    table, data
        The houses, and the study's section that selects some of them.
    counties
        FIPS codes of the study's counties.

    Returns
    -------
    DataFrame
        One row per county and floor: county_fips, floor, houses, represented, weighted (whether
        the table has weights; otherwise represented equals houses).

    Raises
    ------
    DataError
        Some houses have a weight and others do not.
    """
    houses = select_houses(table, data, Rules())
    houses = houses[~houses["house_id"].duplicated()]
    weight = houses["weight"]
    if weight.notna().any() and weight.isna().any():
        row = int(weight.index[weight.isna()][0])
        raise table.error(
            "weight", row, "is missing, although other houses have one; fill it in, or remove all"
        )
    weighted = bool(weight.notna().all())
    cells = houses.assign(floor=houses["floor"].map(data.floors), weight=weight.fillna(1.0))
    sums = cells.groupby(["county_fips", "floor"])["weight"].agg(["size", "sum"])
    every = pd.MultiIndex.from_product([counties, FLOORS], names=["county_fips", "floor"])
    sums = sums.set_axis(["houses", "represented"], axis=1).reindex(every, fill_value=0)
    return sums.reset_index().assign(weighted=weighted)


def main(arguments: list[str] | None) -> None:
    """Write the table of one study."""
    parser = cli.stage(__doc__, "data", "coords", "houses")
    parser.add_argument("counties", type=Path, nargs="?", help="unless houses have all of it")
    given = parser.parse_args(arguments)
    data = read_section(Data, given.data)
    counties = json.loads(Path(given.coords).read_text(encoding="utf-8"))["county_fips"]
    houses, _ = read_tables(data, given.houses, given.counties)
    table = represented(houses, data, counties)
    with replacing(given.output) as draft:
        table.to_csv(draft, index=False, float_format="%.10g", lineterminator="\n")


if __name__ == "__main__":
    cli.run(main)
