"""Rebuild the shipped county outlines from a TopoJSON file of the United States.

`python -m pooling.inputs.import_shapes counties-10m.json data/counties.csv` reads the
counties of npm's us-atlas and writes `county_shapes.csv`: the outline of each county in
the table, in longitude and latitude to a hundredth of a degree. TopoJSON neighbours share
the arcs of their border, so rounded outlines meet without gaps.
"""

import json
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path

import pandas as pd

from pooling.build import cli
from pooling.build.errors import DataError
from pooling.inputs.import_survey import command_line, write_table
from pooling.inputs.tables import read_counties

DECIMALS = 2  # of a degree: about a kilometre, less than a hundredth of an inch on a printed page
CORNERS = 3  # the fewest that enclose an area

Point = tuple[float, float]
Ring = list[Point]


def read_topology(path: Path) -> dict:
    """Read a TopoJSON file with quantized arcs and an object `counties`.

    Raises
    ------
    DataError
        The file has another format.
    """
    try:
        topology = json.loads(path.read_text(encoding="utf-8"))
        topology["transform"], topology["arcs"], topology["objects"]["counties"]["geometries"]
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path}: not a TopoJSON file of counties ({error}); use counties-10m.json of us-atlas"
        ) from None
    return topology


def decoded_arcs(topology: dict) -> list[Ring]:
    """Arcs in degrees, rounded; the file has each as a start and steps from point to point.

    Quantization and the coding of arcs are in sections 2.1.2 to 2.1.4 of the TopoJSON format.
    """
    scale, origin = topology["transform"]["scale"], topology["transform"]["translate"]
    arcs = []
    for steps in topology["arcs"]:
        places = zip(*(accumulate(axis) for axis in zip(*steps, strict=True)), strict=True)
        arcs.append(
            [
                tuple(
                    round(o + s * p, DECIMALS) for o, s, p in zip(origin, scale, place, strict=True)
                )
                for place in places
            ]
        )
    return arcs


def joined(indices: Sequence[int], arcs: Sequence[Ring]) -> Ring:
    """The closed ring of these arcs; arc ~i is arc i reversed.

    The last point of an arc is the first of the next. Consecutive points that rounding made
    equal are merged.
    """
    points = [p for i in indices for p in (arcs[i] if i >= 0 else arcs[~i][::-1])]
    return [p for p, before in zip(points, [None, *points], strict=False) if p != before]


def polygons(geometry: dict, arcs: Sequence[Ring]) -> list[list[Ring]]:
    """Polygons of a county, each a list of rings: the outer one, then holes.

    Islands without area after rounding are dropped.
    """
    several = geometry["arcs"] if geometry["type"] == "MultiPolygon" else [geometry["arcs"]]
    rings = [[joined(indices, arcs) for indices in polygon] for polygon in several]
    kept = [[ring for ring in polygon if len(set(ring)) >= CORNERS] for polygon in rings]
    return [polygon for polygon in kept if polygon]


def well_known_text(shape: Sequence[Sequence[Ring]]) -> str:
    """Polygons as a MULTIPOLYGON in the well-known text of OGC Simple Features (06-103r4)."""
    texts = []
    for polygon in shape:
        rings = [", ".join(f"{lon:g} {lat:g}" for lon, lat in ring) for ring in polygon]
        texts.append("(" + ", ".join(f"({ring})" for ring in rings) + ")")
    return f"MULTIPOLYGON ({', '.join(texts)})"


def county_shapes(topology: dict, fips: Sequence[int]) -> pd.DataFrame:
    """Outlines of these counties, in FIPS order: county_fips, outline (well-known text).

    Counties missing from the topology have no row.
    """
    arcs = decoded_arcs(topology)
    shapes = topology["objects"]["counties"]["geometries"]
    wanted = {int(shape["id"]): shape for shape in shapes if int(shape["id"]) in set(fips)}
    rows = [(code, well_known_text(polygons(wanted[code], arcs))) for code in sorted(wanted)]
    return pd.DataFrame(rows, columns=["county_fips", "outline"])


def main(arguments: list[str] | None = None) -> None:
    """Command line of the module."""
    inputs = {
        "topology": "counties-10m.json of us-atlas",
        "counties": "table of the counties to keep",
    }
    given = command_line(__doc__, **inputs).parse_args(arguments)
    fips = read_counties(given.counties).rows["county_fips"].tolist()
    write_table(
        county_shapes(read_topology(given.topology), fips), given.output / "county_shapes.csv"
    )


if __name__ == "__main__":
    cli.run(main)
