"""What to do in a county, in a real browser: the table's numbers, other costs, and after a test."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from decided import represented, spread_out
from driving import check_page, choose, plain, text, type_county, visit
from test_pages import NAMES, REPORTS, SCRIPTS, WIDTHS, write_study
from written import write_coords, write_results, write_twins

from pooling.fits.store import Fit, open_fit, read_table, write_fit, write_table
from pooling.inputs.decision import Decision
from pooling.reporting import calculator, charts, explorer, pages, results
from pooling.reporting.advice import advice
from pooling.reporting.decisions import decisions, make_tables

MODELS = ("hierarchical_noncentered", "pooled")
DECISION = Decision()
FLOORS = ("basement", "first floor")
WORDS = {"nothing": "do nothing", "measure": "measure first", "remedy": "remedy now"}


@pytest.fixture(scope="module")
def report(tmp_path_factory) -> Path:
    """A report of a study with decisions, which only its page of counties and tables need."""
    folder = tmp_path_factory.mktemp("deciding")
    fits = [write_results(folder, model) for model in MODELS]
    for path in fits:
        fit = open_fit(path)
        own = spread_out(fit, draws=100, response=fit.response.transform)
        write_fit(own.tree, path / "fit.nc")
    out, tables = folder / "report", folder / "report" / "tables"
    inputs = map(str, (write_coords(folder), write_twins(folder), *fits))
    results.main([*inputs, "-o", str(tables)])
    fit = open_fit(fits[0])
    for name, table in make_tables(fit, DECISION, represented(fit)).items():
        write_table(table, tables / f"{name}.csv")
    write_pages(folder, out, write_study(folder))
    return out


def write_pages(folder: Path, out: Path, study: Path) -> None:
    values = {
        "story": list(MODELS),
        "about": {"study": "example", "title": "Radon", "description": "Houses."},
        "decision": DECISION.model_dump(),
    }
    story, about, decision = (folder / f"{name}.json" for name in values)
    for path in (story, about, decision):
        path.write_text(json.dumps(values[path.stem]))
    where = [str(out / "tables"), str(folder / "fits")]
    parts = {name: str(out / "explorer" / f"{name}.js") for name in NAMED}
    outputs = ["-o", parts["data"], "--draws", parts["draws"]]
    explorer.main([str(story), *where, "--study", str(study), *outputs])
    calculator.main([str(story), str(decision), *where, "-o", parts["decision"]])
    scripts = [REPORTS / f"explorer.{name}.js" for name in SCRIPTS]
    sources = map(str, (*sorted(REPORTS.glob("explorer.*.vg.json")), *scripts))
    charts.main([*sources, "-o", parts["explorer"], "--vega", parts["vega"]])
    inputs = [str(REPORTS), str(about), str(out / "tables"), "--story", str(story)]
    pages.main([*inputs, "-o", *(str(out / f"{name}.html") for name in NAMES[:2])])


NAMED = ("data", "draws", "decision", "explorer", "vega")


@pytest.fixture
def page(window, report):
    window.set_viewport_size({"width": 1280, "height": 900})
    visit(window, report, "counties", "#county-27003")
    return window


@pytest.fixture
def fit(report) -> Fit:
    return open_fit(report.parent / "fits" / MODELS[0])


def shown(page, column: int = 1) -> dict[str, float]:
    """Losses that the page shows: of a new house (1) or the reader's own (2); NaN without one."""
    cells = page.locator(f"#explorer-losses tbody td:nth-of-type({column})").all_inner_texts()
    sums = (cell.split("±")[0].strip().removeprefix("$").replace(",", "") for cell in cells)
    return dict(zip(WORDS, (float(s) if s[0].isdigit() else np.nan for s in sums), strict=True))


def losses(row: pd.Series) -> dict[str, float]:
    return {name: row[f"loss_{name}"] for name in WORDS}


