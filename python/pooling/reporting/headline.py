"""Draw every figure of one model for the model that answers in the report.

    python -m pooling.reporting.headline FIGURES.json TABLES FITS -o FOLDER

Which model that is the tables say, so it is known only when all are scored. One process draws
all figures, which import for longer than they draw.
"""

from functools import partial

from pooling import figures
from pooling.build import cli
from pooling.figures import Figure, declared_figures
from pooling.figures._drawing import save_or_say
from pooling.fits.store import open_fit
from pooling.inputs.study import Figures, read_section
from pooling.reporting.facts import headline_model
from pooling.reporting.pages import read_tables


def main(arguments: list[str] | None) -> None:
    """Write `<figure>.svg` and `<figure>.png` of each figure of one model."""
    given = cli.stage(__doc__, "figures", "tables", "fits").parse_args(arguments)
    settings = read_section(Figures, given.figures)
    fits = [open_fit(given.fits / headline_model(read_tables(given.tables)))]
    for name, declared in declared_figures().items():
        if declared.kind == "model":
            figure: Figure = getattr(figures, name)
            outputs = [given.output / f"{name.replace('_', '-')}.{kind}" for kind in ("svg", "png")]
            save_or_say(partial(figure, fits, settings), outputs, figure.__doc__ or "", fits)


if __name__ == "__main__":
    cli.run(main)
