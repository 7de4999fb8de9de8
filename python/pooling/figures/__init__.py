"""From fits to pictures: figures, one file each, and what each file declares of itself.

In a figure's module `frame` makes its data and `plot` draws it. Four constants at the top
of the module, all literals, tell the workflow the rest, so that a file dropped into this
folder is made by make and appears in the report, without a list of figures anywhere:

`KIND`
    What the figure compares: "story" draws the study's few story models in one picture,
    "model" one model per file, "library" a row for each model, "calibration" the
    simulations of `make sbc`.
`CHAPTER`
    The chapter of the report in which it stands, one of `CHAPTERS`.
`NEEDS`
    Files of a fit's folder that it reads beside `fit.nc`, such as `("loo.csv",)`; may be absent.
`TABLES`
    Tables of the study that it reads, such as `("frequentist",)`; may be absent.

`ORDER`, a whole number, is its place within the chapter; figures without one come last.
"""

import ast
import re
from dataclasses import dataclass
from pathlib import Path

from pooling.build.errors import FigureError

KINDS = ("story", "model", "library", "calibration")
CHAPTERS = (
    *("data", "diagnostics", "estimates", "checks", "priors", "scores", "published"),
    *("shrinkage", "more", "calibration"),
)
LAST = 1000  # the place of a figure that declares none

MODULE = re.compile(r"[a-z][a-z0-9_]*")
FILE = re.compile(r"[a-z_]+\.(csv|nc)")
TABLE = re.compile(r"[a-z_]+")


@dataclass(frozen=True)
class Declared:
    """What a figure's module says of itself; see this package's documentation."""

    name: str
    kind: str
    chapter: str
    needs: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    order: int = LAST


def declared(path: Path) -> Declared:
    """What a figure's module declares, read from its text: nothing is imported or run.

    Raises
    ------
    FigureError
        It is not Python, its name is no name of a module, or a constant is missing, no
        literal, or of no meaning.
    """
    if not MODULE.fullmatch(path.stem):
        raise FigureError(
            f"{path}: a figure's name has lower-case letters, digits and underscores and begins "
            "with a letter; rename the file"
        )
    constants = _constants(path)
    for name, allowed in (("KIND", KINDS), ("CHAPTER", CHAPTERS)):
        if constants.get(name) not in allowed:
            raise FigureError(
                f'{path}: {name}: write {name} = "..." at the top of the module, with one of: '
                f"{', '.join(allowed)}"
            )
    _refuse_names(path, "NEEDS", constants, FILE, '("loo.csv",)')
    _refuse_names(path, "TABLES", constants, TABLE, '("frequentist",)')
    if type(constants.get("ORDER", LAST)) is not int:
        raise FigureError(f"{path}: ORDER: give a whole number, the place in its chapter")
    optional = {
        key.lower(): constants[key] for key in ("NEEDS", "TABLES", "ORDER") if key in constants
    }
    return Declared(path.stem, constants["KIND"], constants["CHAPTER"], **optional)


def declared_figures(folder: Path = Path(__file__).parent) -> dict[str, Declared]:
    """The figures of a folder by name, in the order of the report.

    Modules whose names begin with an underscore are parts of figures.

    Raises
    ------
    FigureError
        As `declared`.
    """
    figures = [declared(path) for path in sorted(folder.glob("[!_]*.py"))]
    figures.sort(key=lambda figure: (CHAPTERS.index(figure.chapter), figure.order, figure.name))
    return {figure.name: figure for figure in figures}


def _constants(path: Path) -> dict[str, object]:
    """Values of the constants at the top of a module; None for those that are computed."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        raise FigureError(f"{path}: not Python: {error}") from None
    found: dict[str, object] = {}
    for line in body:
        if not (isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)):
            continue
        try:
            found[line.targets[0].id] = ast.literal_eval(line.value)
        except ValueError:
            found[line.targets[0].id] = None
    return found


def _refuse_names(
    path: Path, name: str, constants: dict[str, object], pattern: re.Pattern, example: str
) -> None:
    values = constants.get(name, ())
    # One name in brackets without a comma is text, not a tuple.
    good = isinstance(values, tuple) and all(
        isinstance(value, str) and pattern.fullmatch(value) for value in values
    )
    if not good:
        raise FigureError(f"{path}: {name}: give a tuple of names, as in {name} = {example}")
