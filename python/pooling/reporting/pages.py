"""The report of a study: a folder of pages, from its tables, figures and programs only.

    python -m pooling.reporting.pages TEMPLATES ABOUT.json TABLES [OPTIONS] -o PAGE.html...

A page `index.html` is the template `index.html.jinja` filled; a page `models/<model>.html` is
`model.html.jinja` filled for that model. The folder refers to nothing outside itself.
"""

import argparse
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from markupsafe import Markup

from pooling.build import cli
from pooling.build.files import replacing
from pooling.figures import declared_figures
from pooling.inputs.schemes import SCHEMES
from pooling.inputs.study import Figures, read_section
from pooling.reporting import decision_facts, facts, reference_facts, score_facts
from pooling.reporting.pictures import (
    Listing,
    Picture,
    by_chapter,
    read_listing,
    read_picture,
    refuse_strangers,
)
from pooling.reporting.rendering import render
from pooling.reporting.tables import read_tables, records

BEST = ("rmse_in_sample", "elpd_loo", "elpd_loco")
TITLES = {
    "index.html": "Overview",
    "counties.html": "Counties",
    "decisions.html": "Decisions",
    "models.html": "Models",
    "methods.html": "Methods",
}
# Chapters of which the first page shows the first figure: of the story, and of its last model.
STORY_CHAPTERS = ("map", "data", "estimates", "shrinkage")
MODEL_CHAPTERS = ("diagnostics", "checks")
# Chapters that have a place on the page of all models, and on that of one model.
LIBRARY_PLACES = ("scores", "diagnostics", "estimates", "checks", "priors", "published")
MODEL_PLACES = ("diagnostics", "estimates", "priors", "scores", "checks")


def context(
    tables: dict[str, pd.DataFrame], highlight: Sequence[int], story: Sequence[str]
) -> dict[str, Any]:
    """Values of the templates that come from the study's tables."""
    headline = facts.headline_model(tables)
    roles = facts.story(tables, story)
    models, scores = tables["models"], score_facts.score_rows(tables)
    sound = models.loc[models["converged"], "model"].tolist()
    shown, hidden = facts.population(tables)
    source, target = roles["none"], roles["partial"]
    highlighted = facts.highlighted(tables, highlight)
    of_example = facts.county_rows(tables, target or headline).set_index("county_fips")
    example = highlighted[0]["county_fips"]
    survey = facts.survey(tables)
    return {
        "tables": {name: records(table) for name, table in tables.items()},
        "models": {row["model"]: row for row in records(models)},
        "unit": survey["floors"]["all"]["unit"],
        "action": f"{survey['floors']['all']['action_level']:g}",
        "survey": survey,
        "failing": records(models[~models["converged"]]),
        "story": roles,
        "levels": {model: facts.extremes(tables, model) for model in roles.values() if model},
        "shared": {
            model: {name: rows.get(name) for name in ("sigma", "sigma_alpha", "sigma_beta")}
            for model, rows in facts.shared(tables).items()
        },
        "example": of_example.loc[example].to_dict() | {"county_fips": example},
        "unmeasured": unmeasured(tables, target or headline),
        "population": records(shown),
        "population_hidden": hidden,
        "highlighted": highlighted,
        "shrinkage": facts.shrinkage(tables, source, target),
        "answer": facts.answer(tables, headline),
        "decided": decision_facts.decided(tables),
        "frequentist": reference_facts.frequentist(tables),
        "published": reference_facts.published(tables),
        "other_priors": reference_facts.other_priors(tables),
        "sensitivity": reference_facts.sensitivity(tables),
        "scores": scores,
        "best": {name: score_facts.best(scores, name, sound) for name in BEST},
        "indistinct": {name: score_facts.indistinct(tables, name) for name in ("loo", "loco")},
    } | of_scores(tables, scores)


def of_scores(tables: dict[str, pd.DataFrame], scores: Mapping[str, dict]) -> dict[str, Any]:
    """Values of the templates about scores of houses left out."""
    repeated = score_facts.repeated_schemes(tables)
    left_out = tuple(scheme for scheme in SCHEMES if scheme not in repeated)
    together = tuple(scheme for scheme in left_out if scheme != "loo")
    errors, shares = ("elpd", "rmse", "rmse_county_means"), ("coverage_50", "coverage_90")
    return {
        "notes": score_facts.score_notes(tables),
        "together": score_facts.left_out(scores, errors, together),
        "covered": score_facts.left_out(scores, shares, left_out),
        "schemes": {name: scheme.left_out.removeprefix("its ") for name, scheme in SCHEMES.items()},
        "single_counties": "kfold_county" in repeated,
        "tutorial": score_facts.tutorial(tables),
    }


def unmeasured(tables: Mapping[str, pd.DataFrame], model: str) -> list[dict]:
    """Rows of the table of that name of one model, for the basement and the first floor."""
    table = tables.get("unmeasured", pd.DataFrame(columns=["model"]))
    return records(table[table["model"] == model])


