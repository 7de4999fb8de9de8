"""Estimated lines of several counties under each model.

One panel per county, with its numbers of houses; points are houses, jittered
horizontally; lines are posterior means, one colour per model. Complete pooling has the
same line everywhere; without pooling each county follows its own houses; partial pooling
lies between the two, closer to the county's own line where the county has many houses.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    coord_cartesian,
    element_blank,
    facet_wrap,
    geom_point,
    geom_segment,
    ggplot,
    guide_legend,
    guides,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_x_continuous,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import (
    MARKERS_Y,
    SIDE_BY_SIDE,
    about_houses,
    caption,
    reach,
    side,
    some_houses,
)
from pooling.figures._theme import DATA, label_colours, theme_pooling
from pooling.fits.store import Fit, chosen_counties
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "story"
CHAPTER = "estimates"
ORDER = 2

BEYOND = 0.15
THICKEST, THINNEST = 2.0, 0.7


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Mean lines and houses of the counties to show.

    Columns: study, kind ("line" or "house"), panel (county and number of
    houses), identified (of the county's slope), model, label (None for a
    house), intercept, slope (posterior means, log pCi/L, NaN for a house),
    floor (0, 1, with jitter, NaN for a line), log_radon (log pCi/L,
    NaN for a line), low, high (range of the panels, log pCi/L).
    """
    fits = sorted(fits, key=lambda fit: story_order(fit.model))
    counties = chosen_counties(fits[0], figures.panels, 8)
    codes = counties["county_fips"].to_numpy()
    panels = [
        f"{row.label}\n{row.basement_houses} + {row.first_floor_houses} houses"
        for row in counties.itertuples()
    ]
    parts = []
    for fit in fits:
        means = fit.effects().sel(county=codes).mean("sample")
        line = pd.DataFrame({"county_fips": codes, "intercept": means["alpha"]})
        parts.append(
            line.assign(kind="line", slope=means["beta"], model=fit.model, label=fit.label)
        )
    houses = fits[0].houses[["county_fips", "floor", "log_radon"]]
    shift = np.random.default_rng(1).uniform(-0.07, 0.07, len(houses))
    houses = houses.assign(kind="house", floor=houses["floor"] + shift)
    parts.append(some_houses(houses[houses["county_fips"].isin(codes)]))
    table = pd.concat(parts, ignore_index=True)
    named = dict(zip(codes, panels, strict=True))
    table["panel"] = pd.Categorical(table["county_fips"].map(named), panels, ordered=True)
    table["identified"] = table["county_fips"].map(
        counties.set_index("county_fips")["slope_identified"]
    )
    table["study"] = fits[0].study
    table["low"], table["high"] = reach(fits[0].houses["log_radon"])
    columns = ["study", "kind", "panel", "identified", "model", "label", "intercept", "slope"]
    return table[[*columns, "floor", "log_radon", "low", "high"]]


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per county."""
    low, high = frame[["low", "high"]].iloc[0]
    colours = label_colours(frame)
    lines = frame[frame["kind"] == "line"].assign(
        x=-BEYOND,
        xend=1 + BEYOND,
        y=lambda t: t["intercept"] - BEYOND * t["slope"],
        yend=lambda t: t["intercept"] + (1 + BEYOND) * t["slope"],
    )
    houses = frame[frame["kind"] == "house"]
    houses = houses.assign(
        where=side(houses["log_radon"], low, high), log_radon=houses["log_radon"].clip(low, high)
    )
    columns = min(frame["panel"].nunique(), SIDE_BY_SIDE)
    rows = -(-frame["panel"].nunique() // columns)
    size = (max(2.5 * columns + 0.5, 6), 2.5 * rows + 1.5 + 0.25 * -(-len(colours) // 3))
    return (
        ggplot()
        + _segments(lines, colours)
        + geom_point(
            aes("floor", "log_radon", shape="where"), data=houses, color=DATA, size=1.4, alpha=0.6
        )
        + facet_wrap("panel", ncol=columns)
        + coord_cartesian(ylim=(low, high))
        + scale_color_manual(values=colours, breaks=list(colours))
        + scale_shape_manual(values=MARKERS_Y, guide=None)
        + scale_x_continuous(
            breaks=[0, 1], labels=["basement", "first floor"], limits=(-BEYOND, 1 + BEYOND)
        )
        + guides(color=guide_legend(ncol=3 if len(colours) > 2 else 2))
        + labs(
            title="Regression lines of some counties under each model",
            x="floor of the detector",
            y="log radon (log pCi/L)",
            caption=_caption(frame, size[0]),
        )
        + theme_pooling()
        + theme(figure_size=size, legend_title=element_blank())
    )


def _segments(lines: pd.DataFrame, colours: dict[str, str]) -> list[geom_segment]:
    # Later models are thinner, so that lines that coincide are all visible.
    ends = aes("x", "y", xend="xend", yend="yend", color="label")
    sizes = dict(zip(colours, np.linspace(THICKEST, THINNEST, len(colours)), strict=True))
    return [
        geom_segment(
            ends,
            data=lines[(lines["label"] == label) & (lines["identified"] == identified)],
            size=sizes[label],
            linetype="solid" if identified else (0, (2, 1)),
        )
        for label in colours
        for identified in (True, False)
    ]


def _caption(frame: pd.DataFrame, inches: float) -> str:
    houses = frame[frame["kind"] == "house"]
    text = (
        f"Study {frame['study'].iloc[0]}. Lines: posterior means, thinner for later models so that "
        f"lines that coincide are all visible; points: {about_houses(houses['panel'])}, counted "
        "in the titles as basement + first floor."
    )
    if not frame["identified"].all():
        text += (
            " Dashed: a county without houses on one of the floors, whose slope comes from the "
            "prior or, with pooling, from the other counties."
        )
    if ((frame["log_radon"] > frame["high"]) | (frame["log_radon"] < frame["low"])).any():
        text += " Triangles: houses outside the panel."
    return caption(text, inches)


if __name__ == "__main__":
    draw(__doc__, frame, plot)
