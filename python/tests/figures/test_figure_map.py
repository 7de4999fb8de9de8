import numpy as np
import pytest

from pooling.build.errors import DataError, NothingToShow
from pooling.figures import map_draws
from pooling.figures._drawing import save
from pooling.figures._map import about_map, albers, county_layers, of_story
from pooling.figures.map import frame, plot
from pooling.inputs.response import Response
from pooling.inputs.study import Figures
from pooling.reporting.results import county_levels

STUDY = """\
title = "Example"
[data]
states = ["MN"]
counties = "counties.csv"
county_shapes = "shapes.csv"
[priors]
[sampler]
seed = 1
"""
# conftest's four counties, one that nobody measured, and one of another state.
COUNTIES = """\
county_fips,state,county,lon,lat
27001,MN,AITKIN,-93.5,46.5
27003,MN,ANOKA,-92.5,46.5
27005,MN,CASS,-93.5,45.5
27007,MN,MAHNOMEN,-92.5,45.5
27009,MN,BENTON,-91.5,45.5
55001,WI,ADAMS,-90,44
"""


def square(code):
    """A county of one degree about its centroid."""
    row = next(line.split(",") for line in COUNTIES.splitlines() if line.startswith(str(code)))
    lon, lat = map(float, row[3:])
    corners = [(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)]
    points = ", ".join(f"{lon + dx / 2} {lat + dy / 2}" for dx, dy in corners)
    return f'{code},"POLYGON (({points}))"\n'


@pytest.fixture
def study(tmp_path):
    """Factory of study files, with outlines of these counties."""

    def make(codes=(27001, 27003, 27005, 27007, 27009, 55001), counties=COUNTIES, text=STUDY):
        outlines = "".join(square(code) for code in codes) or '1,"POLYGON ((0 0, 0 1, 1 1, 0 0))"\n'
        (tmp_path / "shapes.csv").write_text("county_fips,outline\n" + outlines)
        (tmp_path / "counties.csv").write_text(counties)
        (tmp_path / "example.toml").write_text(text)
        return str(tmp_path / "example.toml")

    return make


def by_county(rows):
    return rows[rows["kind"] != "border"].drop_duplicates("county_fips").set_index("county_fips")


def test_numbers_are_those_of_the_table_of_counties(example_fit, study):
    fit = example_fit()
    rows = by_county(frame([fit], Figures(), study()))
    table = county_levels(fit).query("floor == 'basement'").set_index("county_fips")
    measured = rows.loc[table.index]
    assert measured["level"].to_numpy() == pytest.approx(table["typical"].to_numpy())
    assert measured["p_action"].to_numpy() == pytest.approx(table["p_action"].to_numpy())
    # Levels and standard deviations of conftest: draws move the probability.
    assert (measured["p_width"] > 0).all()


def test_a_county_that_nobody_measured_is_there_without_a_number(example_fit, study):
    rows = by_county(frame([example_fit()], Figures(), study()))
    assert rows.index.tolist() == [27001, 27003, 27005, 27007, 27009]
    assert rows["houses"].tolist() == [4, 3, 2, 1, 0]
    assert rows.loc[27009, ["level", "p_action"]].isna().all()


def test_becquerels_on_the_map(example_fit, study):
    """1 pCi/L is 37 Bq/m3, and 148 Bq/m3 are 4 pCi/L."""
    fits = [
        example_fit(response=response)
        for response in (Response("log(x + 0.1)"), Response("log(x + 0.1)", "Bq/m3", 148))
    ]
    pci, becquerels = (by_county(frame([fit], Figures(), study())) for fit in fits)
    assert becquerels["level"].to_numpy() == pytest.approx(
        37 * pci["level"].to_numpy(), nan_ok=True
    )
    assert becquerels["p_action"].to_numpy() == pytest.approx(
        pci["p_action"].to_numpy(), nan_ok=True
    )
    assert set(becquerels["unit"]) == {"Bq/m³"}
    drawn = map_draws.frame(fits[1:], Figures(), study())
    assert set(drawn["unit"]) == {"Bq/m³"}
    assert drawn["level"].max() > 37
    assert map_draws.plot(drawn).draw() is not None
    assert plot(frame(fits[1:], Figures(), study())).draw() is not None


@pytest.mark.parametrize("figure", [frame, map_draws.frame])
def test_a_fitted_county_that_nobody_measured_is_grey_too(example_fit, study, figure):
    fit = example_fit()
    data = fit.tree["constant_data"].to_dataset()
    data["houses"] = ("county", [4, 3, 2, 0])
    fit.tree["constant_data"] = data
    rows = figure([fit], Figures(), study())
    said = "Grey: no house was measured there (BENTON, MAHNOMEN)."
    assert said in about_map(rows)
    layers = county_layers(rows, fill="level")
    coloured = layers[1].data
    assert sorted(coloured["county_fips"].unique()) == [27001, 27003, 27005]