def test_without_changes_the_numbers_are_those_of_the_table(page, report):
    table = read_table(report / "tables" / "decisions.csv")
    assert table["action"].nunique() == 3
    for row in table.to_dict("records"):
        choose(page, floor=row["floor"])
        type_county(page, row["county"])
        cells = page.locator("#explorer-losses tbody td").all_inner_texts()
        assert [c.split(" ±")[0] for c in cells] == [f"${row[f'loss_{n}']:,.0f}" for n in WORDS]
        said = text(page, "#explorer-action")
        assert f"In a house in {row['county']} that nobody has tested" in said
        assert f": {WORDS[row['action']]}." in said
        for test in ("remedy_above", "remedy_above_screening"):
            assert plain(f"reads more than {row[test]:,.1f} pCi/L") in said
        where = page.locator("#explorer-basis a").get_attribute("href")
        assert where == f"decisions.html#decide-{row['county_fips']:05d}"


@pytest.mark.parametrize(
    ("household", "level"), [("two nonsmokers", "7.4"), ("two smokers", "3.1")]
)
def test_households_act_from_their_level(page, fit, household, level):
    """7.4 and 3.1 pCi/L are the book's; losses are as the tables would have them."""
    choose(page, household=household)
    assert text(page, "#explorer-act-text") == f"{level} pCi/L"
    value = {"two nonsmokers": 370, "two smokers": 1900}[household] / 0.21 / 4800 * 1000
    table = decisions(fit, Decision(value_per_pci=value), represented(fit))
    row = table.query("county == 'ANOKA' and floor == 'basement'").iloc[0]
    assert shown(page) == pytest.approx(losses(row), rel=1e-3, abs=1)
    page.locator("#explorer-restore").click()
    assert text(page, "#explorer-act-text") == "4.0 pCi/L"
    assert page.locator("#explorer-household").input_value() == "average"


def test_costs_are_moved_by_sliders_and_keys(page, fit):
    page.locator("#explorer-remedy").fill("3000")
    page.locator("#explorer-cost").focus()
    page.keyboard.press("ArrowRight")
    assert text(page, "#explorer-cost-text") == "$55"
    # A remedy for $3,000 pays from 2 + 3000 / 1000 pCi/L.
    assert text(page, "#explorer-act-text") == "5.0 pCi/L"
    other = Decision(remedy_cost=3000.0, test_cost=55.0, value_per_pci=1000.0)
    table = decisions(fit, other, represented(fit))
    row = table.query("county == 'ANOKA' and floor == 'basement'").iloc[0]
    assert shown(page) == pytest.approx(losses(row), rel=1e-3, abs=1)


@pytest.mark.parametrize(
    ("kind", "result"), [("screening", 3.0), ("screening", 60.0), ("long-term", 4.5)]
)
@pytest.mark.parametrize("floor", [0, 1])
def test_a_result_gives_what_predict_gives(page, fit, kind, result, floor):
    choose(page, floor=FLOORS[floor])
    page.locator("#explorer-kind").select_option(kind)
    page.locator("#explorer-result").fill(str(result))
    effects = fit.effects()
    level = (effects["alpha"] + floor * effects["beta"]).values[:, [1]]
    sd = np.full_like(level, 0.75)
    house = np.array([floor]), np.array([result]), np.array([kind])
    wanted = advice(level, sd, *house, DECISION, fit.response).iloc[0]
    assert shown(page, 2) == pytest.approx(losses(wanted), rel=1e-3, abs=1, nan_ok=True)
    said = text(page, "#explorer-action")
    assert f"{WORDS[wanted['action']]}. Its annual radon" in said
    page.locator("#explorer-result").fill("")
    assert "Your house" not in text(page, "#explorer-action")


def test_levels_are_in_the_unit_on_show(page, report):
    page.locator("#explorer-result").fill("10")
    choose(page, unit="Bq/m³")
    assert text(page, "#explorer-act-text") == "148 Bq/m³"
    assert page.locator("#explorer-result").input_value() == "370"
    row = read_table(report / "tables" / "decisions.csv").query("county == 'ANOKA'").iloc[0]
    assert f"reads more than {37 * row['remedy_above']:,.0f} Bq/m³" in text(
        page, "#explorer-action"
    )


def test_another_model_decides_by_its_own_draws(page):
    page.locator("#explorer-model").select_option(index=1)
    assert "the study decides by another model" in text(page, "#explorer-basis")


@pytest.mark.parametrize("width", WIDTHS)
def test_decisions_fit_and_are_accessible(window, report, width):
    window.set_viewport_size({"width": width, "height": 900})
    visit(window, report, "counties", "#county-27003")
    window.locator("#explorer-result").fill("10")
    check_page(window, "decision", width)