def placed(pictures: Sequence[Picture], story: Sequence[Picture]) -> dict[str, Any]:
    """Pictures by the page and chapter in which they stand.

    Parameters
    ----------
    pictures
        Those of the story, of the library, and of the headline model.
    story
        Those of the model of the story.

    Raises
    ------
    FigureError
        A picture belongs to no figure.
    """
    figures = declared_figures()
    refuse_strangers([*pictures, *story], figures)
    told, library, of_model = (
        by_chapter(drawn, figures, kind)
        for drawn, kind in ((pictures, "story"), (pictures, "library"), (story, "model"))
    )
    lead = {chapter: told[chapter][:1] for chapter in STORY_CHAPTERS}
    lead |= {chapter: of_model[chapter][:1] for chapter in MODEL_CHAPTERS}
    elsewhere = {
        chapter: each[len(lead[chapter]) if chapter in STORY_CHAPTERS else 0 :]
        for chapter, each in told.items()
    }
    return {
        "lead": {chapter: each[0] if each else None for chapter, each in lead.items()},
        "more": elsewhere,
        "library": library,
        "more_of_library": [c for c, each in library.items() if each and c not in LIBRARY_PLACES],
        "absent": [picture for picture in pictures if picture.empty],
    }


def about_models(values: dict[str, Any], listings: Mapping[str, Listing]) -> None:
    """Add to each model its title and description, from its program's opening comment."""
    for name, row in values["models"].items():
        listing = listings.get(f"{name}.stan")
        row["title"] = listing.title if listing else name.replace("_", " ")
        row["description"] = listing.description if listing else ""


def of_model(
    name: str,
    tables: dict[str, pd.DataFrame],
    listings: Mapping[str, Listing],
    pictures: Sequence[Picture],
) -> dict[str, Any]:
    """Values of the page of one model."""
    chapters = by_chapter(pictures, declared_figures(), "model")
    listing = listings.get(f"{name}.stan", Listing(f"{name}.stan", name, (), ""))
    return {
        "name": name,
        "listing": listing,
        "included": [listings[file] for file in sorted(listing.includes & listings.keys())],
        "own_population": list(facts.shared(tables)[name].values()),
        "own_counties": facts.by_county(tables, name),
        "figures": chapters,
        "remaining": [chapter for chapter in chapters if chapter not in MODEL_PLACES],
        "drawn": any(chapters.values()),
    }


def versions(files: Sequence[Path]) -> dict[str, str]:
    """Versions of packages and of CmdStan, from what the workflow records in `.build`."""
    found: dict[str, str] = {}
    for path in files:
        recorded = json.loads(path.read_text(encoding="utf-8"))
        if "cmdstan" in recorded:
            recorded = {"CmdStan": recorded["version"], "compiler": recorded["compiler"]}
        found |= recorded
    return found


def command_line() -> argparse.ArgumentParser:
    """The stage's arguments."""
    parser = cli.parser(__doc__)
    for name in ("templates", "about", "tables"):
        parser.add_argument(name, type=Path)
    parser.add_argument("--story", type=Path, help="the models of the study's story")
    parser.add_argument("--highlight", type=Path, help="the study's [figures] section")
    parser.add_argument("--graph", type=Path, help="what depends on what, an SVG")
    parser.add_argument("--citation", type=Path, help="how to cite the project")
    for name in ("figures", "programs", "versions"):
        parser.add_argument(f"--{name}", type=Path, nargs="*", default=[])
    parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
    return parser


def of_files(given: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """Values of the templates that are files, or say where they are."""
    return {
        "about": json.loads(given.about.read_text(encoding="utf-8")),
        "css": Markup((given.templates / "report.css").read_text(encoding="utf-8")),
        "folder": Path(os.path.relpath(given.tables, folder)).as_posix(),
        "graph": given.graph and Markup(given.graph.read_text(encoding="utf-8")),
        "citation": given.citation and given.citation.read_text(encoding="utf-8").strip(),
        "versions": versions(given.versions),
        "navigation": [(page, t) for page, t in TITLES.items() if folder / page in given.output],
    }


def main(arguments: list[str] | None) -> None:
    """Write the pages of a study; the folder of the first is the report's."""
    given = command_line().parse_args(arguments)
    folder = given.output[0].parent
    tables = read_tables(given.tables)
    counties = read_section(Figures, given.highlight).lines if given.highlight else []
    story = json.loads(given.story.read_text(encoding="utf-8")) if given.story else []
    values = context(tables, counties, story) | of_files(given, folder)
    listings = {path.name: read_listing(path) for path in given.programs}
    about_models(values, listings)
    # Figures of one model are in a folder of its name; those of the headline model are not.
    drawn: dict[str, list[Picture]] = {}
    for path in given.figures:
        owner = path.parent.name if path.parent.name in values["models"] else ""
        drawn.setdefault(owner, []).append(read_picture(path, folder))
    headline, last = values["answer"]["model"], values["story"]["partial"]
    together = drawn.pop("", [])
    values |= placed(together, drawn.get(last, together if last == headline else []))
    drawn[headline] = together
    for output in given.output:
        own: dict[str, Any] = {"page": output.name, "root": ""}
        template = given.templates / f"{output.name}.jinja"
        if output.parent != folder:
            own = {"page": f"models/{output.name}", "root": "../"}
            own |= of_model(output.stem, tables, listings, drawn.get(output.stem, []))
            template = given.templates / "model.html.jinja"
        with replacing(output) as draft:
            draft.write_text(render(template, values | own), encoding="utf-8")
    for page in (folder / "models").glob("*.html"):
        if page.stem not in values["models"]:
            page.unlink()


if __name__ == "__main__":
    cli.run(main)
