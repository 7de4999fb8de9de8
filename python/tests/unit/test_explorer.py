"""The data of the county explorer; what the page makes of it is tested in a browser."""

import json
import math
from pathlib import Path

import pandas as pd
import pytest

from pooling.build.errors import DataError
from pooling.reporting import charts
from pooling.reporting.explorer import counties_of, draws_of, plain, script, shapes_of

STUDY = 'title = "Example"\n[data]\nstates = ["MN"]\n[priors]\n[sampler]\nseed = 1\n'


def test_numbers_are_short_and_valid_json():
    found = plain(pd.Series([1.0, 0.25, math.nan, math.inf, 3.7]))
    assert found[:3] == [1, 0.25, None]
    assert json.loads(json.dumps(found, allow_nan=False))[3] > 1e300  # printed as > 99,999
    assert plain(pd.Series([True, False])) == [1, 0]


def test_a_script_makes_its_value_part_of_one_variable():
    assert script("data", {"a": [1, None]}) == (
        '(window.radonExplorer ??= {}).data={"a":[1,null]};\n'
    )


def test_houses_are_by_floor_and_county(example_fit):
    found = counties_of(example_fit())
    assert found["label"] == ["AITKIN", "ANOKA", "CASS", "MAHNOMEN"]
    # exp(1.0) - 0.1, exp(1.4) - 0.1; then MAHNOMEN without a first floor.
    assert found["houses"][0][0] == [2.62, 3.96]
    assert found["houses"][1][3] == []


def test_models_carry_all_their_draws_if_they_have_few(example_fit):
    found = draws_of(example_fit())
    assert found["number"] == {"levels": 50, "houses": 200}
    # Two bytes a number, four characters for three bytes.
    assert len(found["levels"][0]) == pytest.approx(4 * 50 * 2 * 4 / 3, abs=3)
    assert len(found["houses"][1]) == pytest.approx(4 * 200 * 2 * 4 / 3, abs=3)
    # Under complete pooling one county stands for all.
    pooled = draws_of(example_fit("pooled"))
    assert len(pooled["houses"][1]) == pytest.approx(200 * 2 * 4 / 3, abs=3)


def test_a_study_without_outlines_or_centroids_has_no_map(example_fit, tmp_path):
    text = STUDY.replace('states = ["MN"]', 'states = ["MN"]\ncounties = "counties.csv"')
    (tmp_path / "example.toml").write_text(text)
    (tmp_path / "counties.csv").write_text("county_fips,state,county\n27001,MN,AITKIN\n")
    assert shapes_of(example_fit(), str(tmp_path / "example.toml")) == []


def test_charts_and_scripts_share_one_scope(tmp_path):
    chart, first, second = (tmp_path / name for name in ("explorer.map.vg.json", "a.js", "b.js"))
    chart.write_text('{"marks": []}')
    first.write_text("const a = 1;")
    second.write_text("a + 1;")
    text = charts.together([chart, first, second])
    assert text.splitlines() == [
        '(window.radonExplorer ??= {}).charts={"map":{"marks":[]}};',
        "",
        "(() => {",
        '"use strict";',
        "const a = 1;",
        "a + 1;",
        "})();",
    ]


def test_an_invalid_chart_is_named(tmp_path):
    path = tmp_path / "explorer.map.vg.json"
    path.write_text('{"marks": [}')
    with pytest.raises(DataError, match=r"explorer\.map\.vg\.json: not a Vega specification"):
        charts.read_chart(path)


def test_vega_is_the_same_in_every_build(tmp_path):
    written = []
    for name in ("one", "two"):
        path = Path(tmp_path / name / "vega.js")
        charts.main(["-o", str(path.with_name("explorer.js")), "--vega", str(path)])
        written.append(path.read_bytes())
    assert written[0] == written[1]
    assert b"vegaEmbed" in written[0]
