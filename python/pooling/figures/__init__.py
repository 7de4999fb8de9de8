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

In a notebook `pooling.figures.<name>(fits)` makes and draws one; see `Figure`.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pooling.build.errors import FigureError
from pooling.inputs.study import Figures

if TYPE_CHECKING:
    from plotnine import ggplot
    from plotnine.composition import Compose

KINDS = ("story", "model", "library", "calibration")
CHAPTERS = (
    *("data", "diagnostics", "estimates", "checks", "priors", "scores", "published"),
    *("shrinkage", "more", "calibration"),
)
LAST = 1000  # the place of a figure that declares none

MODULE = re.compile(r"[a-z][a-z0-9_]*")
FILE = re.compile(r"[a-z_]+\.(csv|nc)")
TABLE = re.compile(r"[a-z_]+")


class Figure(ModuleType):
    """A figure's module, as a function that draws the figure."""

    def __call__(self, fits: Sequence, *figures: Figures, **options: Any) -> ggplot | Compose:
        """Draw the figure.

        Parameters
        ----------
        fits
            The fits that are compared; for a figure of calibration the simulations of each
            program, as `make sbc` stores them.
        figures
            A study's section `figures`; by default no county is singled out.
        options
            Those of the module's `frame`, such as tables by their names in `TABLES`.

        Raises
        ------
        NothingToShow
            The fits have nothing that it shows.
        """
        settings = () if self.KIND == "calibration" else figures or (Figures(),)
        return self.plot(self.frame(fits, *settings, **options))


class _Package(ModuleType):
    """This package: a figure's module is imported when it is first asked for, and callable."""

    def __getattr__(self, name: str) -> Figure:
        if name.startswith("_") or not (Path(__file__).parent / f"{name}.py").is_file():
            raise AttributeError(f"there is no figure {name!r}; see declared_figures()")
        import_module(f"{__name__}.{name}")
        return vars(self)[name]

    def __setattr__(self, name: str, value: object) -> None:
        # However a submodule is imported, Python then sets it as an attribute of its package.
        if isinstance(value, ModuleType) and not name.startswith("_"):
            value.__class__ = Figure
        super().__setattr__(name, value)


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


def _constants(path: Path) -> dict[str, Any]:
    """Values of the constants at the top of a module; None for those that are computed."""
    try:
        body = ast.parse(path.read_bytes()).body
    except (SyntaxError, ValueError) as error:
        raise FigureError(f"{path}: not Python: {error}") from None
    found: dict[str, Any] = {}
    for line in body:
        if not (isinstance(line, ast.Assign) and isinstance(line.targets[0], ast.Name)):
            continue
        try:
            found[line.targets[0].id] = ast.literal_eval(line.value)
        except ValueError:
            found[line.targets[0].id] = None
    return found


def _refuse_names(
    path: Path, name: str, constants: dict[str, Any], pattern: re.Pattern, example: str
) -> None:
    values = constants.get(name, ())
    # One name in brackets without a comma is text, not a tuple.
    good = isinstance(values, tuple) and all(
        isinstance(value, str) and pattern.fullmatch(value) for value in values
    )
    if not good:
        raise FigureError(f"{path}: {name}: give a tuple of names, as in {name} = {example}")


sys.modules[__name__].__class__ = _Package
