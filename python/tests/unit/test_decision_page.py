"""The page of decisions: what a radon officer and a home owner read, and its numbers."""

import json

import pandas as pd
import pytest
from conftest import build_fit
from decided import represented, spread_out
from report_pages import LESSON, REPORTS, Page, write_figure, write_tables

from pooling.fits.store import write_table
from pooling.inputs.decision import Decision
from pooling.reporting import pages
from pooling.reporting.decision_facts import decided, households
from pooling.reporting.decisions import make_tables, settings
from pooling.reporting.tables import read_tables

MODEL = "hierarchical_noncentered"
FIGURES = ("action-map", "action-regions", "policies", "after-test")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def tables(folder):
    tables = write_tables(folder, LESSON, counties=12)
    fit = spread_out(build_fit(MODEL, counties=12), draws=100)
    for name, table in make_tables(fit, Decision(), represented(fit)).items():
        write_table(table, tables / f"{name}.csv")
    return tables


@pytest.fixture(scope="module")
def page(folder, tables):
    about, story = folder / "about.json", folder / "story.json"
    about.write_text(json.dumps({"study": "example", "title": "Radon here", "description": ""}))
    story.write_text(json.dumps([]))
    drawn = [write_figure(folder / f"reports/figures/{name}.svg", name) for name in FIGURES]
    inputs = [REPORTS, about, tables, "--story", story, "--figures", *drawn]
    output = folder / "reports/decisions.html"
    pages.main([*map(str, inputs), "-o", str(output)])
    return Page(output)


def test_every_county_has_its_actions_and_thresholds(page, tables):
    rows, table = page.rows("t-decisions"), pd.read_csv(tables / "decisions.csv")
    assert len(rows) == len(table) == 24
    words = {"nothing": "do nothing", "measure": "measure first", "remedy": "remedy now"}
    for cells, row in zip(rows, table.itertuples(), strict=True):
        assert cells[1] == row.floor
        assert cells[3].removesuffix(" (close)") == words[row.action]
        assert cells[4] == f"${row.loss_nothing:,.0f}"
        assert cells[-2] == f"{row.remedy_above:.1f}"
    assert {cells[3] for cells in rows} >= {"do nothing", "measure first", "remedy now"}
    assert "decide-27001" in page.ids()


def test_numbers_of_the_book_are_recomputed_beside_it(page):
    assert "Remedy at once from 6.31 pCi/L, not from 3.5." in page.text
    assert (
        "“5%” of houses remedied at once cannot be part of “about 4.5%” remedied in all"
        in page.text
    )
    cells = {row[0]: row[1:3] for row in page.rows("t-book")}
    assert cells["share measured; elsewhere 28%"][0] == "0.260"


def test_a_home_owner_reads_what_a_result_means(page):
    # 2 + 2000 / (1000 / 4800 * 370 / 0.21), as published, and for two smokers.
    assert "from 7.4 pCi/L on for two nonsmokers" in page.text
    assert "from 3.1 for two smokers" in page.text
    assert "0.5 times the result in a basement" in page.text


def test_figures_stand_in_the_page(page):
    assert [name for name in FIGURES if f"figure-{name}" in page.ids()] == [*FIGURES]


def test_policies_and_what_they_rest_on(page):
    assert page.rows("t-policies")[0][0] == "Recommended here"
    assert "300 houses: those that the survey represents, by its weights" in page.text
    assert page.rows("t-sensitivity")[0][0] == "none"
    assert ["remedy_ cost", "2000", "dollars"] in [row[:3] for row in page.rows("t-settings")]


def test_without_tables_nothing_is_decided(tables):
    found = {name: t for name, t in read_tables(tables).items() if name != "decisions"}
    assert decided(found) is None


def test_a_floor_without_houses_has_no_shares(tables):
    found = dict(read_tables(tables))
    found["decisions"] = found["decisions"].assign(represented=0)
    shares = [a["share"] for floor in decided(found)["floors"].values() for a in floor.values()]
    assert all(share != share for share in shares)


def test_households_with_another_own_one():
    """At 1900 dollars per pCi/L, two smokers act at 3.05; then the average at 3.98."""
    table = settings(Decision(household="two smokers", value_of_life=210_000))
    found = households(table)
    assert found["two smokers"] == pytest.approx(2 + 2000 / 1900)
    assert found["average"] == pytest.approx(2 + 2000 / (0.21 * 4800))
