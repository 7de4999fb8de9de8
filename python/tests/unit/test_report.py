import json
import re
from pathlib import Path

import pandas as pd
import pytest
from conftest import build_fit
from report_pages import LESSON, PAGES, STORY, Page, write_figure, write_pages, write_tables

from pooling.build.errors import DataError, FigureError
from pooling.figures import CHAPTERS, declared_figures
from pooling.reporting import facts, headline, pages
from pooling.reporting import tables as report_tables
from pooling.reporting.definitions import TABLE_NOTES


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def tables(folder) -> Path:
    return write_tables(folder)


@pytest.fixture(scope="module")
def site(folder, tables) -> dict[str, Page]:
    drawn = folder / "reports" / "figures"
    names = ("shrinkage", "county-lines", "county-panels", "coverage", "trace", "loo-pit")
    figures = [write_figure(drawn / f"{name}.svg", name.upper()) for name in names]
    told = write_figure(drawn / "hierarchical_noncentered" / "trace.svg", "TOLD")
    program = folder / "pooled.stan"
    program.write_text(
        "/*\n * All as one: one line & all.\n *\n *   y ~ normal(a,\n *              s)\n *\n"
        " * More.\n */\nfunctions {\n  #include functions/f.stanfunctions\n}\n"
        "data { int<lower=0> N; }\n"
    )
    (folder / "f.stanfunctions").write_text("real f(real x) { return x; }\n")
    programs = [program, folder / "f.stanfunctions"]
    listed = ["--programs", *programs, "--figures", *figures, told]
    return write_pages(folder, tables, *map(str, listed))


@pytest.fixture(scope="module")
def page(site) -> Page:
    return site["index"]


def test_tags_match_and_identifiers_are_unique(site):
    for page in site.values():
        assert page.open == []
        assert len(page.ids()) == len(set(page.ids()))


def test_the_folder_stands_alone_and_its_links_lead_somewhere(site, folder):
    within = (folder / "reports").resolve()
    anchors = {page.path.resolve(): page.ids() for page in site.values()}
    for page in site.values():
        # Made by other stages.
        scripts = {e["src"] for e in page.all("script")}
        assert all(re.fullmatch(r"explorer/\w+\.js", source) for source in scripts)
        assert not page.all("link")
        assert "@import" not in page.source
        targets = [e[key] for _, e in page.elements for key in ("href", "src") if key in e]
        assert len(targets) > 10
        for target in {*targets} - scripts:
            file, _, anchor = target.partition("#")
            path = (page.path.parent / file).resolve() if file else page.path.resolve()
            assert path.is_relative_to(within), target
            assert path.is_file(), target
            assert not anchor or anchor in anchors[path], target


def test_sentences_do_not_run_into_each_other(site):
    blocks = r"</?(?:p|div|li|h\d|t[dhr]|d[dt]|figcaption|caption|span|section)\b[^>]*>"
    for name, page in site.items():
        bare = re.sub(r"<(style|pre|code)\b.*?</\1>", "", page.source, flags=re.DOTALL)
        text = re.sub(r"<[^>]+>", "", re.sub(blocks, "\n", bare))
        assert re.findall(r".{30}[a-z0-9)%][.;:!?][A-Z][a-z]", text) == [], name


def test_every_page_has_the_same_navigation(site):
    for name, page in site.items():
        links = [e["href"].removeprefix("../") for e in page.all("a")][2:6]
        assert links == [f"{page}.html" for page in PAGES]
        assert '<html lang="en">' in page.source
        current = re.findall(r'href="([^"]+)" aria-current="(\w+)"', page.source)
        own = ("../models.html", "true") if "/" in name else (f"{name}.html", "page")
        assert current == [own]


def test_places_of_counties_and_models_are_those_of_their_codes_and_names(site):
    assert {"county-27001", "county-27007"} <= set(site["counties"].ids())
    assert {f"model-{model}" for model in LESSON} <= set(site["models"].ids())


def test_every_table_has_a_caption_scopes_and_a_file(site):
    for page in site.values():
        headers = page.all("th")
        assert all(header["scope"] in ("row", "col", "rowgroup", "colgroup") for header in headers)
        assert len(page.all("caption")) == len(page.all("table"))
        captions = re.findall(r"<caption>.*?</caption>", page.source, re.DOTALL)
        assert all('.csv"' in caption for caption in captions)
    assert len(site["models"].all("table")) > 5


