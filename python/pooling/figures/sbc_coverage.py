"""Simulation-based calibration: coverage of county effects by number of houses.

One panel per model. From counties with few houses to counties with many: the share of true
intercepts (alpha) and slopes (beta) within the central 50% and 90% of their posterior, over
simulations from the program itself; thick lines span one standard error to either side, thin
ones two. Averaged over true values from the prior, a correct program is on the dashed lines
for counties of every size; below them its intervals are too narrow.
"""

from collections.abc import Sequence

import pandas as pd
import xarray as xr
from plotnine import (
    aes,
    element_text,
    facet_wrap,
    geom_hline,
    geom_linerange,
    geom_point,
    ggplot,
    labs,
    position_dodge,
    scale_color_manual,
    scale_y_continuous,
    theme,
)

from pooling.checking.calibration import NOMINAL, covered
from pooling.figures._calibration import draw, grid, label
from pooling.figures._panels import caption, strip
from pooling.figures._theme import BLUE, MUTED, ORANGE, theme_pooling

KIND = "calibration"
CHAPTER = "calibration"
ORDER = 2
NEEDS = ("sbc.nc",)

COLOURS = {"alpha": BLUE, "beta": ORANGE}


def frame(programs: Sequence[xr.Dataset]) -> pd.DataFrame:
    """The rows of `pooling.checking.calibration.covered` for all programs, with study and label."""
    parts = [
        covered(found).assign(study=found.attrs["study"], label=label(found)) for found in programs
    ]
    table = pd.concat(parts, ignore_index=True)
    order = [label(found) for found in programs]
    sizes = parts[0]["class"].drop_duplicates()
    return table.assign(
        label=pd.Categorical(table["label"], order, ordered=True),
        **{"class": pd.Categorical(table["class"], sizes, ordered=True)},
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model, one position per class of counties."""
    ends = {
        f"{end}{k}": (frame["share"] + sign * k * frame["se"]).clip(0, 1)
        for end, sign in (("low", -1), ("high", 1))
        for k in (1, 2)
    }
    rows = frame.assign(group=frame["parameter"] + frame["nominal"].astype(str), **ends)
    lines = rows.dropna(subset=["se"])
    columns, size = grid(frame["label"].cat.categories.size, 2.4)
    apart = position_dodge(0.5)
    return (
        ggplot(rows, aes("class", "share", color="parameter", group="parameter"))
        + geom_hline(yintercept=NOMINAL, color=MUTED, linetype="dashed", size=0.5)
        + geom_linerange(aes(ymin="low2", ymax="high2"), lines, position=apart, size=0.5)
        + geom_linerange(aes(ymin="low1", ymax="high1"), lines, position=apart, size=1.2)
        + geom_point(position=apart, size=2.2, stroke=0)
        + facet_wrap("label", ncol=columns, labeller=strip)
        + scale_y_continuous(labels=lambda at: [f"{y:.0%}" for y in at])
        + scale_color_manual(COLOURS, name=" ")
        + labs(
            x="houses in the county",
            y="share of true values inside",
            title="Coverage of county effects by 50% and 90% intervals",
            caption=_about(frame, size[0]),
        )
        + theme_pooling()
        + theme(
            figure_size=size,
            plot_title_position="plot",
            plot_caption_position="plot",
            axis_text_x=element_text(rotation=45, ha="right"),
        )
    )


def _about(frame: pd.DataFrame, width: float) -> str:
    counties = frame.drop_duplicates("class").set_index("class")["counties"]
    sizes = ", ".join(f"{number} with {size}" for size, number in counties.items())
    return caption(
        f"""Study {frame["study"].iloc[0]}; counties: {sizes} houses. Up to {frame["sims"].max()}
        simulations per model. Thick line: one standard error, thin line: two.""",
        width,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
