"""Draw every figure of one model for the report's headline model.

    python -m pooling.reporting.headline FIGURES.json TABLES FITS -o FOLDER

The tables determine which model that is, so it is known only when all models are scored. One
process draws all figures, because imports take longer than drawing.
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
    args = cli.stage(__doc__, "figures", "tables", "fits").parse_args(arguments)
    settings = read_section(Figures, args.figures)
    fits = [open_fit(args.fits / headline_model(read_tables(args.tables)))]
    for name, declared in declared_figures().items():
        if declared.kind == "model":
            figure: Figure = getattr(figures, name)
            outputs = [args.output / f"{name.replace('_', '-')}.{kind}" for kind in ("svg", "png")]
            save_or_say(partial(figure, fits, settings), outputs, figure.__doc__ or "", fits)


if __name__ == "__main__":
    cli.run(main)