def test_figures_stand_on_the_page_of_their_kind_and_say_what_they_are(site):
    shown = {name: [e["alt"] for e in page.all("img")] for name, page in site.items()}
    assert shown["index"] == ["TOLD", "COUNTY-LINES", "SHRINKAGE"]
    assert shown["counties"] == ["COUNTY-PANELS"]
    assert shown["models"] == ["COVERAGE"]
    # The headline model, whose figures have no folder of their own.
    assert shown["models/hierarchical_noncentered"] == ["TRACE", "LOO-PIT"]
    assert shown["models/pooled"] == []
    # 720 x 360 points are 960 x 480 pixels.
    image = site["index"].all("img")[0]
    assert (image["width"], image["height"]) == ("960", "480")
    assert "What TOLD shows." in site["index"].text


@pytest.mark.parametrize("chapter", sorted({*CHAPTERS} - {"calibration", "decisions"}))
def test_figures_dropped_into_the_folder_stand_on_the_page_of_their_kind(
    tmp_path, monkeypatch, chapter
):
    tables = write_tables(tmp_path, ["foo"], failed=())
    figures = tmp_path / "figures"
    for kind in ("story", "library", "model"):
        path = figures / f"my_{kind}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f'KIND = "{kind}"\nCHAPTER = "{chapter}"\n')
    monkeypatch.setattr(pages, "declared_figures", lambda: declared_figures(figures))
    drawn = [
        write_figure(tmp_path / f"reports/my-{k}.svg", k) for k in ("story", "library", "model")
    ]
    site = write_pages(tmp_path, tables, "--figures", *map(str, drawn))
    stands = {name: [e["alt"] for e in page.all("img")] for name, page in site.items()}
    assert stands["index"] + stands["counties"] == ["story"]
    assert stands["models"] == ["library"]
    assert stands["models/foo"] == ["model"]


def test_figures_of_one_model_are_those_of_the_headline_model(folder, tables, monkeypatch):
    assert facts.headline_model(report_tables.read_tables(tables)) == "hierarchical_noncentered"
    drawn = {}

    def record(figure, outputs, description, fits):
        drawn[outputs[0].name] = fits[0].model

    monkeypatch.setattr(headline, "open_fit", lambda path: build_fit(path.name))
    monkeypatch.setattr(headline, "save_or_say", record)
    (folder / "section.json").write_text("{}")
    outputs = ["trace.svg", "trace.png", "loo-pit.svg", "loo-pit.png"]
    headline.main([str(folder / "section.json"), str(tables), "fits", "-o", *outputs])
    assert drawn == dict.fromkeys(("trace.svg", "loo-pit.svg"), "hierarchical_noncentered")


def test_a_picture_without_a_figure_is_an_error(folder, tables):
    picture = write_figure(folder / "tracy.svg", "TRACY")
    with pytest.raises(FigureError, match="tracy: no figure draws this picture"):
        write_pages(folder, tables, "--figures", str(picture))


def test_a_figure_with_nothing_to_show_is_a_line_with_its_reason(tmp_path):
    tables = write_tables(tmp_path, ("pooled",), failed=())
    empty = write_figure(tmp_path / "shrinkage.svg", "Nothing to show: Shrinkage")
    site = write_pages(tmp_path, tables, "--figures", str(empty))
    assert not any(page.all("img") for page in site.values())
    assert re.search(
        r"Figures that do not apply to this study ?shrinkage ?What Nothing to show",
        site["methods"].text,
    )


def test_a_model_has_its_program_its_equations_and_its_title(site):
    page = site["models/pooled"]
    assert "data { int&lt;lower=0&gt; N; }" in page.source
    assert "<h1>All as one</h1>" in page.source
    assert "<p>All as one: one line &amp; all.</p>" in page.source
    assert '<pre class="equations" tabindex="0">y ~ normal(a,\n           s)</pre>' in page.source
    assert "real f(real x)" in page.source
    assert "With all as one, every county has the same level" in site["index"].text


def test_a_model_without_a_comment_is_called_by_its_name(site):
    assert "<h1>per county</h1>" in site["models/per_county"].source
    assert "real f(real x)" not in site["models/per_county"].source


def test_figures_of_a_model_or_the_goal_that_draws_them_are_on_its_page(tmp_path):
    tables = write_tables(tmp_path, ("pooled", "per_county", "hierarchical_noncentered"), failed=())
    drawn = tmp_path / "reports" / "figures" / "pooled" / "trace.svg"
    picture = write_figure(drawn, "TRACE OF POOLED")
    site = write_pages(tmp_path, tables, "--figures", str(picture))
    assert [e["src"] for e in site["models/pooled"].all("img")] == ["../figures/pooled/trace.svg"]
    assert "make report MODEL=per_county" in site["models/per_county"].text
    assert "make report MODEL=" not in site["models/pooled"].text


