"""Regression lines of a few counties: complete, no and partial pooling.

One panel per county, one colour per model. Black points are houses, jittered
horizontally. Thin lines are posterior draws, thick lines posterior means. Where a
county has few houses on a floor, the lines fitted to the county on its own fan out
and follow single houses, whereas the partially pooled ones stay close together;
complete pooling has one line for all counties.
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
    about_houses,
    caption,
    reach,
    side,
    some_houses,
    spread_out,
)
from pooling.figures._theme import DATA, label_colours, theme_pooling
from pooling.fits.identified import identified, shared_effects
from pooling.fits.store import Fit, chosen_counties
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "story"
CHAPTER = "estimates"
ORDER = 1

COLUMNS = 3
LINES = 150
BEYOND = 0.15


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Lines and houses of the counties to show.

    Columns: study, kind ("draw", "mean" or "house"), county (visible name),
    identified (whether the slope is, by the county's houses or by those of all counties),
    model, label, draw (number of the sample, -1 otherwise), intercept, slope (log
    pCi/L, NaN for a house), floor (0, 1, with jitter, NaN for a line),
    log_radon (log pCi/L, NaN for a line), low, high (range of the panels, log pCi/L).
    """
    fits = sorted(fits, key=lambda fit: story_order(fit.model))
    counties = chosen_counties(fits[0], figures.lines, 3)
    # Where lines coincide the later model's are on top.
    parts = [_lines(fit, counties) for fit in fits]
    table = pd.concat([*parts, _houses(fits[0], counties)], ignore_index=True)
    names = counties.set_index("county_fips")
    table["county"] = pd.Categorical(
        table["county_fips"].map(names["label"]), list(counties["label"]), ordered=True
    )
    table["study"] = fits[0].study
    table["low"], table["high"] = reach(fits[0].houses["log_radon"])
    columns = ["study", "kind", "county", "identified", "model", "label", "draw"]
    return table[[*columns, "intercept", "slope", "floor", "log_radon", "low", "high"]]


def _lines(fit: Fit, counties: pd.DataFrame) -> pd.DataFrame:
    effects = fit.effects().sel(county=counties["county_fips"].to_numpy())
    alpha, beta = (effects[name].transpose("county", "sample").values for name in ("alpha", "beta"))
    draws = spread_out(range(alpha.shape[1]), LINES)
    # One row per county and draw: draw d of county c, never draw c of county d.
    each = pd.DataFrame(
        {
            "kind": "draw",
            "county_fips": np.repeat(counties["county_fips"].to_numpy(), len(draws)),
            "draw": np.tile(draws, len(counties)),
            "intercept": alpha[:, draws].ravel(),
            "slope": beta[:, draws].ravel(),
        }
    )
    mean = pd.DataFrame(
        {
            "kind": "mean",
            "county_fips": counties["county_fips"].to_numpy(),
            "draw": -1,
            "intercept": alpha.mean(axis=1),
            "slope": beta.mean(axis=1),
        }
    )
    lines = pd.concat([each, mean], ignore_index=True)
    shared = shared_effects(fit.tree["posterior"].to_dataset())
    basement, first = fit.counties["basement_houses"], fit.counties["first_floor_houses"]
    known = pd.Series(identified("beta", basement, first, shared), fit.counties["county_fips"])
    lines["identified"] = lines["county_fips"].map(known)
    return lines.assign(model=fit.model, label=fit.label, floor=np.nan, log_radon=np.nan)


def _houses(fit: Fit, counties: pd.DataFrame) -> pd.DataFrame:
    houses = fit.houses[fit.houses["county_fips"].isin(counties["county_fips"])]
    houses = some_houses(houses)
    shift = np.random.default_rng(1).uniform(-0.07, 0.07, len(houses))
    return pd.DataFrame(
        {
            "kind": "house",
            "identified": True,
            "county_fips": houses["county_fips"].to_numpy(),
            "draw": -1,
            "intercept": np.nan,
            "slope": np.nan,
            "floor": houses["floor"].to_numpy() + shift,
            "log_radon": houses["log_radon"].to_numpy(),
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per county."""
    low, high = frame[["low", "high"]].iloc[0]
    lines = frame[frame["kind"] != "house"].assign(
        x=-BEYOND,
        xend=1 + BEYOND,
        y=lambda t: t["intercept"] - BEYOND * t["slope"],
        yend=lambda t: t["intercept"] + (1 + BEYOND) * t["slope"],
    )
    draws, means = (lines[lines["kind"] == kind] for kind in ("draw", "mean"))
    houses = frame[frame["kind"] == "house"]
    houses = houses.assign(
        where=side(houses["log_radon"], low, high), log_radon=houses["log_radon"].clip(low, high)
    )
    colours = label_colours(frame)
    ends = aes("x", "y", xend="xend", yend="yend", color="label")
    panels = frame["county"].nunique()
    columns = min(COLUMNS, panels)
    # Two names of models fit side by side under the narrowest figure.
    size = (max(3.2 * columns + 0.6, 7), 3.2 * -(-panels // columns) + 2.0)
    return (
        ggplot(houses)
        + geom_segment(ends, data=draws, alpha=0.12, size=0.4)
        + geom_segment(ends, data=means[means["identified"]], size=1.4)
        + geom_segment(ends, data=means[~means["identified"]], size=1.4, linetype="dashed")
        + geom_point(aes("floor", "log_radon", shape="where"), color=DATA, size=1.8)
        + facet_wrap("county", ncol=columns)
        + coord_cartesian(ylim=(low, high))
        + scale_color_manual(values=colours, breaks=list(colours))
        + scale_shape_manual(values=MARKERS_Y, guide=None)
        + scale_x_continuous(breaks=[0, 1], labels=["basement", "first floor"], expand=(0, 0))
        + guides(color=guide_legend(ncol=2 if size[0] < 9 else 3))
        + labs(
            title="Lines of a few counties: complete, no and partial pooling",
            x="floor of the detector",
            y="log radon (log pCi/L)",
            caption=_caption(frame, size[0]),
        )
        + theme_pooling()
        + theme(figure_size=size, legend_title=element_blank())
    )


def _caption(frame: pd.DataFrame, inches: float) -> str:
    drawn = frame.loc[frame["kind"] == "draw", "draw"].nunique()
    houses = frame[frame["kind"] == "house"]
    text = (
        f"Study {frame['study'].iloc[0]}. Thin lines: {drawn} evenly spaced posterior draws; "
        f"thick: posterior means; points: {about_houses(houses['county'])}."
    )
    unidentified = frame.loc[~frame["identified"], "county"].unique()
    if len(unidentified):
        text += (
            f" Dashed: {', '.join(sorted(unidentified))}, without houses on one of the floors: the "
            "data do not identify the slope, which without pooling is the prior's."
        )
    if ((frame["log_radon"] > frame["high"]) | (frame["log_radon"] < frame["low"])).any():
        text += " Triangles: houses outside the panel."
    return caption(text, inches)


if __name__ == "__main__":
    draw(__doc__, frame, plot)
