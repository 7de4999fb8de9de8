"""The pages in a real browser: Chromium or Chrome, opened from disk.

Screenshots at 1280 and 390 pixels are written to `.build/browser/screenshots/`.
"""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from driving import check_page, choose, plain, text, type_county, visit
from written import write_coords, write_results, write_twins

from pooling.fits.store import open_fit, read_table
from pooling.reporting import charts, explorer, pages, results
from pooling.reporting.counties import predictive_quantile
from pooling.reporting.rendering import percent, radon

ROOT = Path(__file__).parents[3]
REPORTS = ROOT / "reports"
MODELS = ("pooled", "per_county", "hierarchical_noncentered")
SCRIPTS = ("numbers", "words", "charts", "losses", "decision", "page")
NAMES = ("index", "counties", "models", "methods", "models/pooled")
WIDTHS = (1280, 390)
HEADLINE = MODELS[2]
WEIGHTED = ("floor", "other_floor", "counties")
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
# conftest's four counties and one that nobody measured.
CENTROIDS = {
    27001: ("AITKIN", -93.5, 46.5),
    27003: ("ANOKA", -92.5, 46.5),
    27005: ("CASS", -93.5, 45.5),
    27007: ("MAHNOMEN", -92.5, 45.5),
    27009: ("BENTON", -91.5, 45.5),
}