def test_the_page_of_a_model_that_is_gone_goes(tmp_path):
    tables = write_tables(tmp_path, ("pooled",), failed=())
    stale = tmp_path / "reports" / "models" / "gone.html"
    stale.parent.mkdir(parents=True)
    stale.write_text("old")
    write_pages(tmp_path, tables)
    assert [path.name for path in stale.parent.glob("*")] == ["pooled.html"]


def test_a_model_that_failed_is_flagged_wherever_it_stands(site):
    flagged = {}
    for name, page in site.items():
        tables = re.findall(r"<table>.*?</table>", page.source, re.DOTALL)
        rows = re.findall(r"<tr.*?</tr>", "".join(tables), re.DOTALL)
        rows = [row for row in rows if "hierarchical_<wbr>centered" in row]
        assert all("not converged" in row for row in rows)
        flagged[name] = len(rows)
    # Models, diagnostics twice, five population parameters, their sensitivities and what they
    # are under other priors, prior predictions of two floors, scores, comparison.
    assert flagged["models"] == 22
    assert "kept as a lesson" in site["models"].text
    assert "Do not use its results" in site["models/hierarchical_centered"].text


def test_the_story_has_the_models_that_the_study_says(site):
    rows = [row[0].replace("_ ", "_") for row in site["index"].rows("t-story-scores")]
    assert rows == ["pooled", "per_county", "hierarchical_noncentered"]
    cells = [row[-3].replace("_ ", "_") for row in site["index"].rows("t-highlighted")]
    assert cells == 3 * ["pooled", "per_county", "hierarchical_noncentered"]


def test_a_program_dropped_in_has_its_page_and_changes_nothing_in_the_story(tmp_path):
    sites = []
    for models in (STORY, (*STORY, "zebra")):
        folder = tmp_path / models[-1]
        lines = write_figure(folder / "reports" / "county-lines.svg", "LINES")
        tables = write_tables(folder, models, failed=())
        sites.append(write_pages(folder, tables, "--figures", str(lines)))
    before, after = (site["index"] for site in sites)
    for table in ("t-highlighted", "t-story-scores", "t-widths"):
        assert after.rows(table) == before.rows(table)
    assert "models/zebra" not in sites[0]
    assert "<h1>zebra</h1>" in sites[1]["models/zebra"].source
    assert [row[0] for row in sites[1]["models"].rows("t-scores")][-1] == "zebra"


def test_the_county_table_is_that_of_a_model_that_converged(site):
    assert "Radon by county under hierarchical_noncentered, pCi/L." in site["counties"].text


def test_numbers_on_pages_are_those_of_the_tables_to_the_printed_digit(site, tables):
    model = "hierarchical_noncentered"
    table = pd.read_csv(tables / "counties.csv").query("model == @model")
    printed = {row[0]: row[1:] for row in site["counties"].rows("t-counties")}
    for (county, houses, first), own in table.groupby(["county", "houses", "first_floor_houses"]):
        expected = [f"{houses}", f"{first}"]
        for row in own.sort_values("floor").to_dict("records"):
            typical = [row[name] for name in ("typical", "typical_q5", "typical_q95")]
            level = "{:.1f} ({:.1f} to {:.1f})".format(*typical)
            expected.append(level + ("" if row["identified"] else " †"))
            expected.append(f"{row['house_q5']:.1f} to {row['house_q95']:.1f}")
            expected.append(f"{row['p_action']:.0%}")
        assert printed[county] == expected
    estimates = pd.read_csv(tables / "estimates.csv").query("model == @model")
    shared = estimates[estimates["county_fips"].isna()].set_index("parameter")
    for name, mean, sd, *_ in site[f"models/{model}"].rows("t-population"):
        assert (mean, sd) == tuple(f"{shared.loc[name, c]:.3f}" for c in ("mean", "sd"))
    scores = pd.read_csv(tables / "scores.csv").set_index(["model", "score"])["value"]
    for title, inside, outside, elpd, _ in site["index"].rows("t-story-scores"):
        name = title.replace("_ ", "_")
        assert inside.startswith(f"{scores[name, 'rmse_in_sample']:.3f} ±")
        assert outside.startswith(f"{scores[name, 'rmse_loo']:.3f} ±")
        assert elpd.startswith(f"{scores[name, 'elpd_loo']:.1f} ±")


