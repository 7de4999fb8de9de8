"""The data of the county explorer.

`python -m pooling.reporting.explorer STORY.json TABLES FITS --study STUDY.toml -o data.js
--draws draws.js`

Pages are opened from disk, where a browser reads scripts but no data files; so both outputs are
scripts. `data.js` has the numbers of the study's tables, which are computed from all draws;
`draws.js` has what the page needs for reference levels other than the study's.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from pooling.build import cli
from pooling.build.errors import NothingToShow
from pooling.build.files import replacing
from pooling.figures._map import is_apart, on_map
from pooling.fits.new_house import errors_of, house_sd
from pooling.fits.spacing import positions
from pooling.fits.store import Fit, open_fit
from pooling.inputs.sections import FLOORS
from pooling.reporting.facts import headline_model
from pooling.reporting.packing import HOUSES, LEVELS, STEP, equally_likely, packed
from pooling.reporting.tables import read_tables
from pooling.reporting.weights import WEIGHTS
from pooling.reporting.zones import AVERAGES

NAME = "radonExplorer"  # the one global variable of the page
# What the page shows of each table: the column by which its rows differ for one county, its
# values, and the columns with numbers.
SHOWN = {
    "counties": (
        *("floor", FLOORS),
        ("typical", "typical_q5", "typical_q95", "house_q5", "house_q95", "p_action", "identified"),
    ),
    "ranks": ("floor", FLOORS, ("rank", "rank_q5", "rank_q95", "p_highest", "ranked")),
    "weights": ("floor", FLOORS, ("own", *WEIGHTS)),
    "zones": ("average", AVERAGES, ("mean_q50", "zone_1", "zone_2", "zone_3")),
}


def chosen_models(tables: Mapping[str, pd.DataFrame], story: Sequence[str]) -> list[str]:
    """The headline model, then the others of the story."""
    first = headline_model(dict(tables))
    return [first, *(model for model in story if model != first)]


def model_numbers(tables: Mapping[str, pd.DataFrame], model: str, codes: Sequence[int]) -> dict:
    """What the page says of one model: the numbers of the tables, as they are printed there.

    Returns
    -------
    dict
        model, structure, converged; and for each table a list with one dictionary per floor, or
        per kind of average, of columns with one value per county, in the order of `codes`.
    """
    about = tables["models"].set_index("model").loc[model]
    found: dict = {
        "model": model,
        "structure": about["structure"],
        "converged": bool(about["converged"]),
    }
    for name, (key, kinds, columns) in SHOWN.items():
        rows = tables[name].query("model == @model").set_index([key, "county_fips"])
        found[name] = [
            {column: plain(rows.loc[kind].reindex(codes)[column]) for column in columns}
            for kind in kinds
        ]
    return found


def plain(values: pd.Series) -> list:
    """Numbers for JSON: None if missing, the largest one if infinite, short if they are whole."""
    return [_plain(value) for value in values.tolist()]


def _plain(value: float) -> float | int | None:
    if math.isnan(value):
        return None
    if math.isinf(value):
        return sys.float_info.max
    return int(value) if float(value).is_integer() else value


def draws_of(fit: Fit) -> dict:
    """Levels and new houses of each floor, as `pooling.reporting.packing` packs them."""
    effects, response = fit.effects(), fit.response
    kept = positions(fit.tree["posterior"].to_dataset(), LEVELS)
    found: dict = {"number": {"levels": len(kept), "houses": HOUSES}, "levels": [], "houses": []}
    for floor in range(len(FLOORS)):
        mean = (effects["alpha"] + floor * effects["beta"]).values
        new = equally_likely(mean, house_sd(fit, floor), HOUSES, errors_of(fit))
        found["levels"].append(packed(mean[kept], response))
        found["houses"].append(packed(new, response))
    return found


def counties_of(fit: Fit) -> dict:
    """Counties in the order of the fit: fips, label, state; houses: activities by floor."""
    table = fit.counties
    houses = fit.houses
    # Three digits: the survey records one decimal.
    houses["activity"] = fit.response.activity(houses["log_radon"]).round(2)
    by_cell = houses.groupby(["floor", "county_fips"])["activity"].apply(plain)
    return {
        "fips": table["county_fips"].tolist(),
        "label": fit.county_labels.tolist(),
        "state": table["state"].tolist(),
        "houses": [
            [by_cell.get((floor, code), []) for code in table["county_fips"]]
            for floor in range(len(FLOORS))
        ],
    }


def shapes_of(fit: Fit, study: str) -> list[dict]:
    """Outlines or centroids of the counties on the map, measured or not, as GeoJSON geometries.

    Returns
    -------
    list of dict
        fips, label, map (the state, or "" if all states share a map), geometry (km on the map).
        Empty where the study has neither outlines nor centroids.
    """
    try:
        drawn = on_map(fit.counties[["county_fips"]], fit, study)
    except NothingToShow:
        return []
    apart = is_apart(drawn)
    found = []
    for code, rows in drawn[drawn["kind"] != "border"].groupby("county_fips", sort=False):
        rings = [ring[["x", "y"]].round(1).values.tolist() for _, ring in rows.groupby("ring")]
        outline = rows["kind"].iloc[0] == "outline"
        found.append(
            {
                "fips": int(code),
                "label": rows["county"].iloc[0],
                "map": rows["state"].iloc[0] if apart else "",
                "geometry": {"type": "MultiPolygon", "coordinates": [[ring] for ring in rings]}
                if outline
                else {"type": "Point", "coordinates": rings[0][0]},
            }
        )
    return found


def explorer_data(tables: Mapping[str, pd.DataFrame], fits: Sequence[Fit], study: str) -> dict:
    """Everything in `data.js`."""
    counties = counties_of(fits[0])
    return {
        "level": fits[0].response.action_level,
        "unit": fits[0].response.unit_label,
        "floors": FLOORS,
        "highest": _highest(fits[0]),
        "counties": counties,
        "shapes": shapes_of(fits[0], study),
        "models": [model_numbers(tables, fit.model, counties["fips"]) for fit in fits],
    }


def _highest(fit: Fit) -> float:
    """The highest activity of a measured house (study's unit), to which the charts reach."""
    return float(fit.response.activity(fit.houses["log_radon"].max()).round(1))


def script(name: str, value: object) -> str:
    """A script that makes a value part of the page's one global variable."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    return f"(window.{NAME} ??= {{}}).{name}={text};\n"


def main(arguments: list[str] | None) -> None:
    """Write both scripts."""
    parser = cli.stage(__doc__, "story", "tables", "fits")
    parser.add_argument("--study", required=True, help="the study's file, for the map")
    parser.add_argument("--draws", type=Path, required=True, help="the second output")
    args = parser.parse_args(arguments)
    tables = read_tables(args.tables)
    story = json.loads(args.story.read_text(encoding="utf-8"))
    fits = [open_fit(args.fits / model) for model in chosen_models(tables, story)]
    draws = {"step": STEP, "models": {fit.model: draws_of(fit) for fit in fits}}
    outputs = {
        args.draws: script("draws", draws),
        args.output: script("data", explorer_data(tables, fits, args.study)),
    }
    for path, text in outputs.items():
        with replacing(path) as draft:
            draft.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
