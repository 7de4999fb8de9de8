"""Plan a study for make: its models, and files that change only with their content.

`python -m pooling.workflow.plan STUDY.toml stan -o .build/<study>/plan.mk`

`plan.mk` names the models and tables. This stage also writes each section of the study and, in
`.build`, the normalised source of each program, a stamp of each stage's code, the toolchain and
the versions of the packages. Every file is rewritten only when its content changes, so that make
reacts only to edits that matter.
"""

import json
import os
import re
from importlib.metadata import version
from pathlib import Path

from pooling.build import cli
from pooling.build.cmdstan import is_built, locate, toolchain
from pooling.build.errors import ProgramError, StudyError
from pooling.build.files import digest, write_if_changed
from pooling.build.manifest import reconcile
from pooling.figures import KINDS
from pooling.inputs.decision import TABLES
from pooling.inputs.priors import unread
from pooling.inputs.study import Study, read_study
from pooling.programs.contract import INPUTS, OPTIONAL, is_provided
from pooling.programs.order import ends_of_story, story_models
from pooling.programs.source import declared, normalised, twin
from pooling.workflow.stamps import write_stamps

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,99}")
GOALS = "all bench clean data diagnostics figures fits fsck graph help lint predict reference"
GOALS += " repair report sbc scores setup stress study tables test verify why"
RESERVED = {*GOALS.split(), "FORCE"}
RESERVED |= {"draft", "functions"}  # folders in stan/
PACKAGES = ("arviz-base", "arviz-stats", "cmdstanpy", "matplotlib", "numpy", "pandas", "plotnine")


def programs(folder: Path) -> dict[str, str]:
    """Normalised source of every program in a folder by stem, in alphabetical order.

    Raises
    ------
    ProgramError
        A stem is not a valid name, or is one that make uses itself.
    """
    found = {}
    for path in sorted(folder.glob("*.stan")):
        if not NAME.fullmatch(path.stem) or path.stem in RESERVED:
            raise ProgramError(
                f"{path}: rename the program to a letter followed by at most 99 letters, digits or "
                f"underscores, other than {', '.join(sorted(RESERVED))}"
            )
        found[path.stem] = normalised(path, folder)
    for path in folder.glob("functions/*.stanfunctions"):
        if not NAME.fullmatch(path.stem):
            raise ProgramError(f"{path}: rename the file to letters, digits and underscores")
    return found


def models_of(study: Study, path: Path, available: dict[str, str]) -> list[str]:
    """Models of a study: those it names, or all whose data it provides.

    The centered program of a pair `<x>_centered` and `<x>_noncentered` is a tutorial model that
    fails if counties have few houses, so only studies that name it have it.

    Raises
    ------
    StudyError
        It names a model without a program or without its data, or a prior that no program
        reads.
    """
    if problem := unread(study.priors, map(declared, available.values())):
        raise StudyError(f"{path}: {problem}")
    wanted, allowed = study.models, list(study.models.allowed_to_fail)
    for setting in ("use", "also", "allowed_to_fail"):
        for model in getattr(wanted, setting):
            if model not in available:
                raise StudyError(
                    f"{path}: models.{setting}: no program stan/{model}.stan; choose from: "
                    f"{', '.join(available)}"
                )
    applying = [model for model, text in available.items() if not lacking(study, text)]
    for setting, model in [(key, m) for key in ("use", "also") for m in getattr(wanted, key)]:
        if model not in applying:
            raise StudyError(
                f"{path}: models.{setting}: {model} needs {lacking(study, available[model])}, "
                "which the study's data and priors do not provide; add them or leave the model out"
            )
    if not applying:
        raise StudyError(f"{path}: priors: no model can run with these priors; add those of one")
    twins = [m.removesuffix("_noncentered") for m in available if m.endswith("_noncentered")]
    lessons = {f"{twin}_centered" for twin in twins}
    default = [m for m in applying if m not in lessons or m in (*wanted.also, *allowed)]
    return list(dict.fromkeys([*(wanted.use or default), *wanted.also]))


def lacking(study: Study, text: str) -> str:
    """Data that a program needs and a study does not provide, such as `S, state`, or ""."""
    read = filter(is_provided, declared(text))
    return ", ".join(sorted({*read} - provided_data(study)))


def provided_data(study: Study) -> set[str]:
    """Names of the Stan data that a study provides."""
    provided = INPUTS - OPTIONAL | set(study.priors.scales())
    if study.data.uranium:
        provided.add("log_uranium")
    if study.data.detection_limit is not None:
        provided.add("log_limit")
    if study.data.distances:
        provided.add("distance")
    if study.data.several_states:
        provided |= {"S", "state"}
    return provided


def table_path(study: Path, table: Path) -> str:
    """Path of a study's table relative to the top folder.

    Raises
    ------
    StudyError
        The table is missing, or make cannot handle its path.
    """
    path = os.path.relpath(study.parent / table)
    if not Path(path).is_file():
        raise StudyError(
            f"{study}: no table {path}; correct the path, which is relative to the study file"
        )
    # make or its shell could interpret other characters.
    if not re.fullmatch(r"[\w./+,@][\w./+,@-]*", path):
        raise StudyError(
            f"{study}: {path!r}: make cannot read this path; in the names of tables and their "
            "folders use letters, digits and any of ._+,@-"
        )
    return path


