import base64
import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import pytest
from conftest import build_fit
from written import write_coords, write_results, write_twins

from pooling.build.errors import DataError, FigureError, PoolingError
from pooling.figures import CHAPTERS, declared_figures
from pooling.reporting import facts, headline, pages, results
from pooling.reporting.definitions import TABLE_NOTES

REPORTS = Path(__file__).parents[3] / "reports"
SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="720pt" height="360pt"><metadata>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}.</dc:title>
<dc:description>What {title} shows.</dc:description></rdf:RDF></metadata></svg>"""
VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}
LESSON = ("pooled", "per_county", "hierarchical_centered", "hierarchical_noncentered")


class Page(HTMLParser):
    """Elements of a page with their attributes, its text, and whether its tags match."""

    def __init__(self, path: Path):
        super().__init__()
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)
        self.text = " ".join(
            re.sub(r"<style>.*?</style>|<[^>]+>", "", self.source, flags=re.S).split()
        )

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]


def write_figure(path: Path, title: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(SVG.format(title=title))
    return path


def write_tables(folder: Path, models=LESSON, *, failed=("hierarchical_centered",), **options):
    """Tables of a study of these models, as `pooling.reporting.results` writes them."""
    data = {name: value for name, value in options.items() if name in ("counties", "states")}
    fits = [write_results(folder, m, converged=m not in failed, **options) for m in models]
    coords = write_coords(folder, **data)
    results.main(
        [*map(str, (coords, write_twins(folder), *fits)), "-o", str(folder / "reports" / "tables")]
    )
    return folder / "reports" / "tables"


def write_page(folder: Path, tables: Path, *more: str, title: str = "Radon here") -> Page:
    about = folder / "about.json"
    about.write_text(json.dumps({"study": "example", "title": title, "description": "Ten houses."}))
    inputs = (REPORTS / "report.html.jinja", REPORTS / "report.css", about, tables)
    output = folder / "reports" / "index.html"
    pages.main([*map(str, inputs), *more, "-o", str(output)])
    return Page(output)


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("study")


@pytest.fixture(scope="module")
def tables(folder) -> Path:
    return write_tables(folder)


@pytest.fixture(scope="module")
def page(folder, tables) -> Page:
    names = ("shrinkage", "trace", "ppc-density")
    figures = [write_figure(folder / f"{name}.svg", name.upper()) for name in names]
    program = folder / "pooled.stan"
    program.write_text("/*\n * One line & all.\n *\n * More.\n */\ndata { int<lower=0> N; }\n")
    unused = folder / "unused.stan"
    unused.write_text("data { }\n")
    listed = ["--programs", str(program), str(unused), "--figures", *map(str, figures)]
    return write_page(folder, tables, *listed)


def test_tags_match_and_identifiers_are_unique(page):
    assert page.open == []
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(names) == len(set(names))


def test_the_page_stands_alone(page):
    assert not page.all("script")
    assert not page.all("link")
    assert "@import" not in page.source
    assert all(image["src"].startswith("data:image/") for image in page.all("img"))
    links = [link["href"] for link in page.all("a")]
    assert all(link.startswith(("#", "tables/")) for link in links)


def test_links_lead_somewhere(page, folder):
    names = {attributes.get("id") for _, attributes in page.elements}
    for link in page.all("a"):
        href = link["href"]
        assert href[1:] in names if href[0] == "#" else (folder / "reports" / href).is_file()


def test_every_table_has_a_caption_scopes_and_a_file(page):
    headers = page.all("th")
    assert all(header["scope"] in ("row", "col", "rowgroup", "colgroup") for header in headers)
    assert len(page.all("caption")) == len(page.all("table")) > 5
    captions = re.findall(r"<caption>.*?</caption>", page.source, re.DOTALL)
    assert all('href="tables/' in caption for caption in captions)


def test_figures_say_what_they_are(page):
    assert [image["alt"] for image in page.all("img")] == [
        "TRACE",
        "PPC-DENSITY",
        "SHRINKAGE",
    ]
    assert "What TRACE shows." in page.text
    # 720 x 360 points are 960 x 480 pixels.
    assert (page.all("img")[0]["width"], page.all("img")[0]["height"]) == ("960", "480")


def test_a_figure_dropped_into_the_folder_stands_in_its_chapter(folder, tables, monkeypatch):
    figures = folder / "figures"
    figures.mkdir()
    (figures / "my_own.py").write_text('KIND = "story"\nCHAPTER = "checks"\n')
    monkeypatch.setattr(pages, "declared_figures", lambda: declared_figures(figures))
    picture = write_figure(folder / "my-own.svg", "MY-OWN")
    source = write_page(folder, tables, "--figures", str(picture)).source
    places = [source.index(f'id="{name}"') for name in ("checks", "figure-my-own", "scores")]
    assert places == sorted(places)


def test_figures_of_one_model_are_those_of_the_headline_model(folder, tables, monkeypatch):
    assert facts.headline_model(pages.read_tables(tables)) == "hierarchical_noncentered"
    drawn = {}

    def record(figure, outputs, description, fits):
        drawn[outputs[0].name] = fits[0].model

    monkeypatch.setattr(headline, "open_fit", lambda path: build_fit(path.name))
    monkeypatch.setattr(headline, "save_or_say", record)
    (folder / "section.json").write_text("{}")
    outputs = ["trace.svg", "trace.png", "loo-pit.svg", "loo-pit.png"]
    headline.main([str(folder / "section.json"), str(tables), "fits", "-o", *outputs])
    assert drawn == dict.fromkeys(("trace.svg", "loo-pit.svg"), "hierarchical_noncentered")


def test_every_chapter_but_that_of_calibration_is_in_the_report():
    template = (REPORTS / "report.html.jinja").read_text()
    places = re.findall(r'{{ pictures\("(\w+)"\) }}', template)
    assert sorted(places) == sorted({*CHAPTERS} - {"calibration"})


def test_a_picture_without_a_figure_is_an_error(folder, tables):
    picture = write_figure(folder / "tracy.svg", "TRACY")
    with pytest.raises(FigureError, match="tracy: no figure draws this picture"):
        write_page(folder, tables, "--figures", str(picture))


def test_a_figure_with_nothing_to_show_is_a_line_with_its_reason(tmp_path):
    tables = write_tables(tmp_path, ("pooled",), failed=())
    empty = write_figure(tmp_path / "shrinkage.svg", "Nothing to show: Shrinkage")
    page = write_page(tmp_path, tables, "--figures", str(empty))
    assert [tag for tag, _ in page.elements if tag == "img"] == []
    assert re.search(
        r"Figures that do not apply to this study ?shrinkage ?What Nothing to show", page.text
    )


def test_programs_of_the_study_are_printed(page):
    assert "data { int&lt;lower=0&gt; N; }" in page.source
    assert "One line &amp; all." in page.source
    assert "unused.stan" not in page.source


def test_a_model_that_failed_is_flagged_wherever_it_stands(page):
    tables = re.findall(r"<table>.*?</table>", page.source, re.DOTALL)
    flagged = 0
    for row in re.findall(r"<tr.*?</tr>", "".join(tables), re.DOTALL):
        if "hierarchical_<wbr>centered" in row:
            assert "not converged" in row
            flagged += 1
    # Models, gate twice, five population parameters, their sensitivities and what they
    # are under other priors, prior predictions of two floors, scores, comparison, three counties.
    assert flagged == 25
    assert "kept as a lesson" in page.text


def test_the_county_table_is_that_of_a_model_that_converged(page):
    assert "Radon by county under hierarchical_noncentered, pCi/L." in page.text


def test_sentences_have_numbers_of_the_tables(page, tables):
    summary = pd.read_csv(tables / "data_summary.csv")
    assert summary["houses"].tolist() == [10, 7, 3]
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "10 houses in 4 counties (MN)" in text
    assert "MAHNOMEN has 1 house, AITKIN has 4." in text
    assert "2 counties have no house measured on the first floor" in text
    assert "3 of 4 models passed." in text


def test_no_county_is_none(page):
    text = page.text.replace("\N{NO-BREAK SPACE}", " ")
    assert "and on the first floor in none." in text


def test_every_file_is_described():
    assert {*pages.REQUIRED, *pages.OPTIONAL} == set(TABLE_NOTES)


def test_tenths_of_few_counties_are_said_to_be_single_counties(tmp_path):
    tables = write_tables(tmp_path, ["pooled"])
    scores = pd.read_csv(tables / "scores.csv")
    more = [f"{name}_{kind}" for name in ("elpd", "rmse") for kind in ("loco", "kfold_county")]
    rows = scores.iloc[:4].assign(score=more, value=-1.0)
    pd.concat([scores, rows]).to_csv(tables / "scores.csv", index=False)
    page = write_page(tmp_path, tables)
    assert "A random tenth of so few counties is a single county" in page.text
    assert "Whole county left out" in page.text
    assert "A random tenth of the counties left out" not in page.text


def test_sensitivity_is_said_in_words(page):
    assert "Examine sigma_beta in hierarchical_noncentered (prior-data conflict)" in page.text
    assert re.search(
        r"sensitivity to the prior is that of sigma_beta in hierarchical_noncentered ?: 0\.080",
        page.text,
    )


def test_what_the_prior_takes_for_possible_is_said(page):
    assert "Above 1,000 pCi/L" in page.text
    assert "1,000 pCi/L is 250 times the action level." in page.text


def test_other_priors_are_compared(page):
    assert "under other priors (wide)" in page.text
    # sqrt(0.01^2 + 0.01^2) / 0.1 = 0.14.
    assert "by 0.50 of its standard deviation, with a Monte Carlo error of 0.14" in page.text


def test_the_tutorial_is_quoted_with_our_errors(page):
    # In-sample errors of both models are 0.5 here: 0.5 / 0.13 and 0.5 / 0.08.
    assert "“0.13”" in page.text
    assert "3.8 and 6.2 times as large" in page.text
    # Neither has the smaller error, so nothing is said of their order.
    assert "Nor can their order" not in page.text


def test_what_is_not_identified_is_marked(page):
    body = page.source[page.source.index('id="t-counties"') :]
    row = re.search(r'<tr><th scope="row">CASS</th>.*?</tr>', body, re.DOTALL)[0]
    cells = re.findall(r"<td.*?</td>", row, re.DOTALL)
    # Houses, first floor; basement: typical, new house, probability; the same for the first floor.
    assert ["†" in cell for cell in cells] == [False] * 5 + [True, False, False]


def test_text_from_outside_is_escaped(folder, tables):
    page = write_page(folder, tables, title="<b>Radon</b> & more")
    assert "<b>Radon" not in page.source
    assert "&lt;b&gt;Radon&lt;/b&gt; &amp; more" in page.source


@pytest.mark.parametrize("model", ["pooled", "per_county", "foo"])
def test_one_model_and_no_scores_or_figures_make_a_page(tmp_path, model):
    page = write_page(tmp_path, write_tables(tmp_path, [model], scored=False))
    assert page.open == []
    assert "What the tutorial reported" not in page.text


def test_one_county_makes_a_page(tmp_path):
    page = write_page(tmp_path, write_tables(tmp_path, ["foo"], counties=1))
    assert "this study does not have both" in page.text


def test_counties_of_several_states_are_told_apart(tmp_path):
    folder = write_tables(tmp_path, ["foo"], states=("MN", "ND"))
    page = write_page(tmp_path, folder)
    assert "AITKIN, MN" in page.text
    assert "ANOKA, ND" in page.text


def test_where_nothing_converged_the_page_says_so(tmp_path):
    page = write_page(tmp_path, write_tables(tmp_path, ["foo"], failed=("foo",)))
    assert "No model of this study converged: do not use these numbers." in page.text
    assert "0 of 1 model passed." in page.text.replace("\N{NO-BREAK SPACE}", " ")


def test_highlighted_counties_come_from_the_study(folder, tables):
    chosen = folder / "figures.json"
    chosen.write_text(json.dumps({"lines": [27007]}))
    page = write_page(folder, tables, "--highlight", str(chosen))
    body = page.source[page.source.index('id="t-highlighted"') :]
    assert re.findall(r'"rowgroup" rowspan="4">(\w+)', body) == ["MAHNOMEN"]


def test_the_same_tables_give_the_same_page(folder, tables):
    assert write_page(folder, tables).source == write_page(folder, tables).source


def test_a_large_drawing_is_shown_by_its_smaller_png(tmp_path, monkeypatch):
    path = write_figure(tmp_path / "trace.svg", "TRACE")
    path.with_suffix(".png").write_bytes(b"png")
    assert pages.read_picture(path).uri.startswith("data:image/svg+xml;base64,")
    monkeypatch.setattr(pages, "LARGE", 10)
    encoded = base64.b64encode(b"png").decode()
    assert pages.read_picture(path).uri == f"data:image/png;base64,{encoded}"


def test_a_broken_figure_is_an_error_that_names_it(tmp_path):
    path = tmp_path / "trace.svg"
    path.write_text("<svg")
    with pytest.raises(DataError, match=r"trace\.svg: not a figure"):
        pages.read_picture(path)


def test_a_figure_without_size_is_an_error(tmp_path):
    path = tmp_path / "trace.svg"
    path.write_text('<svg xmlns="http://www.w3.org/2000/svg" width="100%" height="1px"/>')
    with pytest.raises(DataError, match=r"trace\.svg: not a figure"):
        pages.read_picture(path)


def test_a_missing_table_is_an_error_that_names_it(tmp_path):
    with pytest.raises(DataError, match=r"models\.csv: no such table"):
        pages.read_tables(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [("a\n{% if %}", r"page\.jinja, line 2"), ("{{ nothing }}", "'nothing' is undefined")],
)
def test_a_wrong_template_is_an_error_that_says_where(tmp_path, text, message):
    template = tmp_path / "page.jinja"
    template.write_text(text)
    with pytest.raises(PoolingError, match=message):
        pages.render(template, {})


@pytest.mark.parametrize(
    ("value", "digits", "text"),
    [
        (-0.6488, 2, "\N{MINUS SIGN}0.65"),
        (1234.56, 1, "1,234.6"),
        (12345.6, 1, "12,346"),
        (-2.5e7, 2, "\N{MINUS SIGN}2.5e+07"),
        (float("nan"), 2, "\N{EN DASH}"),
        (None, 2, "\N{EN DASH}"),
    ],
)
def test_numbers_for_people(value, digits, text):
    assert pages.number(value, digits) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.04, "0.0"), (4.04, "4.0"), (99.96, "100"), (9999, "9,999"), (float("inf"), ">\xa09,999")],
)
def test_activities_for_people(value, text):
    assert pages.radon(value) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0%"), (0.001, "<\xa01%"), (0.4516, "45%"), (0.999, ">\xa099%"), (1, "100%")],
)
def test_shares_for_people(share, text):
    assert pages.percent(share) == text


def test_settings_plurals_and_breaks():
    assert [pages.plain(value) for value in (0.0, 10000.0, None)] == ["0", "10,000", "\N{EN DASH}"]
    assert pages.plural(1, "county", "counties") == "1\xa0county"
    assert pages.plural(1250, "house") == "1,250\xa0houses"
    assert pages.breakable("a_b<") == "a_<wbr>b&lt;"
