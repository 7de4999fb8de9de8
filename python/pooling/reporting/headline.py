"""Draw every figure of one model for the model that answers in the report.

    python -m pooling.reporting.headline FIGURES.json TABLES FITS -o FIGURE.svg FIGURE.png ...

Which model that is the tables say, so it is known only when all are scored. One process draws
all figures, which import for longer than they draw.
"""

import argparse
from functools import partial
from itertools import groupby
from pathlib import Path

from pooling import figures
from pooling.build import cli
from pooling.figures import Figure
from pooling.figures._drawing import save_or_say
from pooling.fits.store import open_fit
from pooling.inputs.study import Figures, read_section
from pooling.reporting.facts import headline_model
from pooling.reporting.tables import read_tables


def main(arguments: list[str] | None) -> None:
    """Write the outputs, each a file of the figure of its name; those of a figure together."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    for name in ("figures", "tables", "fits"):
        parser.add_argument(name, type=Path)
    parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
    given = parser.parse_args(arguments)
    settings = read_section(Figures, given.figures)
    fits = [open_fit(given.fits / headline_model(read_tables(given.tables)))]
    for stem, outputs in groupby(given.output, key=lambda path: path.stem):
        figure: Figure = getattr(figures, stem.replace("-", "_"))
        save_or_say(partial(figure, fits, settings), list(outputs), figure.__doc__ or "", fits)


if __name__ == "__main__":
    cli.run(main)
