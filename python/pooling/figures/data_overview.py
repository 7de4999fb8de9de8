"""The survey: number of houses in each county, and radon by floor.

Above, one bar per county, in decreasing order of houses, coloured by the floor on which
the detector was placed. Below, the distribution of log radon on each floor, with its
mean as a dashed line. A county with few houses, or with none on the first floor, carries
little information about itself.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    after_stat,
    element_blank,
    element_text,
    facet_wrap,
    geom_col,
    geom_histogram,
    geom_vline,
    ggplot,
    labs,
    scale_fill_manual,
    scale_x_continuous,
    scale_y_continuous,
    theme,
)
from plotnine.composition import Compose

from pooling.figures._drawing import draw
from pooling.figures._panels import caption
from pooling.figures._theme import FLOORS, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "data"
ORDER = 1

NAMED = 100
WIDTH = 10
LETTER = 0.09  # inches of a name's letter at the theme's size


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Houses by county and floor, and every house.

    Columns: study, response (its transform), kind ("county" or "house"), county,
    rank (1 has most houses), floor ("basement", "first floor"), houses (a
    county's on that floor, NaN for a house), log_radon (log pCi/L, NaN for a county).
    """
    fit = fits[0]
    counties = fit.counties.assign(county=fit.county_labels.to_numpy())
    counties = counties.sort_values(["houses", "county"], ascending=[False, True])
    counties["rank"] = np.arange(1, len(counties) + 1)
    floors = dict(enumerate(FLOORS))
    bars = (
        counties.drop(columns="houses")
        .melt(["county", "rank"], ["basement_houses", "first_floor_houses"], "floor", "houses")
        .assign(kind="county", log_radon=np.nan)
    )
    bars["floor"] = bars["floor"].map(
        {"basement_houses": floors[0], "first_floor_houses": floors[1]}
    )
    points = fit.houses[["county_fips", "floor", "log_radon"]].merge(
        counties.drop(columns="houses"), on="county_fips"
    )
    points = points.assign(kind="house", houses=np.nan, floor=points["floor"].map(floors))
    columns = ["kind", "county", "rank", "floor", "houses", "log_radon"]
    both = pd.concat([bars[columns], points[columns]], ignore_index=True)
    both.insert(0, "study", fit.study)
    both.insert(1, "response", fit.tree.attrs["response"])
    both["floor"] = pd.Categorical(both["floor"], list(FLOORS))
    return both


def plot(frame: pd.DataFrame) -> Compose:
    """Bars above, histograms below."""
    return _bars(frame[frame["kind"] == "county"]) / _histograms(frame)


def _bars(counties: pd.DataFrame) -> ggplot:
    names = counties.drop_duplicates("rank").sort_values("rank")
    totals = counties.groupby("county")["houses"].sum()
    first = counties[counties["floor"] == "first floor"].groupby("county")["houses"].sum()
    named = len(names) <= NAMED
    room = (WIDTH - 1) / len(names)  # inches a name
    if not named or names["county"].str.len().max() * LETTER < room:
        ticks = element_text()
    else:
        ticks = element_text(rotation=90, size=float(np.clip(60 * room, 6, 9)), va="top")
    without = int((first == 0).sum())
    lacking = "1 county has" if without == 1 else f"{without:,} counties have"
    many = "1 county" if len(names) == 1 else f"{len(names):,} counties"
    subtitle = (
        f"{totals.sum():,.0f} houses in {many}, {totals.min():.0f} to {totals.max():.0f} per "
        f"county; {lacking} no house measured on the first floor."
    )
    return (
        ggplot(counties, aes("rank", "houses", fill="floor"))
        + geom_col(width=0.85 if named else 1)
        + scale_fill_manual(values=FLOORS)
        + scale_x_continuous(
            breaks=list(names["rank"]) if named else [1, len(names)],
            labels=list(names["county"]) if named else ["most", "fewest"],
            expand=(0.01, 0),
        )
        + scale_y_continuous(expand=(0, 0, 0.05, 0))
        + labs(
            title="Houses in each county",
            subtitle=caption(subtitle, WIDTH / 1.2),
            x="" if named else "counties, by number of houses",
            y="houses",
            fill="detector in",
        )
        + theme_pooling()
        + theme(
            figure_size=(WIDTH, 8),
            axis_text_x=ticks,
            panel_grid_major_x=element_blank(),
            legend_position="top",
            legend_justification="left",
        )
    )


def _histograms(frame: pd.DataFrame) -> ggplot:
    houses = frame[frame["kind"] == "house"]
    floors = houses.groupby("floor", observed=True)["log_radon"].agg(["mean", "std", "size"])
    titles = [
        f"{floor}: {row['size']:,.0f} houses, mean {row['mean']:.2f}, sd {row['std']:.2f}"
        for floor, row in floors.iterrows()
    ]
    houses = houses.assign(panel=houses["floor"].map(dict(zip(floors.index, titles, strict=True))))
    means = pd.DataFrame({"panel": titles, "mean": floors["mean"].to_numpy()})
    about = (
        f"Study {frame['study'].iloc[0]}. x is the radon activity in pCi/L. "
        "Each histogram has area 1; dashed line: mean of the floor."
    )
    return (
        ggplot(houses, aes("log_radon", after_stat("density"), fill="floor"))
        + geom_histogram(binwidth=0.25, boundary=0, colour="white", size=0.2)
        + geom_vline(aes(xintercept="mean"), data=means, linetype="dashed", size=0.6)
        + facet_wrap("panel")
        + scale_fill_manual(values=FLOORS, guide=None)
        + scale_y_continuous(expand=(0, 0, 0.05, 0))
        + labs(
            title="Radon by floor",
            x=f"log radon, {frame['response'].iloc[0]}",
            y="density (per log pCi/L)",
            caption=caption(about, WIDTH),
        )
        + theme_pooling()
        + theme(figure_size=(WIDTH, 8))
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
