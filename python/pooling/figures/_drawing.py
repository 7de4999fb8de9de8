"""Run a figure: open the fits, make its frame, plot it and save it in each format asked for."""

import argparse
import re
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from plotnine import aes, geom_text, ggplot, theme, theme_void
from plotnine.composition import Compose

from pooling.build import cli
from pooling.build.errors import DataError, NothingToShow
from pooling.build.files import replacing
from pooling.fits import store
from pooling.fits.store import Fit, open_fit
from pooling.inputs.study import Figures, read_section

DOTS_PER_INCH = 144
PLACES = re.compile(r'(?<= )(?:d|x|y)="[^"]*"')
LAST_DIGITS = re.compile(r"(\.\d\d)\d+")


def draw(
    description: str,
    frame: Callable[..., pd.DataFrame],
    plot: Callable[[pd.DataFrame], ggplot | Compose],
    *,
    tables: Sequence[str] = (),
    **options: str,
) -> None:
    """Command line of a figure: `FIGURES.json FIT... -o FIGURE.svg FIGURE.png`.

    Parameters
    ----------
    description
        The figure's docstring: its first line is the title for screen readers,
        the rest the description.
    frame
        `frame(fits, figures, **tables, **options)`, the figure's data.
    plot
        `plot(frame)`, the figure or a composition of figures.
    tables
        Names of tables that the figure needs in addition to the fits, `--name TABLE.csv`;
        `frame` gets each as a DataFrame.
    options
        Names and defaults of further settings, `--name VALUE`.
    """

    def main(arguments: list[str] | None) -> None:
        parser = argparse.ArgumentParser(description=description.partition("\n")[0])
        parser.add_argument("figures", type=Path, help="the study's [figures] section")
        parser.add_argument("fits", type=Path, nargs="+", help="folders of fits")
        parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
        for name in tables:
            parser.add_argument(f"--{name}", type=Path, required=True, metavar="TABLE.csv")
        for name, default in options.items():
            parser.add_argument(f"--{name.replace('_', '-')}", default=default)
        args = parser.parse_args(arguments)
        fits: Sequence[Fit] = [open_fit(folder) for folder in args.fits]
        settings = read_section(Figures, args.figures)
        extra = {name: read_table(getattr(args, name)) for name in tables}
        extra |= {name: getattr(args, name) for name in options}
        save_or_say(lambda: plot(frame(fits, settings, **extra)), args.output, description, fits)

    cli.run(main)


def save_or_say(
    figure: Callable[[], ggplot | Compose],
    outputs: Sequence[Path],
    description: str,
    fits: Sequence[Fit],
) -> None:
    """Save a figure of these fits, or a note if it has nothing to show in this study."""
    about = described(description, fits)
    try:
        save(figure(), outputs, about)
    except NothingToShow as reason:
        title = about.partition("\n")[0]
        save(note(str(reason)), outputs, f"{NothingToShow.TITLE}: {title}\n\n{reason}")


def described(description: str, fits: Sequence[Fit]) -> str:
    """A figure's description; the title of a figure of one model names it."""
    title, _, details = description.strip().partition("\n")
    return f"{title.rstrip('.')} ({fits[0].label}).\n{details}" if len(fits) == 1 else description


def read_table(path: Path) -> pd.DataFrame:
    """One of the study's tables; only empty fields are missing values.

    Raises
    ------
    DataError
        There is no such file.
    """
    if not path.is_file():
        raise DataError(f"{path}: no such table; make it with `make tables`")
    return store.read_table(path)


def note(text: str) -> ggplot:
    """A figure that says why there is nothing to show."""
    lines = "\n".join(textwrap.wrap(text, 80))
    where = pd.DataFrame({"x": [0], "y": [0], "text": [lines]})
    words = geom_text(aes("x", "y", label="text"), where, size=11)
    return ggplot() + words + theme_void() + theme(figure_size=(9, 1.5))


def save(figure: ggplot | Compose, outputs: Sequence[Path], description: str) -> None:
    """Save a figure with its description, but without dates and random names.

    The same figure gives the same bytes.
    """
    title, _, details = description.strip().partition("\n")
    about = {"Title": title, "Description": " ".join(details.split()), "Date": None}
    # A dollar in the name of a county must not begin a formula.
    steady: Any = {"svg.hashsalt": title, "svg.fonttype": "path", "text.parse_math": False}
    with matplotlib.rc_context(steady):
        # Composition.save drops metadata, and drawing takes longer than writing a file.
        drawn = (figure + theme(dpi=DOTS_PER_INCH)).draw()
        _lay_out(drawn)
        for output in outputs:
            metadata = about if output.suffix == ".svg" else {"Title": title}
            with replacing(output) as draft:
                drawn.savefig(draft, dpi=DOTS_PER_INCH, metadata=metadata)
                if output.suffix == ".svg":
                    draft.write_text(shortened(draft.read_text(encoding="utf-8")), encoding="utf-8")
        plt.close(drawn)


def shortened(svg: str) -> str:
    """The same drawing with coordinates to a hundredth of a point; matplotlib writes six digits.

    The invisible digits are a fifth of a large figure.
    """
    return PLACES.sub(lambda places: LAST_DIGITS.sub(r"\1", places[0]), svg)


def _lay_out(drawn: Figure) -> None:
    """Lay out a figure once for all its files, with the SVG's measures of text.

    While a figure has a layout engine, each file is drawn twice, and laying it out
    again would start from the first layout: strips come out ragged.
    """
    FigureCanvasSVG(drawn)
    drawn.dpi = FigureCanvasSVG.fixed_dpi
    engine = drawn.get_layout_engine()
    if engine is not None:
        engine.execute(drawn)
    drawn.set_layout_engine(None)
