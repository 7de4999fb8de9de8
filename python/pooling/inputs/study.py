"""A study: one TOML file with its houses, priors, models and settings.

Prior scales are in log pCi/L. The sections are independent, so that an edit of one affects
only the stages that read it.
"""

import json
import re
import tomllib
from inspect import isclass
from pathlib import Path
from typing import Annotated, TypeVar, get_args

from pydantic import (
    AfterValidator,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
)

from pooling.build.errors import StudyError
from pooling.inputs.data_section import Data
from pooling.inputs.decision import Decision
from pooling.inputs.priors import KINDS, Priors
from pooling.inputs.schemes import SCHEMES
from pooling.inputs.sections import Fips, Flag, Line, Number, Once, Section, Whole, line_of

Counties = Annotated[list[Fips], Once]

S = TypeVar("S", bound=Section)


UNDECIDED = "?"  # a setting that a first study leaves to its author
OWN_PRIORS = "study"  # name of the study's own priors in tables


class OtherPriors(Section):
    """Complete sets of priors, by name, for comparison with the study's own."""

    sets: dict[str, Priors] = {}


# Prior draws rarely reach scales near 0, but larger steps diverge there in 1 of 20 runs.
PRIOR_ADAPT_DELTA = 0.99


class Sampler(Section):
    """Settings of CmdStan's NUTS; the prior is sampled with at least `PRIOR_ADAPT_DELTA`."""

    seed: Annotated[Whole, Field(ge=0, lt=2**31)]
    chains: Annotated[Whole, Field(ge=2, le=100)] = 4
    warmup: Annotated[Whole, Field(ge=100, le=1_000_000)] = 1000
    draws: Annotated[Whole, Field(ge=100, le=1_000_000)] = 1000
    prior_draws: Annotated[Whole, Field(ge=100, le=1_000_000)] = 1000
    adapt_delta: Annotated[Number, Field(gt=0, lt=1)] = 0.99
    max_treedepth: Annotated[Whole, Field(ge=1, le=20)] = 10

    def refits(self) -> tuple["Sampler", "Sampler", "Sampler"]:
        """Settings of a refit that predicts a few houses: a short, a long and a careful run.

        The first two are for chains that start where the full fit ended.
        """
        warmup = min(self.warmup, 100)
        short = {"warmup": warmup, "draws": min(self.draws, 500)}
        long = {"warmup": warmup, "draws": min(self.draws, 2000)}
        careful = {"draws": min(self.draws, 1000), "adapt_delta": 0.99}
        return (
            self.model_copy(update=short),
            self.model_copy(update=long),
            self.model_copy(update=careful),
        )


def _scheme(name: str) -> str:
    if name not in SCHEMES:
        raise ValueError(f"no scheme is called {name}; choose from: {', '.join(SCHEMES)}")
    return name


class Scores(Section):
    """Cross-validation schemes: leave out each house, each county, or tenths of either."""

    pointwise: Flag = Field(
        default=True, description="false: no scores or predictive checks by house"
    )
    leave_out: Annotated[list[Annotated[str, AfterValidator(_scheme)]], Once] = ["loo", "loco"]


class Models(Section):
    """The programs to fit, and those that may fail their diagnostics, with the reason.

    By default all programs whose data and priors the study provides. A centered program with a
    non-centered twin runs only if `use`, `also` or `allowed_to_fail` names it.
    """

    use: Annotated[list[str], Once] = Field(
        default=[], description="default: all programs that the study supports"
    )
    also: Annotated[list[str], Once] = Field(
        default=[], description="in addition to `use`, such as centered programs"
    )
    allowed_to_fail: dict[str, str] = {}


class Story(Section):
    """The few models that the main figures compare, and the one that answers."""

    models: Annotated[list[str], Once] = Field(
        default=[], description="default: one model each of complete, no and partial pooling"
    )
    headline: str = Field(
        default="", description="model whose estimates answer; default: chosen by its scores"
    )


class Figures(Section):
    """Counties that figures highlight, by FIPS code."""

    lines: Counties = Field(default=[], description="counties of county-lines")
    panels: Counties = Field(default=[], description="counties of county-panels")
    funnel: Fips | None = Field(default=None, description="county of funnel")


def _refuse_new(others: Priors, given: ValidationInfo, place: str, done: str) -> None:
    for name in sorted({*dict(others)} - {*dict(given.data.get("priors", others))}):
        raise ValueError(
            f"{place}{name} has no prior in [priors] to be {done}; add one there or remove this one"
        )


