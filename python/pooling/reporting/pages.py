"""The report of a study: one page from its tables, figures and programs only.

`python -m pooling.reporting.pages TEMPLATE CSS ABOUT.json TABLES --figures FIGURE.svg...
--programs PROGRAM... --highlight FIGURES.json -o PAGE.html`
"""

import base64
import json
import math
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import jinja2
import pandas as pd
from markupsafe import Markup, escape

from pooling.build import cli
from pooling.build.errors import DataError, FigureError, NothingToShow, PoolingError
from pooling.build.files import replacing
from pooling.figures import CHAPTERS, Declared, declared_figures
from pooling.fits.store import read_table
from pooling.inputs.schemes import SCHEMES
from pooling.inputs.study import Figures, read_section
from pooling.reporting import facts

REQUIRED = (
    *("models", "estimates", "diagnostics", "scores", "comparison"),
    *("counties", "data_rules", "data_summary", "definitions"),
)
OPTIONAL = ("priors", "prior_predictive", "sensitivity", "other_priors", "frequentist", "published")
BEST = ("rmse_in_sample", "elpd_loo", "elpd_loco")
LARGE = 1_000_000  # bytes from which the PNG of a figure is shown instead of its SVG
DUBLIN_CORE = "{http://purl.org/dc/elements/1.1/}"
PIXELS = {"": 1.0, "px": 1.0, "pt": 4 / 3, "in": 96.0}
MISSING = "\N{EN DASH}"


@dataclass(frozen=True)
class Picture:
    """A figure inside the page.

    Attributes
    ----------
    name
        As in `make <name>-plot`.
    title, description
        Read from the figure's file.
    uri
        The picture itself as a data URI.
    width, height
        Size in CSS pixels.
    """

    name: str
    title: str
    description: str
    uri: str
    width: int
    height: int


@dataclass(frozen=True)
class Listing:
    """The text of a Stan file; `summary` is the first paragraph of its opening comment."""

    name: str
    summary: str
    text: str


def read_picture(path: Path) -> Picture:
    """Read an SVG with its title and description.

    Raises
    ------
    DataError
        The file is not an SVG, or has no size.
    """
    try:
        root = ElementTree.parse(path).getroot()
        width, height = (_pixels(root.attrib[side]) for side in ("width", "height"))
    except (ElementTree.ParseError, KeyError, ValueError) as error:
        raise DataError(f"{path}: not a figure ({error}); delete it and run make again") from None
    name = path.stem.replace("_", "-")
    about = {
        field: next((e.text.strip() for e in root.iter(DUBLIN_CORE + field) if e.text), "")
        for field in ("title", "description")
    }
    about["title"] = about["title"].rstrip(".") or name
    return Picture(name, **about, uri=_data_uri(path), width=width, height=height)


def _pixels(length: str) -> int:
    size = re.fullmatch(r"([\d.]+)([a-z]*)", length)
    if size is None or size[2] not in PIXELS:
        raise ValueError(f"size {length}")
    return round(float(size[1]) * PIXELS[size[2]])


def _data_uri(path: Path) -> str:
    """The file as a data URI; for a large SVG its PNG, if there is one and it is smaller."""
    kind, pixels = "svg+xml", path.with_suffix(".png")
    size = path.stat().st_size
    if size > LARGE and pixels.is_file() and pixels.stat().st_size < size:
        kind, path = "png", pixels
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"


def place(pictures: Sequence[Picture], figures: Mapping[str, Declared]) -> dict[str, list[Picture]]:
    """Pictures by the chapter that their figures declare, in the figures' order.

    Pictures with nothing to show in this study are under `absent`.

    Raises
    ------
    FigureError
        A picture belongs to no figure.
    """
    places: dict[str, list[Picture]] = {chapter: [] for chapter in (*CHAPTERS, "absent")}
    by_figure = {picture.name.replace("-", "_"): picture for picture in pictures}
    for name in by_figure.keys() - figures.keys():
        raise FigureError(f"{by_figure[name].name}: no figure draws this picture; remove the file")
    for figure in figures.values():
        if picture := by_figure.get(figure.name):
            empty = picture.title.startswith(NothingToShow.TITLE)
            places["absent" if empty else figure.chapter].append(picture)
    return places


def read_listing(path: Path) -> Listing:
    """Read a Stan file."""
    text = path.read_text(encoding="utf-8")
    comment = re.match(r"\s*/\*(.*?)\*/", text, re.DOTALL)
    lines = [re.sub(r"^\s*\* ?", "", line) for line in comment[1].splitlines()] if comment else []
    first = "\n".join(lines).strip().partition("\n\n")[0]
    return Listing(path.name, " ".join(first.split()), text)


def read_tables(folder: Path) -> dict[str, pd.DataFrame]:
    """Read the tables of a study, by name.

    Raises
    ------
    DataError
        A table that the page needs is missing.
    """
    tables = {}
    for name in (*REQUIRED, *OPTIONAL):
        path = folder / f"{name}.csv"
        if path.is_file():
            tables[name] = read_table(path)
        elif name in REQUIRED:
            raise DataError(f"{path}: no such table; run make again")
    return tables


def number(value: float | None, digits: int = 2) -> str:
    """Format a number: typographic minus, thousands separators, powers of ten if huge."""
    if value is None or not math.isfinite(value):
        return MISSING
    size = abs(value)
    digits = 0 if size >= 10_000 else digits
    text = f"{value:.1e}" if size >= 1e6 else f"{value:,.{digits}f}"
    return text.replace("-", "\N{MINUS SIGN}")