def test_three_widths_are_named_and_grow(site, tables):
    rows = site["index"].rows("t-widths")
    kinds = ("credible", "predictive", "predictive")
    assert all(
        row[0].endswith(f"90% {kind} interval") for row, kind in zip(rows, kinds, strict=True)
    )
    assert "unmeasured county" in rows[2][0]
    unmeasured = pd.read_csv(tables / "unmeasured.csv").query("model == 'hierarchical_noncentered'")
    ends = unmeasured[["house_q5", "house_q95"]].to_numpy()
    assert rows[2][1:] == [f"{low:.1f} to {high:.0f}" for low, high in ends], (
        "from 100 without decimals"
    )


def test_sentences_have_numbers_of_the_tables(site, tables):
    summary = pd.read_csv(tables / "data_summary.csv")
    assert summary["houses"].tolist() == [10, 7, 3]
    text = site["index"].text
    assert "10 houses in 4 counties (MN)" in text
    assert "MAHNOMEN has 1 house, AITKIN has 4." in text
    assert "2 counties have no house measured on the first floor" in text
    assert "3 of 4 models passed." in site["models"].text


def test_the_first_page_is_ten_minutes(page):
    # The budget: 2,500 words and 2 MB, with all four models and no explorer.
    assert 500 < len(page.text.split()) < 2500
    assert page.path.stat().st_size < 2_000_000


def test_no_county_is_none(page):
    assert "and on the first floor in none." in page.text


def test_every_file_is_described():
    assert {*report_tables.REQUIRED, *report_tables.OPTIONAL} == set(TABLE_NOTES)


def test_sensitivity_is_said_in_words(site):
    page = site["models"]
    assert "Examine sigma_beta in hierarchical_noncentered (prior-data conflict)" in page.text
    assert re.search(
        r"sensitivity to the prior is that of sigma_beta in hierarchical_noncentered ?: 0\.080",
        page.text,
    )


def test_what_the_prior_takes_for_possible_is_said(site):
    page = site["models"]
    assert "Above 1,000 pCi/L" in page.text
    assert "1,000 pCi/L is 250 times the action level." in page.text


def test_other_priors_are_compared(site):
    page = site["models"]
    assert "under other priors (wide)" in page.text
    # sqrt(0.01^2 + 0.01^2) / 0.1 = 0.14.
    assert "by 0.50 of its standard deviation, with a Monte Carlo error of 0.14" in page.text


def test_the_tutorial_is_quoted_with_our_errors(page):
    # In-sample errors of both models are 0.5 here: 0.5 / 0.13 and 0.5 / 0.08.
    assert "“0.13”" in page.text
    assert "3.8 and 6.2 times as large" in page.text
    # Neither has the smaller error, so nothing is said of their order.
    assert "Nor can their order" not in page.text


def test_what_is_not_identified_is_marked(site):
    (row,) = [row for row in site["counties"].rows("t-counties") if row[0] == "CASS"]
    # Houses, first floor; basement: typical, new house, probability; the same for the first floor.
    assert ["†" in cell for cell in row[1:]] == [False] * 5 + [True, False, False]


def test_text_from_outside_is_escaped(folder, tables):
    for page in write_pages(folder, tables, title="<b>Radon</b> & more").values():
        assert "<b>Radon" not in page.source
        assert "&lt;b&gt;Radon&lt;/b&gt; &amp; more" in page.source


def test_highlighted_counties_come_from_the_study(folder, tables):
    chosen = folder / "figures.json"
    chosen.write_text(json.dumps({"lines": [27007]}))
    lines = write_figure(folder / "reports" / "county-lines.svg", "LINES")
    page = write_pages(folder, tables, "--highlight", str(chosen), "--figures", str(lines))["index"]
    body = page.source[page.source.index('id="t-highlighted"') :]
    assert re.findall(r'"rowgroup" rowspan="3"><a[^>]*>(\w+)', body) == ["MAHNOMEN"]
    assert "Level of MAHNOMEN" in page.rows("t-widths")[0][0]


def test_the_same_tables_give_the_same_pages(folder, tables):
    first, second = (
        {name: page.source for name, page in write_pages(folder, tables).items()} for _ in range(2)
    )
    assert first == second


def test_a_missing_table_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"models\.csv: no such table"):
        report_tables.read_tables(tmp_path)
