"""Command line and layout of the figures of simulation-based calibration."""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import xarray as xr
from plotnine import ggplot

from pooling.build import cli
from pooling.checking.calibration import in_order
from pooling.figures._drawing import save

WIDTH, ACROSS = 11, 4  # of a figure: inches, panels


def label(found: xr.Dataset) -> str:
    """Name of a model for figures, marked if it is not judged."""
    return found.attrs["model"] + " (not judged)" * bool(found.attrs["allowed_to_fail"])


def grid(panels: int, height: float) -> tuple[int, tuple[float, float]]:
    """Columns and size (inches) of a figure with this many panels, each `height` inches high."""
    columns = min(ACROSS, panels)
    width = WIDTH if columns > 1 else WIDTH / 2
    return columns, (width, -(-panels // columns) * height + 1.6)


def draw(
    description: str,
    frame: Callable[[Sequence[xr.Dataset]], pd.DataFrame],
    plot: Callable[[pd.DataFrame], ggplot],
) -> None:
    """Command line of a figure of calibration: `FIT/sbc.nc... -o FIGURE.svg FIGURE.png`.

    Its docstring is stored in the file; see `pooling.figures._drawing.save`.
    """

    def main(arguments: list[str] | None) -> None:
        parser = argparse.ArgumentParser(description=description.partition("\n")[0])
        parser.add_argument("ranks", type=Path, nargs="+")
        parser.add_argument("-o", "--output", type=Path, nargs="+", required=True)
        args = parser.parse_args(arguments)
        save(plot(frame(in_order(args.ranks))), args.output, description)

    cli.run(main)
