"""Regions of the three actions, with the counties as points.

The horizontal axis is the action level: the radon from which a remedy pays if it is known, which
follows from what a household would pay to avoid radon. The vertical axis is the geometric mean of
what the model predicts for annual living-area radon of a new house. Do nothing below the lower
line, remedy now above the upper line, and measure first between them. The lines are for the
standard deviation of a typical prediction of this study; points are counties, at the study's own
action level: basements to the left of it, first floors to the right.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    annotate,
    geom_line,
    geom_point,
    geom_ribbon,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_x_log10,
    scale_y_log10,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import caption
from pooling.figures._theme import ACTIONS, DATA, FLOORS, MUTED, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "decisions"
ORDER = 2
TABLES = ("decisions", "action_regions", "policies")

INCHES_WIDE = 8
BREAKS = (0.25, 0.5, 1, 2, 3, 4, 5, 8, 10, 20, 40, 80)
APART = 1.03  # of points from the study's action level
JITTER = 0.015


def frame(
    fits: Sequence[Fit],
    figures: Figures,
    decisions: pd.DataFrame,
    action_regions: pd.DataFrame,
    policies: pd.DataFrame,
) -> pd.DataFrame:
    """Lines between the regions, and counties.

    Returns
    -------
    DataFrame
        kind ("line", "county"); study, model; action_level (pCi/L); of lines measure_from,
        remedy_from (pCi/L); of counties county, floor, median (pCi/L), action. All with
        log_sd (of the prediction, log pCi/L) and own (the study's action level, pCi/L).
    """
    own = policies.loc[policies["chosen"], "action_level"].iloc[0]
    names = ["county", "floor", "median", "action", "log_sd"]
    rows = [
        action_regions.assign(kind="line"),
        decisions[names].assign(kind="county", action_level=own),
    ]
    model = decisions["model"].iloc[0]
    return pd.concat(rows, ignore_index=True).assign(study=fits[0].study, model=model, own=own)


def plot(frame: pd.DataFrame) -> ggplot:
    """Two lines with the regions between them, and a column of points for each floor."""
    lines, counties = (frame[frame["kind"] == kind] for kind in ("line", "county"))
    left = counties["floor"] == "basement"
    wobble = np.exp(JITTER * np.sin(np.arange(len(counties))))  # fixed, so that files agree
    counties = counties.assign(x=counties["own"] * wobble * np.where(left, 1 / APART, APART))
    low = min(counties["median"].min(), lines["measure_from"].min()) / 1.5
    high = max(counties["median"].max(), lines["remedy_from"].max()) * 1.5
    where = float(lines["action_level"].quantile(0.6))
    start, end = (
        float(np.interp(where, lines["action_level"], lines[name]))
        for name in ("measure_from", "remedy_from")
    )
    heights = {
        "nothing": np.sqrt(low * start),
        "measure": np.sqrt(start * end),
        "remedy": np.sqrt(end * high),
    }
    words = {"nothing": "do nothing", "measure": "measure first", "remedy": "remedy now"}
    bands = {
        "nothing": lines.assign(low=low, high=lines["measure_from"]),
        "measure": lines.assign(low=lines["measure_from"], high=lines["remedy_from"]),
        "remedy": lines.assign(low=lines["remedy_from"], high=high),
    }
    base = ggplot(lines, aes("action_level"))
    for name, band in bands.items():
        base += geom_ribbon(aes(ymin="low", ymax="high"), band, fill=ACTIONS[name], alpha=0.25)
    for name, height in heights.items():
        base += annotate("text", x=where, y=float(height), label=words[name], size=11)
    return (
        base
        + geom_vline(xintercept=float(frame["own"].iloc[0]), color=MUTED, size=0.4)
        + geom_line(aes(y="measure_from"), color=DATA, size=0.7)
        + geom_line(aes(y="remedy_from"), color=DATA, size=0.7)
        + geom_point(aes("x", "median", color="floor", shape="floor"), counties, size=1.4)
        + scale_color_manual(FLOORS)
        + scale_shape_manual({"basement": "o", "first floor": "^"})
        + scale_x_log10(breaks=BREAKS, expand=(0, 0))
        + scale_y_log10(breaks=BREAKS, expand=(0, 0))
        + labs(
            title="Which action, by the level from which a remedy pays",
            x="action level (pCi/L)",
            y="predicted annual radon, geometric mean (pCi/L)",
            color="",
            shape="",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 6.2))
    )


def _about(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    return caption(
        f"""Study {row["study"]}, model {row["model"]}. Points: counties, at the study's action
        level of {row["own"]:g} pCi/L. Lines: for predictions with a geometric standard deviation of
        {np.exp(row["log_sd"]):.2f}, the median of the study. Radon is the annual average in the
        living area.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES)
