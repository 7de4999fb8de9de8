"""From fits to pictures: one file per figure, and what each file declares about itself.

In a figure's module `frame` computes its data and `plot` draws them. Literal constants at
the top of the module tell the workflow the rest, so that a file put into this folder is drawn
by make and appears in the report, without a list of figures anywhere:

`KIND`
    What the figure compares: "story", the few models that the study names in
    `[story]`, in one picture; "model", one model per picture; "library", all models, with one
    row or panel per model; "calibration", the simulations of `make sbc`.
`CHAPTER`
    The chapter of the report in which it appears, one of `CHAPTERS`. The kind says on which page:
    figures of the story on that of the counties, those of the library on that of the models, those
    of one model on its own. The first page shows the first of a chapter of its story.
`NEEDS`
    Files of a fit's folder that it reads in addition to `fit.nc`, such as `("loo.csv",)`; optional.
`TABLES`
    Tables of the study that it reads, such as `("frequentist",)`; optional.

`ORDER`, a whole number, is its place within the chapter; figures without one come last.

In a notebook, `pooling.figures.<name>(fits)` computes and draws one; see `Figure`.
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
    *("map", "data", "diagnostics", "estimates", "checks", "priors", "scores", "published"),
    *("shrinkage", "decisions", "more", "calibration"),
)
LAST = 1000  # order of a figure that declares none

MODULE = re.compile(r"[a-z][a-z0-9_]*")
FILE = re.compile(r"[a-z_]+\.(csv|nc)")
TABLE = re.compile(r"[a-z_]+")


class Figure(ModuleType):
    """A figure's module, callable to draw the figure."""

    def __call__(self, fits: Sequence, *figures: Figures, **options: Any) -> ggplot | Compose:
        """Draw the figure.

        Parameters
        ----------
        fits
            The fits to compare; for a calibration figure, the simulations of each program, as
            `make sbc` stores them.
        figures
            A study's section `figures`; by default no county is highlighted.
        options
            Those of the module's `frame`, such as tables, by their names in `TABLES`.

        Raises
        ------
        NothingToShow
            The fits contain nothing that the figure shows.
        """
        settings = () if self.KIND == "calibration" else figures or (Figures(),)
        return self.plot(self.frame(fits, *settings, **options))


class _Package(ModuleType):
    """This package: modules of figures are imported on first access, and callable."""

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
    """What a figure's module declares about itself; see this package's documentation."""

    name: str
    kind: str
    chapter: str
    needs: tuple[str, ...] = ()
    tables: tuple[str, ...] = ()
    order: int = LAST


def declared(path: Path) -> Declared:
    """What a figure's module declares, read from its source without importing it.

    Raises
    ------
    FigureError
        The file is not Python, its name is not that of a module, or a constant is missing,
        not a literal, or invalid.
    """
    if not MODULE.fullmatch(path.stem):
        raise FigureError(
            f"{path}: the name of a figure consists of lower-case letters, digits and underscores "
            "and begins with a letter; rename the file"
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
        raise FigureError(f"{path}: ORDER: give a whole number, the position in its chapter")
    optional = {
        key.lower(): constants[key] for key in ("NEEDS", "TABLES", "ORDER") if key in constants
    }
    return Declared(path.stem, constants["KIND"], constants["CHAPTER"], **optional)


def declared_figures(folder: Path = Path(__file__).parent) -> dict[str, Declared]:
    """The figures of a folder by name, in the order of the report.

    Modules whose names begin with an underscore are shared parts, not figures.

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
    # A name in parentheses without a comma is a string, not a tuple.
    good = isinstance(values, tuple) and all(
        isinstance(value, str) and pattern.fullmatch(value) for value in values
    )
    if not good:
        raise FigureError(f"{path}: {name}: give a tuple of names, as in {name} = {example}")


sys.modules[__name__].__class__ = _Package
