"""Maps of single posterior draws: how much the counties may differ.

The first map shows the posterior median of the level that half of each county's basements
exceed. The others are single draws from the joint posterior of all counties, each as
plausible as any other. Medians of counties with few houses are close to the mean of all
counties, so the map of medians is smoother than any single draw; what all maps have in
common is what the data determine.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import ggplot, guide_colorbar, labs, scale_fill_cmap, theme

from pooling.figures._drawing import draw
from pooling.figures._map import (
    about_map,
    columns_of,
    county_layers,
    is_apart,
    map_height,
    of_story,
    on_map,
)
from pooling.figures._panels import caption, spread_out
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "map"
ORDER = 2

INCHES_WIDE = 10
DRAWS, DRAWS_OF_STATES = 5, 4
ROW = 1.2  # inches of a state's row
MEDIAN = "posterior median"
LEVELS = {"pCi/L": (0.25, 0.5, 1, 2, 4, 8, 16, 32), "Bq/m³": (10, 30, 100, 300, 1000)}


def frame(fits: Sequence[Fit], figures: Figures, study: str = "") -> pd.DataFrame:
    """Typical radon of the counties in evenly spaced draws, and where the counties are drawn.

    Returns
    -------
    DataFrame
        As `_map.on_map` gives it, with study, unit, model, label; panel ("posterior median",
        "draw 1", ... by the draw's number; missing for counties without a house and for
        borders, which are in every panel), level (of a typical basement, in `unit`).

    Raises
    ------
    NothingToShow
        No county has an outline or a centroid.
    """
    fit = of_story(fits)
    levels = fit.effects()["alpha"].values
    count = DRAWS_OF_STATES if fit.counties["state"].nunique() > 1 else DRAWS
    draws = spread_out(range(len(levels)), count)
    rows = {MEDIAN: np.median(levels, axis=0)} | {f"draw {i + 1:,}": levels[i] for i in draws}
    codes = fit.counties["county_fips"].to_numpy()
    values = pd.DataFrame(
        {
            "county_fips": np.tile(codes, len(rows)),
            "panel": pd.Categorical(np.repeat([*rows], len(codes)), [*rows], ordered=True),
            "level": fit.response.activity(np.concatenate([*rows.values()])),
        }
    )
    about = {"study": fit.study, "unit": fit.response.unit_label}
    return on_map(values, fit, study).assign(**about, model=fit.model, label=fit.label)


def plot(frame: pd.DataFrame) -> ggplot:
    """A column per map and a row per state; the maps of one state in two rows."""
    unit = frame["unit"].iloc[0]
    return (
        ggplot()
        + county_layers(frame, panel="panel", fill="level")
        + scale_fill_cmap(
            "YlOrBr",
            trans="log10",
            breaks=LEVELS[unit],
            guide=guide_colorbar(nbin=30, display="rectangles"),
        )
        + labs(
            title="Radon in a typical basement: posterior median and single draws",
            fill=unit,
            caption=_about(frame),
        )
        + theme(figure_size=(INCHES_WIDE, _height(frame) + 1.9))
    )


def _height(frame: pd.DataFrame) -> float:
    """Inches of height of all maps."""
    if is_apart(frame):
        return ROW * frame["state"].nunique()
    columns = columns_of(frame)
    rows = -(-frame["panel"].nunique() // columns)
    return rows * (map_height(frame, INCHES_WIDE / columns - 0.2) + 0.3)


def _about(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    return caption(
        f"""Study {row["study"]}, model {row["label"]}. Colour: radon ({row["unit"]}) that half of
        the county's basements exceed. Each posterior draw is as plausible as any other; the map of
        medians is smoother than any of them.{about_map(frame)}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, study="")
