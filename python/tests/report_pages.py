"""Pages of the report, written from small tables and read again."""

import json
import re
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
from written import write_coords, write_results, write_twins

from pooling.reporting import pages, results

REPORTS = Path(__file__).parents[2] / "reports"


SVG = """<svg xmlns="http://www.w3.org/2000/svg" width="720pt" height="360pt"><metadata>
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"
 xmlns:dc="http://purl.org/dc/elements/1.1/"><dc:title>{title}.</dc:title>
<dc:description>What {title} shows.</dc:description></rdf:RDF></metadata></svg>"""


VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}


PAGES = ("index", "counties", "models", "methods")


STORY = ("pooled", "per_county", "hierarchical_noncentered")


LESSON = ("pooled", "per_county", "hierarchical_centered", "hierarchical_noncentered")


class Page(HTMLParser):
    """Elements of a page with their attributes, its text, and whether its tags match."""

    def __init__(self, path: Path):
        super().__init__()
        self.path = path
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.source = path.read_text()
        self.feed(self.source)
        bare = re.sub(r"<style>.*?</style>|<nav.*?</nav>|<[^>]+>", "", self.source, flags=re.S)
        self.text = " ".join(bare.replace("\N{NO-BREAK SPACE}", " ").split())

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def all(self, tag: str) -> list[dict]:
        return [attributes for name, attributes in self.elements if name == tag]

    def ids(self) -> list[str]:
        return [attributes["id"] for _, attributes in self.elements if "id" in attributes]

    def rows(self, table: str) -> list[list[str]]:
        """Texts of the cells of the body of a table, whose caption has this id."""
        body = self.source[self.source.index(f'id="{table}"') :]
        body = body[: body.index("</table>")]
        rows = re.findall(r"<tr[^>]*>(.*?)</tr>", body[body.index("</thead>") :], re.DOTALL)
        cells = [re.findall(r"<t[hd][^>]*>(.*?)</t[hd]>", row, re.DOTALL) for row in rows]
        bare = [[re.sub(r"<[^>]+>", " ", cell) for cell in row] for row in cells]
        minus, space = "\N{MINUS SIGN}", "\N{NO-BREAK SPACE}"
        texts = [[cell.replace(minus, "-").replace(space, " ") for cell in row] for row in bare]
        return [[" ".join(cell.split()) for cell in row] for row in texts]


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


def write_pages(folder: Path, tables: Path, *more: str, title="Radon here") -> dict[str, Page]:
    """The pages of a study by name: index, counties, models, methods, and one per model."""
    about, story = folder / "about.json", folder / "story.json"
    about.write_text(json.dumps({"study": "example", "title": title, "description": "Ten houses."}))
    story.write_text(
        json.dumps([m for m in STORY if m in set(pd.read_csv(tables / "models.csv")["model"])])
    )
    models = pd.read_csv(tables / "models.csv")["model"]
    names = [*PAGES, *(f"models/{model}" for model in models)]
    outputs = [folder / "reports" / f"{name}.html" for name in names]
    inputs = [REPORTS, about, tables, "--story", story, *more, "-o", *outputs]
    pages.main([*map(str, inputs)])
    return {name: Page(output) for name, output in zip(names, outputs, strict=True)}