def write_plan(study: Study, path: Path, arrows: str, folder: Path, output: Path) -> None:
    """Write the plan and all files it refers to."""
    available = programs(folder)
    models = models_of(study, path, available)
    try:
        story = story_models(models, study.story.models)
    except ValueError as error:
        raise StudyError(f"{path}: story.models: {error}") from None
    if study.story.headline not in ("", *models):
        raise StudyError(
            f"{path}: story.headline: {study.story.headline} is not a model of the study; "
            f"choose from: {', '.join(models)}"
        )
    _refuse_arrows(arrows.split(), study, path.stem, available)
    data = study.data
    tables = {"houses": table_path(path, data.houses), "counties": ""}
    if data.counties:
        tables["counties"] = table_path(path, data.counties)
    outlines = study.data.outlines(path.parent)
    tables["county_shapes"] = table_path(path, study.data.county_shapes) if outlines else ""
    # Faults of the study are found before anything is written.
    section, build = output.parent, output.parent.parent
    figures = write_stamps(Path(__file__).parents[1], build / "code")
    for name in ("data", "priors", "sampler", "scores", "figures", "models"):
        _write_json(section / f"{name}.json", getattr(study, name).model_dump())
    _write_json(section / "other_priors.json", study.all_other_priors().model_dump())
    _write_json(section / "calibration.json", study.calibration_priors().model_dump())
    if study.decision:
        _write_json(section / "decision.json", study.decision.model_dump())
    about = {"study": path.stem} | study.model_dump(include={"title", "description"})
    _write_json(section / "about.json", about)
    _write_json(section / "model_names.json", models)
    _write_json(section / "story.json", story)
    _write_json(section / "headline.json", study.story.headline)
    write_if_changed(section / "arrows", arrows.strip() + "\n")
    for program, text in available.items():
        write_if_changed(build / "programs" / f"{program}.normalised", text + "\n")
    _write_json(build / "figures.json", figures)
    twins = {program: twin(folder / f"{program}.stan") for program in available}
    _write_json(build / "twins.json", {program: of for program, of in twins.items() if of})
    _write_json(build / "packages.json", {name: version(name) for name in PACKAGES})
    cmdstan, recorded = locate(), build / "toolchain.json"
    if cmdstan is None or not is_built(cmdstan):
        recorded.unlink(missing_ok=True)
    elif recorded.is_file():
        write_if_changed(recorded, toolchain(cmdstan))
    lines = [f"PROGRAMS := {' '.join(available)}", f"MODELS := {' '.join(models)}"]
    lines += [f"STORY := {' '.join(story)}", f"STORY_MODEL := {ends_of_story(story)[1]}"]
    decided = TABLES if study.decision else ()
    # Without decisions there is nothing to draw of them.
    lines += figure_lines(
        {n: f for n, f in figures.items() if {*f["tables"]} & {*TABLES} <= {*decided}}
    )
    lines += [f"DECISION_TABLES := {' '.join(decided)}"]
    lines += [f"HOUSE_TABLE := {tables['houses']}", f"COUNTY_TABLE := {tables['counties']}"]
    lines += [f"SHAPE_TABLE := {tables['county_shapes']}"]
    # make builds this file before it examines any other.
    write_if_changed(output, "\n".join(lines) + "\n", recorded=False)


def figure_lines(figures: dict[str, dict]) -> list[str]:
    """Declarations of the figures, as make variables."""
    lines = []
    for kind in KINDS:
        names = [name for name, figure in figures.items() if figure["kind"] == kind]
        lines.append(f"{kind.upper()}_FIGURES := {' '.join(names)}")
    for name, figure in figures.items():
        lines += [f"{what}_{name} := {' '.join(figure[what])}" for what in ("needs", "tables")]
    return lines


def _refuse_arrows(models: list[str], study: Study, name: str, available: dict[str, str]) -> None:
    for model in models:
        applying = ", ".join(m for m, text in available.items() if not lacking(study, text))
        if model not in available:
            raise StudyError(f"FROM, TO: no program stan/{model}.stan; choose from: {applying}")
        if needed := lacking(study, available[model]):
            raise StudyError(
                f"FROM, TO: {model} needs {needed}, which study {name} does not provide; "
                f"choose from: {applying}"
            )


def _write_json(path: Path, content: object) -> None:
    # pydantic's own writer turns infinity into null.
    write_if_changed(path, json.dumps(content, indent=1, default=str) + "\n")


def main(arguments: list[str] | None) -> None:
    """Plan one study; `--seed` replaces its seed, `--arrows` is for the shrinkage figure."""
    parser = cli.stage(__doc__, "study", "programs")
    parser.add_argument("--seed")
    parser.add_argument("--arrows", default="")
    parser.add_argument(
        "--sources", type=Path, nargs="*", default=[], help="files whose times make compares"
    )
    parser.add_argument("--rules", type=Path, nargs="*", default=[], help="files with make's rules")
    given = parser.parse_args(arguments)
    if manifest := os.environ.get("MANIFEST"):
        for message in reconcile(Path(manifest), given.sources):
            print(f"damaged  {message}; it is rebuilt", flush=True)
    study = read_study(given.study)
    if given.seed is not None:
        study = study.with_seed(given.seed)
        study = study.model_copy(update={"title": f"{study.title} (seed {study.sampler.seed})"})
    write_plan(study, given.study, given.arrows, given.programs, given.output)
    if given.rules:
        # make looks at the time of its own rules before a copied one is put right.
        lines = "".join(f"{digest(path)} {path}\n" for path in given.rules)
        write_if_changed(given.output.parents[1] / "rules", lines)


if __name__ == "__main__":
    cli.run(main)
