"""Outlines of counties: from TopoJSON, and those that are shipped."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.path import Path as Outline

from pooling.build.errors import DataError
from pooling.figures._map import albers
from pooling.inputs.distances import great_circles
from pooling.inputs.import_shapes import main, polygons
from pooling.inputs.shapes import read_shapes

DATA = Path(__file__).parents[3] / "data"

# Two squares side by side, one degree wide, from 0 to 2 east and 0 to 1 north, in steps of a
# tenth. Arc 0 is their border, from south to north; arc 1 goes around the western square, arc 2
# around the eastern one, and arc 3 is an islet that rounding makes one point.
TOPOLOGY = {
    "type": "Topology",
    "transform": {"scale": [0.1, 0.1], "translate": [0, 0]},
    "arcs": [
        [[10, 0], [0, 10]],
        [[10, 10], [-10, 0], [0, -10], [10, 0]],
        [[10, 10], [10, 0], [0, -10], [-10, 0]],
        [[50, 50], [0, 0], [0, 0]],
    ],
    "objects": {
        "counties": {
            "type": "GeometryCollection",
            "geometries": [
                {"type": "MultiPolygon", "id": "00003", "arcs": [[[2, 0]], [[3]]]},
                {"type": "Polygon", "id": "00001", "arcs": [[1, 0]]},
                {"type": "Polygon", "id": "00005", "arcs": [[~0, ~1]]},
            ],
        }
    },
}
COUNTIES = "county_fips,state,county\n1,AA,WEST\n3,AA,EAST\n7,AA,NOWHERE\n"


@pytest.fixture
def files(tmp_path):
    topology, counties = tmp_path / "counties.json", tmp_path / "counties.csv"
    topology.write_text(json.dumps(TOPOLOGY))
    counties.write_text(COUNTIES)
    return topology, counties


def test_two_counties_with_a_common_border(files, tmp_path):
    main([*map(str, files), "-o", str(tmp_path)])
    assert (tmp_path / "county_shapes.csv").read_text() == (
        "county_fips,outline\n"
        '1,"MULTIPOLYGON (((1 1, 0 1, 0 0, 1 0, 1 1)))"\n'
        '3,"MULTIPOLYGON (((1 1, 2 1, 2 0, 1 0, 1 1)))"\n'
    )


def test_an_arc_with_a_negative_number_runs_backwards():
    arcs = [[(1, 0), (1, 1)], [(1, 1), (0, 1), (0, 0), (1, 0)]]
    ring = [(1, 1), (1, 0), (0, 0), (0, 1), (1, 1)]
    assert polygons({"type": "Polygon", "arcs": [[~0, ~1]]}, arcs) == [[ring]]


@pytest.mark.parametrize("text", ["[]", "{}", "nothing"])
def test_what_is_no_topology_is_named(files, text):
    files[0].write_text(text)
    with pytest.raises(
        DataError, match=r"counties\.json: not a TopoJSON file .* counties-10m\.json"
    ):
        main([*map(str, files)])


@pytest.fixture(scope="module")
def shapes():
    return read_shapes(DATA / "county_shapes.csv")


@pytest.fixture(scope="module")
def known():
    return pd.read_csv(DATA / "counties.csv", index_col="county_fips")


def test_shipped_outlines_are_those_of_the_shipped_counties(shapes, known):
    lacking = known.index[~known.index.isin(shapes["county_fips"])]
    # The four codes on tribal land that stand for no county.
    assert lacking.tolist() == [26999, 27189, 27999, 55999]
    states = shapes["county_fips"].drop_duplicates() // 1000
    # FIPS codes of states: AZ, IN, MA, MI, MN, MO, ND, PA, WI; counties as in 1990.
    expected = {4: 15, 18: 92, 25: 14, 26: 83, 27: 87, 29: 115, 38: 53, 42: 67, 55: 72}
    assert states.value_counts().sort_index().to_dict() == expected
    assert (DATA / "county_shapes.csv").stat().st_size < 200_000


def test_shipped_rings_close_and_enclose_something(shapes):
    for code, ring in shapes.groupby(["county_fips", "ring"]):
        points = ring[["lon", "lat"]].to_numpy()
        assert (points[0] == points[-1]).all(), code
        assert len(np.unique(points, axis=0)) >= 3, code


@pytest.mark.parametrize("name", ["AITKIN", "HENNEPIN", "ST LOUIS", "RED LAKE", "LAC QUI PARLE"])
def test_a_county_holds_its_centroid_and_no_other(shapes, known, name):
    minnesota = known[known["state"] == "MN"]
    code = minnesota.index[minnesota["county"] == name][0]
    place = known.loc[code, ["lon", "lat"]].to_numpy(float)
    around = shapes[shapes["county_fips"] // 1000 == 27].groupby(["county_fips", "ring"])
    holding = [
        county
        for (county, _), ring in around
        if Outline(ring[["lon", "lat"]].to_numpy()).contains_point(place)
    ]
    assert holding == [code]


def test_areas_are_those_of_the_census(shapes):
    minnesota = shapes[shapes["county_fips"] // 1000 == 27]
    x, y = albers(minnesota["lon"].to_numpy(), minnesota["lat"].to_numpy())
    areas = minnesota.assign(x=x, y=y).groupby(["county_fips", "ring"])[["x", "y"]].apply(area)
    # Census Bureau, State Area Measurements (2010), census.gov/geographies/reference-files/2010/
    # geo/state-area.html: Minnesota has 225,163 km2. The outlines leave out Lake Superior: 2,546
    # square miles (Northeast-Midwest Institute, nemw.org/waterland.htm, from the Census of 2000).
    assert areas.sum() == pytest.approx(225_163 - 2_546 * 2.589988, rel=0.01)
    # Ramsey County, ersys.com/usa/27/27123: 152.25 square miles of land and 17.76 of water.
    assert areas[27123].sum() == pytest.approx((152.25 + 17.76) * 2.589988, rel=0.05)


def test_centroids_are_those_of_the_outlines(shapes, known):
    """All but those of counties on Lake Superior and Lake Erie, which include water."""
    sums = shapes.groupby(["county_fips", "ring"])[["lon", "lat"]].apply(moments)
    outline = sums.groupby("county_fips").sum()
    # The survey's states without Michigan and Wisconsin, which have lakes on two sides.
    table = known.loc[outline.index][~known["state"].isin(["MI", "WI"])]
    far = []
    for code, row in table.iterrows():
        lon, lat, area = outline.loc[code, ["lon", "lat", "area"]]
        places = np.array([[row["lon"], lon / area], [row["lat"], lat / area]], float)
        if great_circles(*places)[0, 1] > 10:
            far.append(row["county"])
    assert far == ["COOK", "LAKE", "ERIE"]


def moments(ring):
    """Area of a ring, and that times its centroid, in degrees (shoelace formula)."""
    x, y = ring["lon"].to_numpy(), ring["lat"].to_numpy()
    cross = x[:-1] * y[1:] - x[1:] * y[:-1]
    sums = {"area": 3 * cross, "lon": (x[:-1] + x[1:]) * cross, "lat": (y[:-1] + y[1:]) * cross}
    return pd.Series({name: values.sum() for name, values in sums.items()}) * np.sign(cross.sum())


def area(ring):
    """The shoelace formula; (point, 2) in km."""
    x, y = ring["x"].to_numpy(), ring["y"].to_numpy()
    return abs(x[:-1] @ y[1:] - x[1:] @ y[:-1]) / 2