def write_study(folder: Path) -> Path:
    """A study of square counties."""
    counties, shapes = ["county_fips,state,county,lon,lat"], ["county_fips,outline"]
    for code, (name, lon, lat) in CENTROIDS.items():
        counties.append(f"{code},MN,{name},{lon},{lat}")
        corners = [(-1, -1), (-1, 1), (1, 1), (1, -1), (-1, -1)]
        points = ", ".join(f"{lon + x / 2} {lat + y / 2}" for x, y in corners)
        shapes.append(f'{code},"POLYGON (({points}))"')
    for name, lines in (("counties.csv", counties), ("shapes.csv", shapes)):
        (folder / name).write_text("\n".join(lines) + "\n")
    path = folder / "example.toml"
    path.write_text(STUDY)
    return path


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of three models of the example, without figures."""
    folder = tmp_path_factory.mktemp("site")
    fits = [write_results(folder, model) for model in MODELS]
    twins = write_twins(folder)
    twins.write_text(json.dumps(json.loads(twins.read_text()) | {HEADLINE: "y ~ (1 | county)"}))
    out = folder / "report"
    inputs = map(str, (write_coords(folder), twins, *fits))
    results.main([*inputs, "-o", str(out / "tables")])
    story, about = folder / "story.json", folder / "about.json"
    story.write_text(json.dumps(MODELS))
    about.write_text(json.dumps({"study": "example", "title": "Radon", "description": "Houses."}))
    parts = [str(out / "explorer" / name) for name in ("data", "draws", "explorer", "vega")]
    data, draws, script, vega = (f"{part}.js" for part in parts)
    inputs = map(str, (story, out / "tables", folder / "fits"))
    study = str(write_study(folder))
    explorer.main([*inputs, "--study", study, "-o", data, "--draws", draws])
    scripts = [REPORTS / f"explorer.{name}.js" for name in SCRIPTS]
    sources = map(str, (*sorted(REPORTS.glob("explorer.*.vg.json")), *scripts))
    charts.main([*sources, "-o", script, "--vega", vega])
    outputs = [str(out / f"{name}.html") for name in NAMES]
    about_tables = [str(REPORTS), str(about), str(out / "tables"), "--story", str(story)]
    programs = [str(ROOT / "stan" / f"{model}.stan") for model in MODELS]
    pages.main([*about_tables, "--programs", *programs, "-o", *outputs])
    return out


@pytest.fixture
def page(window, report):
    """The page of counties, with the headline model, at 1280 pixels."""
    window.set_viewport_size({"width": 1280, "height": 900})
    visit(window, report, "counties")
    return window


def fact(page, name: str, which: str = "first") -> str:
    return text(page, f"[data-which={which}] [data-fact={name}]")


def set_level(page, value: float) -> None:
    page.locator("#explorer-level").fill(str(value))


def tables(report: Path) -> dict[str, pd.DataFrame]:
    return {name: read_table(report / "tables" / f"{name}.csv") for name in explorer.SHOWN}


def test_the_beginning_of_a_name_finds_a_county(page):
    type_county(page, "mah")
    assert text(page, ".card h3") == "MAHNOMEN, in the basement"
    assert text(page, "#explorer-summary").startswith("MAHNOMEN: half of the houses have more than")
    assert page.url.endswith("#county-27007")
    assert "1 house measured: 1 in the basement, none on the first floor" in fact(page, "houses")


def test_a_name_that_is_not_one_county_is_said_to_be_so(page):
    before = text(page, ".card h3")
    type_county(page, "Bemidji")
    assert text(page, "#explorer-message") == "No county of this study begins with “Bemidji”."
    type_county(page, "A")
    assert text(page, "#explorer-message").startswith("2 counties begin with “A”")
    assert text(page, ".card h3") == before


def test_a_click_on_the_map_chooses(page):
    shapes = page.locator("#explorer-map .county path")
    assert shapes.count() == len(CENTROIDS)
    shapes.nth(1).click()
    assert text(page, ".card h3").startswith("ANOKA")
    choose(page, click="the county to compare")
    shapes.nth(2).click()
    assert text(page, "[data-which=second] h3").startswith("CASS")
    assert page.url.endswith("#county-27003,27005")


def test_two_counties_are_compared_side_by_side(page, report):
    visit(page, report, "counties", "#county-27003,27007")
    cards = [page.locator(f"[data-which={which}]").bounding_box() for which in ("first", "second")]
    assert cards[0]["y"] == cards[1]["y"]
    assert cards[0]["x"] + cards[0]["width"] <= cards[1]["x"]
    # The draws that the page carries are all 50, of which the posterior has two halves alike.
    fit = open_fit(report.parent / "fits" / HEADLINE)
    levels = fit.effects()["alpha"].values
    higher = percent((levels[:, 1] > levels[:, 3]).mean()).replace("\N{NO-BREAK SPACE}", " ")
    said = f"The level of ANOKA is higher in {higher} of 50 draws."
    assert text(page, "#explorer-summary").endswith(said)
    type_county(page, "", "second")
    assert not page.locator("[data-which=second]").is_visible()


def test_a_link_to_a_county_opens_it(page, report):
    visit(page, report, "counties", "#county-27005")
    page.wait_for_function("Math.abs(explorer.getBoundingClientRect().top) < 50")
    assert text(page, ".card h3").startswith("CASS")
    page.evaluate("location.hash = '#county-27001'")
    page.wait_for_function("document.querySelector('.card h3').textContent.startsWith('AITKIN')")


def test_without_a_link_the_page_starts_at_its_top(page):
    assert text(page, ".card h3").startswith("AITKIN")  # with the most houses
    assert "#" not in page.url
    assert page.evaluate("scrollY") == 0


def test_a_county_that_nobody_measured_says_so(page, report):
    visit(page, report, "counties", "#county-27009")
    assert text(page, ".card h3").startswith("BENTON")
    assert fact(page, "houses").startswith("No house was measured here")
    assert not page.locator("[data-which=first] .chart").is_visible()


@pytest.mark.parametrize("model", MODELS)
def test_numbers_are_those_of_the_tables(page, report, model):
    found = tables(report)
    page.locator("#explorer-model").select_option(index=[HEADLINE, *MODELS[:2]].index(model))
    for row in found["counties"].query("model == @model").to_dict("records"):
        choose(page, floor=row["floor"])
        type_county(page, row["county"])
        same = "model == @model and county_fips == @row['county_fips']"
        rank = found["ranks"].query(f"{same} and floor == @row['floor']").iloc[0]
        typical, low, high = (radon(row[name]) for name in ("typical", "typical_q5", "typical_q95"))
        said = plain(fact(page, "level"))
        words = f"more than {typical} pCi/L; 90% credible interval {low} to {high}."
        assert plain(words) in said
        assert ("†" in said) != row["identified"]
        house = f"{radon(row['house_q5'])} to {radon(row['house_q95'])} pCi/L"
        assert plain(house) in fact(page, "house")
        assert plain(f"4 pCi/L or more: {percent(row['p_action'])},") in fact(page, "share")
        if pd.isna(rank["rank"]):
            assert fact(page, "rank").startswith("None:")
        else:
            ranks = [f"{rank[name]:.0f}" for name in ("rank", "ranked", "rank_q5", "rank_q95")]
            said = "{} of {}, 1 being the highest; 90% interval {} to {}.".format(*ranks)
            assert fact(page, "rank") == said
        zones = found["zones"].query(same).set_index("average")
        for line, average in enumerate(("arithmetic", "geometric"), start=1):
            cells = page.locator(f".card tbody tr:nth-child({line}) td").all_inner_texts()
            wanted = [percent(zones.loc[average, f"zone_{i}"]) for i in (1, 2, 3)]
            assert cells == [plain(share) for share in wanted]


def test_weights_and_own_estimate_are_those_of_the_table(page, report):
    row = tables(report)["weights"].query(f"model == '{HEADLINE}' and floor == 'basement'").iloc[0]
    type_county(page, "AITKIN")
    said = fact(page, "pooling")
    assert (
        f"Its 2 houses in the basement have a geometric mean of {radon(row['own'])} pCi/L" in said
    )
    floor, other, counties = (percent(row[f"weight_{name}"]) for name in WEIGHTED)
    weights = f"these 2 houses {floor}, its 2 houses on the first floor {other}"
    assert said.endswith(plain(f"Weights in this level: {weights}, the other counties {counties}."))


def test_the_slider_moves_the_level_and_the_probability(page, report):
    type_county(page, "ANOKA")
    fit = open_fit(report.parent / "fits" / HEADLINE)
    mean = fit.effects()["alpha"].values[:, [1]]
    sd = fit.population()["sigma"][:, None]
    for probability in (0.25, 0.5, 0.75):
        # The level that a new house is below with this probability, as all draws have it.
        exact = float(np.exp(predictive_quantile(mean, sd, probability)[0]) - 0.1)
        set_level(page, round(exact, 1))
        shown = float(re.search(r"(\d+)%", fact(page, "share"))[1]) / 100
        assert shown == pytest.approx(1 - probability, abs=0.02)  # levels are in tenths
        assert f"{round(exact, 1):g} pCi/L or more" in fact(page, "share")
    page.locator("#explorer-level").focus()
    before = text(page, "#explorer-level-text")
    page.keyboard.press("ArrowRight")
    assert text(page, "#explorer-level-text") != before
    page.locator("#explorer-reset").click()
    assert text(page, "#explorer-level-text") == "4 pCi/L"


def test_becquerels_are_37_times_as_many(page, report):
    type_county(page, "AITKIN")
    row = tables(report)["counties"].query(f"model == '{HEADLINE}'").iloc[0]
    choose(page, unit="Bq/m³")
    typical = 37 * row["typical"]
    assert f"more than {radon(typical)} Bq/m³" in fact(page, "level")
    assert fact(page, "share").startswith("148 Bq/m³ or more")
    assert text(page, "#explorer-level-text") == "148 Bq/m³"
    assert "above 148" in text(page, ".card table")


def test_charts_show_every_house_and_fifty_new_ones(page):
    type_county(page, "AITKIN")
    dots = page.locator(".card .chart .mark-symbol path")
    # Four houses, the county's own mean, its level, and fifty new houses.
    page.wait_for_function(
        "document.querySelectorAll('.card .chart .mark-symbol path').length > 50"
    )
    assert dots.count() == 4 + 1 + 1 + 50
    high = page.locator(".card .chart .mark-symbol path[fill='#d55e00']").count()
    assert f"about {high} in 50 new houses" in fact(page, "share")


def test_the_first_page_looks_up_a_county_and_leads_to_it(window, report):
    visit(window, report, "index")
    type_county(window, "cass")
    assert text(window, "#explorer-summary").startswith("CASS: half of the houses")
    window.locator("#explorer-more a").click()
    assert window.url.endswith("counties.html#county-27005")
    assert text(window, ".card h3").startswith("CASS")


def test_a_study_without_decisions_shows_none(page):
    assert page.locator("#explorer-decision, script[src$='decision.js']").count() == 0


def test_without_scripts_the_table_serves(browser, report):
    page = browser.new_context(java_script_enabled=False).new_page()
    page.goto((report / "counties.html").as_uri() + "#county-27005")
    assert not page.locator("#explorer").is_visible()
    assert page.locator("#county-27005").is_visible()
    assert page.locator("noscript a[href$='#table']").count() or "Without JavaScript" in text(
        page, "main"
    )


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("name", NAMES)
def test_pages_fit_and_are_accessible(window, report, name, width):
    window.set_viewport_size({"width": width, "height": 900})
    visit(window, report, name, "#county-27001,27003" if name == "counties" else "")
    check_page(window, name, width)