def test_borders_are_edges_of_one_county(example_fit, study):
    border = frame([example_fit()], Figures(), study()).query("kind == 'border'")
    # Two by two squares, and one east of the southern row: 10 edges of 20 are outside.
    edges = sum(len(line) - 1 for _, line in border.groupby("ring"))
    assert edges == 10
    assert len(border.drop_duplicates(["x", "y"])) == 10


def test_counties_without_an_outline_are_points(example_fit, study, tmp_path):
    rows = frame([example_fit()], Figures(), study([27001, 27003]))
    kinds = by_county(rows)["kind"]
    assert kinds.tolist() == ["outline"] * 2 + ["point"] * 3
    none = frame([example_fit()], Figures(), study([]))
    assert set(none["kind"]) == {"point"}
    save(plot(none), [tmp_path / "a.png"], "Title")
    assert (tmp_path / "a.png").stat().st_size > 5000


def test_without_outlines_and_centroids_there_is_no_map(example_fit, study):
    nowhere = "\n".join(line.rsplit(",", 2)[0] + ",," for line in COUNTIES.splitlines()[1:])
    path = study([], COUNTIES.splitlines()[0] + "\n" + nowhere + "\n")
    with pytest.raises(NothingToShow, match="add either to have maps"):
        frame([example_fit()], Figures(), path)


def test_outlines_that_are_not_there_are_an_error(example_fit, study, tmp_path):
    path = study()
    (tmp_path / "shapes.csv").unlink()
    with pytest.raises(DataError, match=r"shapes\.csv: no such table of outlines"):
        frame([example_fit()], Figures(), path)


def test_the_model_is_the_storys_with_partial_pooling(example_fit):
    models = ["pooled", "per_county", "hierarchical_noncentered"]
    fits = [example_fit(model) for model in models]
    assert of_story(fits).model == "hierarchical_noncentered"
    assert of_story(fits[:1]).model == "pooled"


def test_albers_is_that_of_snyder():
    # J. P. Snyder (1987), Map Projections: A Working Manual, USGS Professional Paper 1395, p. 291,
    # a sphere of radius 1, parallels 29.5 and 45.5 N, origin 23 N 96 W: 35 N 75 W is at
    # x = 0.2952720, y = 0.2416774, where n = 0.6028370, C = 1.3512213 and rho0 = 1.5562263.
    # Our parallels are a sixth of the 24 degrees from 25.5 and 49.5, and 96 W is the middle.
    lon, lat = np.array([-75.0, -96.0, -117.0, -96.0]), np.array([35.0, 25.5, 35.0, 49.5])
    x, y = albers(lon, lat)
    assert x / 6371 == pytest.approx([0.2952720, 0, -0.2952720, 0], abs=1e-7)
    # Our origin differs. North of 25.5 N 96 W, by (14-2) and (14-3):
    rho = np.sqrt(1.3512213 - 2 * 0.6028370 * np.sin(np.radians(25.5))) / 0.6028370
    assert (y[0] - y[1]) / 6371 == pytest.approx(rho - (1.5562263 - 0.2416774), abs=2e-7)
    assert y[2] == pytest.approx(y[0], abs=1e-9)
    assert y[3] > y[0]


def test_draws_stand_beside_the_median(example_fit, study):
    rows = map_draws.frame([example_fit()], Figures(), study())
    assert rows["panel"].cat.categories.tolist() == [
        "posterior median",
        *("draw 1", "draw 13", "draw 25", "draw 38", "draw 50"),
    ]
    anoka = rows[(rows["county_fips"] == 27003) & (rows["kind"] == "outline")]
    levels = anoka.drop_duplicates("panel").set_index("panel")["level"]
    # conftest: median 1.6, draws 1.6 + 0.1 * (-1.2, ..., 1.2), in log(x + 0.1).
    assert levels["posterior median"] == pytest.approx(np.exp(1.6) - 0.1)
    assert levels.iloc[1:].nunique() > 1
    assert levels.iloc[1:].between(np.exp(1.48) - 0.101, np.exp(1.72) - 0.099).all()


@pytest.mark.parametrize("figure", [(frame, plot), (map_draws.frame, map_draws.plot)])
@pytest.mark.parametrize(
    ("model", "states"), [("pooled", ("MN",)), ("foo", ("MN",)), ("foo", ("MN", "WI"))]
)
def test_plots_are_drawn_without_a_warning(
    example_fit, study, tmp_path, caplog, figure, model, states
):
    make, draw = figure
    fit = example_fit(model, converged=False, states=states)
    drawn = draw(make([fit], Figures(), study()))
    save(drawn, [tmp_path / "a.png", tmp_path / "a.svg"], "Title")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert not caplog.records