class Study(Section):
    """A whole study file."""

    title: Line
    description: str = ""
    data: Data = Data()
    priors: Priors
    other_priors: dict[str, Priors] = Field(
        default={}, description="sets to compare with; parameters they omit keep [priors]"
    )
    calibration: Priors = Field(
        default=Priors(), description="priors of calibration; parameters it omits keep [priors]"
    )
    sampler: Sampler
    scores: Scores = Scores()
    models: Models = Models()
    story: Story = Story()
    figures: Figures = Figures()
    decision: Decision | None = Field(
        default=None, description="costs of tests and remedies; without it nothing is decided"
    )

    @field_validator("other_priors")
    @classmethod
    def _comparable(cls, sets: dict[str, Priors], given: ValidationInfo) -> dict[str, Priors]:
        if OWN_PRIORS in sets:
            raise ValueError(f"rename the set {OWN_PRIORS}: tables use this name for [priors]")
        for name, others in sets.items():
            _refuse_new(others, given, f"{name}.", "compared with")
        return sets

    @field_validator("calibration")
    @classmethod
    def _of_the_study(cls, calibration: Priors, given: ValidationInfo) -> Priors:
        _refuse_new(calibration, given, "", "replaced")
        return calibration

    def all_other_priors(self) -> OtherPriors:
        """The other priors, completed by the study's own."""
        others = self.other_priors.items()
        return OtherPriors(sets={name: self.priors.replaced_by(some) for name, some in others})

    def calibration_priors(self) -> Priors:
        """The priors of calibration, completed by the study's own."""
        return self.priors.replaced_by(self.calibration)

    def with_seed(self, seed: int | str) -> "Study":
        """The same study with another seed.

        Raises
        ------
        StudyError
            `seed` is not an integer from 0 to 2^31 - 1.
        """
        try:
            sampler = Sampler.model_validate(self.sampler.model_dump() | {"seed": int(seed)})
        except (ValueError, ValidationError):
            raise StudyError(f"SEED={seed}: give a whole number from 0 to 2147483647") from None
        return self.model_copy(update={"sampler": sampler})


def study_file(name: str) -> Path:
    """Path of a study file, relative to the top folder, where make runs."""
    return Path("data/studies") / f"{name}.toml"


def read_study(path: Path) -> Study:
    """Read and validate a study file.

    Raises
    ------
    StudyError
        The file is missing, is not TOML, or has an unknown key or an invalid value.
    """
    path, text = Path(path), ""
    try:
        text = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(text)
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in path.parent.glob("*.toml"))) or "none"
        raise StudyError(f"{path}: no such study; choose from: {known}") from None
    except RecursionError:
        raise StudyError(f"{path}: not TOML: brackets are nested too deeply; remove some") from None
    except ValueError as error:  # not TOML, not UTF-8, or a number with thousands of digits
        raise StudyError(f"{path}: not TOML: {error}{_without_quotes(text, error)}") from None
    return _validated(Study, table, path, text)


def read_section(kind: type[S], path: Path) -> S:
    """Read one section of a study, as `plan` wrote it in JSON."""
    return _validated(kind, json.loads(Path(path).read_text(encoding="utf-8")), path)


def _validated(kind: type[S], table: dict, path: Path, text: str = "") -> S:
    try:
        return kind.model_validate(table)
    except ValidationError as error:
        errors = error.errors()
        # A misspelt required setting is reported twice: as unknown and as missing.
        first = next((one for one in errors if one["type"] == "extra_forbidden"), errors[0])
        setting = ".".join(str(part) for part in first["loc"] if part not in KINDS) or "study"
        message = first["msg"]
        if first["input"] == UNDECIDED:
            message = f"has still to be decided: replace {UNDECIDED!r}, see the comment above it"
        elif first["type"] == "extra_forbidden":
            names = ", ".join(_section_at(kind, first["loc"][:-1]).model_fields)
            message = f"unknown setting; remove it or correct its name; known settings: {names}"
        elif first["type"] == "missing":
            message = "setting is missing; add it"
        section, _, key = setting.partition(".")
        line = line_of(text, section, key.partition(".")[0]) if section == "decision" else None
        place = f"line {line}: " if line else ""
        raise StudyError(f"{path}: {place}{setting}: {message}") from None


def _section_at(kind: type[Section], place: tuple[int | str, ...]) -> type[Section]:
    """The section that contains a setting, from the path to it."""
    for name in place:
        # Other names are the user's own, of parameters and of sets of priors.
        if name in KINDS:
            kind = KINDS[str(name)]
        elif field := kind.model_fields.get(str(name)):
            inner = [field.annotation, *get_args(field.annotation)]
            kind = next(one for one in inner if isclass(one) and issubclass(one, Section))
    return kind


def _without_quotes(text: str, error: Exception) -> str:
    """A hint for a TOML error that is due to missing quotes."""
    place = re.search(r"Invalid value \(at line (\d+), column (\d+)\)", str(error))
    if place and text.splitlines()[int(place[1]) - 1][int(place[2]) - 1 :][:1].isalpha():
        return '; text needs quotes, as in title = "Radon in Iowa"'
    return ""