def plain(value: float | None) -> str:
    """Format a setting without rounding, with thousands separators."""
    return MISSING if value is None else f"{value:,g}".replace("-", "\N{MINUS SIGN}")


def radon(value: float | None) -> str:
    """Format an activity in pCi/L; impossibly large ones are shown as > 9,999."""
    if value is None or math.isnan(value):
        return MISSING
    if value > 9999:
        return ">\N{NO-BREAK SPACE}9,999"
    return f"{value:,.{1 if value < 99.95 else 0}f}"


def percent(share: float) -> str:
    """A share in whole percent, never rounded to 0% or 100%."""
    if 0 < share < 0.005:
        return "<\N{NO-BREAK SPACE}1%"
    if 0.995 <= share < 1:
        return ">\N{NO-BREAK SPACE}99%"
    return f"{share:.0%}"


def plural(count: int, one: str, many: str = "") -> str:
    """`1 house`, `2 houses`."""
    return f"{count:,}\N{NO-BREAK SPACE}{one if count == 1 else many or one + 's'}"


def breakable(name: str) -> Markup:
    """A name that may break after each underscore."""
    return Markup(str(escape(name)).replace("_", "_<wbr>"))


def records(table: pd.DataFrame) -> list[dict]:
    """Rows as dictionaries, None for missing values."""
    return table.astype(object).where(table.notna(), None).to_dict("records")


def context(tables: dict[str, pd.DataFrame], highlight: Sequence[int]) -> dict:
    """Values of the template that come from the study's tables."""
    model = facts.headline_model(tables)
    models, scores = tables["models"], facts.score_rows(tables)
    sound = models.loc[models["converged"], "model"].tolist()
    partial = models.set_index("model").loc[model, "structure"] == "partial pooling"
    source = facts.model_of(tables, "no pooling")
    shown, hidden = facts.population(tables)
    repeated = facts.repeated_schemes(tables)
    left_out = tuple(scheme for scheme in SCHEMES if scheme not in repeated)
    together = tuple(scheme for scheme in left_out if scheme != "loo")
    return {
        "tables": {name: records(table) for name, table in tables.items()},
        "models": {row["model"]: row for row in records(models)},
        "survey": facts.survey(tables),
        "scores": scores,
        "schemes": {name: scheme.left_out.removeprefix("its ") for name, scheme in SCHEMES.items()},
        "notes": facts.score_notes(tables),
        "together": facts.left_out(scores, ("elpd", "rmse", "rmse_county_means"), together),
        "covered": facts.left_out(scores, ("coverage_50", "coverage_90"), left_out),
        "single_counties": "kfold_county" in repeated,
        "best": {name: facts.best(scores, name, sound) for name in BEST},
        "population": records(shown),
        "population_hidden": hidden,
        "highlighted": facts.highlighted(tables, highlight),
        "shrinkage": facts.shrinkage(tables, source, model) if partial else None,
        "tutorial": facts.tutorial(tables),
        "frequentist": facts.frequentist(tables),
        "published": facts.published(tables),
        "other_priors": facts.other_priors(tables),
        "sensitivity": facts.sensitivity(tables),
        "answer": facts.answer(tables, model),
    }


def render(template: Path, values: dict) -> str:
    """Fill the template; all values are escaped unless they are marked as safe.

    Raises
    ------
    PoolingError
        The template is invalid; the message names the line.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(template.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    filters = (number, plain, radon, percent, plural, breakable)
    environment.filters.update({filter_.__name__: filter_ for filter_ in filters})
    try:
        return environment.get_template(template.name).render(values)
    except jinja2.TemplateSyntaxError as error:
        raise PoolingError(f"{template}, line {error.lineno}: {error.message}") from None
    except jinja2.UndefinedError as error:
        raise PoolingError(f"{template}: {error.message}; correct the name there") from None


def main(arguments: list[str] | None) -> None:
    """Write the report of a study."""
    parser = cli.stage(__doc__, "template", "css", "about", "tables")
    parser.add_argument("--figures", type=Path, nargs="*", default=[])
    parser.add_argument("--programs", type=Path, nargs="*", default=[])
    parser.add_argument("--graph", type=Path, help="what depends on what, an SVG")
    parser.add_argument("--highlight", type=Path, help="the study's [figures] section")
    args = parser.parse_args(arguments)
    counties = read_section(Figures, args.highlight).lines if args.highlight else []
    tables = read_tables(args.tables)
    values = context(tables, counties)
    # Programs that the study does not use are not listed; included functions are.
    order = [f"{model}.stan" for model in values["models"]]
    programs = [p for p in args.programs if p.suffix != ".stan" or p.name in order]
    programs.sort(key=lambda p: order.index(p.name) if p.name in order else len(order))
    values |= {
        "about": json.loads(args.about.read_text(encoding="utf-8")),
        "css": Markup(args.css.read_text(encoding="utf-8")),
        "folder": Path(os.path.relpath(args.tables, args.output.parent)).as_posix(),
        "figures": place([read_picture(path) for path in args.figures], declared_figures()),
        "programs": [read_listing(path) for path in programs],
        "graph": args.graph and Markup(args.graph.read_text(encoding="utf-8")),
    }
    with replacing(args.output) as draft:
        draft.write_text(render(args.template, values), encoding="utf-8")


if __name__ == "__main__":
    cli.run(main)
