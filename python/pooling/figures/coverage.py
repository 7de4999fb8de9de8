"""Calibration of predictive intervals: coverage of left-out houses.

One panel per floor and way of leaving houses out, one row per model: the share of houses
that lie within the central 50% and 90% of their predictive distribution under a model
that has not seen them; the thick line spans one standard error to either side, the thin
one two. A calibrated model is on the dashed lines; to the left of them its intervals are
too narrow, to the right too wide.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_grid,
    geom_point,
    geom_segment,
    geom_text,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_continuous,
    scale_y_discrete,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import SCHEME_TITLES, by_model, caption, strip
from pooling.figures._theme import DATA, MUTED, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit, in_interval
from pooling.inputs.sections import FLOORS
from pooling.inputs.study import Figures
from pooling.scoring.standard_errors import cluster, mean

KIND = "library"
CHAPTER = "scores"
ORDER = 4
NEEDS = ("loo.csv", "left_out.csv")

NOMINAL = (0.5, 0.9)
INCHES_WIDE = 10
COLUMNS = ["study", "model", "label", "score", "floor", "nominal", "share", "se", "houses"]


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Shares of left-out houses within their predictive intervals.

    Returns
    -------
    DataFrame
        One row per score, model, floor and nominal share. Columns: study; model; label;
        score (what was left out); floor (on which houses were measured); nominal (0.5,
        0.9); share (of houses whose left-out PIT value is within nominal / 2 of 0.5;
        missing without any house); se (of the share; over counties where whole counties were left
        out); houses (with a score).

    Raises
    ------
    NothingToShow
        No house was left out.
    """
    floors = [FLOORS[code] for code in sorted(fits[0].houses["floor"].unique())]
    parts = [
        _covered(fit, scheme, floor, nominal)
        for scheme in SCHEME_TITLES
        if any(scheme in fit.left_out for fit in fits)
        for fit in fits
        for floor in floors
        for nominal in NOMINAL
    ]
    if not any(part["houses"] for part in parts):
        raise NothingToShow("no house has been left out; set scores.pointwise = true in the study")
    rows = pd.DataFrame(parts, columns=COLUMNS)
    known = [title for title in SCHEME_TITLES.values() if (rows["score"] == title).any()]
    return rows.assign(
        label=by_model(rows["label"], fits),
        score=pd.Categorical(rows["score"], known, ordered=True),
        floor=pd.Categorical(rows["floor"], floors, ordered=True),
    )


def _covered(fit: Fit, scheme: str, floor: str, nominal: float) -> dict[str, object]:
    about: dict[str, object] = {"study": fit.study, "model": fit.model, "label": fit.label}
    about |= {"score": SCHEME_TITLES[scheme], "floor": floor, "nominal": nominal}
    pit = fit.left_out[scheme]["pit"] if scheme in fit.left_out else pd.Series(dtype=float)
    known = pit.notna().to_numpy()
    if known.any():
        known = known & (fit.houses["floor"] == FLOORS.index(floor)).to_numpy()
    if not known.any():
        return about | {"share": np.nan, "se": np.nan, "houses": 0}
    inside = in_interval(pit[known], nominal).astype(float)
    share, se = mean(inside, cluster(fit, scheme)[known])
    return about | {"share": share, "se": se, "houses": inside.size}


def plot(frame: pd.DataFrame) -> ggplot:
    """One row per model, one panel per way to leave houses out and floor."""
    ends = {
        f"{end}{k}": (frame["share"] + sign * k * frame["se"]).clip(0, 1)
        for end, sign in (("low", -1), ("high", 1))
        for k in (1, 2)
    }
    rows = frame.assign(**ends)
    order = list(frame["label"].cat.categories[::-1])
    known, lacking = rows.dropna(subset=["share"]), rows[rows["share"].isna()]
    lacking = lacking.drop_duplicates(["label", "score", "floor"])
    lines = known.dropna(subset=["se"])
    schemes = frame["score"].cat.categories.size
    return (
        ggplot(known, aes(y="label", color="model"))
        + geom_vline(xintercept=NOMINAL, color=MUTED, linetype="dashed", size=0.5)
        + geom_segment(aes(x="low2", xend="high2", yend="label"), lines, size=0.6)
        + geom_segment(aes(x="low1", xend="high1", yend="label"), lines, size=1.8)
        + geom_point(aes(x="share"), size=2.2, stroke=0)
        + geom_text(aes(label="said"), lacking.assign(said="no score"), x=0.7, size=7.5, color=DATA)
        + facet_grid("score", "floor")
        + scale_x_continuous(labels=lambda at: [f"{x:.0%}" for x in at])
        + scale_y_discrete(limits=order, labels=[strip(label) for label in order])
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + labs(
            x="share of left-out houses within their 50% and 90% intervals",
            y="",
            title="Coverage of predictions for left-out houses",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, schemes * (0.3 * len(order) + 0.4) + 1.6),
            panel_spacing_x=0.03,  # labels at the ends of neighbouring axes
        )
    )


def _houses(frame: pd.DataFrame) -> str:
    most = frame.groupby("floor", observed=False)["houses"].max()
    return "houses: " + ", ".join(f"{floor} {houses:,}" for floor, houses in most.items())


def _about(frame: pd.DataFrame) -> str:
    none = " No score: the model failed its diagnostics." * bool(frame["share"].isna().any())
    return caption(
        f"""Study {frame["study"].iloc[0]}; {_houses(frame)}. Dashed: nominal
        shares. Dot: share of houses; thick line: one standard error, thin line: two. Where whole
        counties were left out, standard errors are over counties, since the errors of predictions
        within a county are dependent.{none}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
