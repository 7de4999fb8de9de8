"""Regions of the three actions, with the counties as points.

The horizontal axis is the action level: the radon from which a remedy pays if it is known, which
follows from what a household would pay to avoid radon. The vertical axis is the geometric mean of
what the model predicts for annual living-area radon of a new house. Do nothing below the lower
line, remedy now above the upper line, and measure first between them. The lines of a floor are for
the median standard deviation of the predictions of its houses; points are counties, at the study's
own action level.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_line,
    geom_point,
    geom_ribbon,
    geom_text,
    geom_vline,
    ggplot,
    labs,
    scale_x_log10,
    scale_y_log10,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import caption
from pooling.figures._theme import ACTION_WORDS, ACTIONS, DATA, MUTED, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.sections import FLOORS
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "decisions"
ORDER = 2
TABLES = ("decisions", "action_regions", "policies")

INCHES_WIDE = 8
BREAKS = (0.25, 0.5, 1, 2, 3, 4, 5, 8, 10, 20, 40, 80)
JITTER = 0.02  # of points around the study's action level


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
        kind ("line", "county"); study, model; floor; action_level (pCi/L); of lines
        measure_from, remedy_from (pCi/L); of counties county, median (pCi/L), action. All with
        log_sd (of the prediction, log pCi/L) and own (the study's action level, pCi/L).
    """
    own = policies.loc[policies["chosen"], "action_level"].iloc[0]
    names = ["county", "floor", "median", "action", "log_sd"]
    rows = [
        action_regions.assign(kind="line"),
        decisions[names].assign(kind="county", action_level=own),
    ]
    model = decisions["model"].iloc[0]
    found = pd.concat(rows, ignore_index=True).assign(study=fits[0].study, model=model, own=own)
    return found.assign(floor=pd.Categorical(found["floor"], list(FLOORS)))


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per floor: two lines with the regions between them, and a column of points."""
    lines, counties = (frame[frame["kind"] == kind] for kind in ("line", "county"))
    wobble = np.exp(JITTER * np.sin(np.arange(len(counties))))  # fixed, so that files agree
    counties = counties.assign(x=counties["own"] * wobble)
    low = min(counties["median"].min(), lines["measure_from"].min()) / 1.5
    high = max(counties["median"].max(), lines["remedy_from"].max()) * 1.5
    edges = {
        "nothing": (low, lines["measure_from"]),
        "measure": (lines["measure_from"], lines["remedy_from"]),
        "remedy": (lines["remedy_from"], high),
    }
    base = ggplot(lines, aes("action_level")) + facet_wrap("floor")
    for name, (bottom, top) in edges.items():
        band = lines.assign(bottom=bottom, top=top)
        at = band[band["action_level"] == lines["action_level"].quantile(0.6, "nearest")]
        words = at.assign(y=np.sqrt(at["bottom"] * at["top"]), words=ACTION_WORDS[name])
        base += geom_ribbon(aes(ymin="bottom", ymax="top"), band, fill=ACTIONS[name], alpha=0.25)
        base += geom_text(aes(y="y", label="words"), words, size=10)
    return (
        base
        + geom_vline(xintercept=float(frame["own"].iloc[0]), color=MUTED, size=0.4)
        + geom_line(aes(y="measure_from"), color=DATA, size=0.7)
        + geom_line(aes(y="remedy_from"), color=DATA, size=0.7)
        + geom_point(aes("x", "median"), counties, size=1.2, alpha=0.6)
        + scale_x_log10(breaks=BREAKS, expand=(0, 0))
        + scale_y_log10(breaks=BREAKS, expand=(0, 0))
        + labs(
            title="Which action, by the level from which a remedy pays",
            x="action level (pCi/L)",
            y="predicted annual radon, geometric mean (pCi/L)",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 5.2))
    )


def _about(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    spread = frame[frame["kind"] == "line"].groupby("floor", observed=True)["log_sd"].first()
    widths = " and ".join(f"{np.exp(sd):.2f} ({floor})" for floor, sd in spread.items())
    return caption(
        f"""Study {row["study"]}, model {row["model"]}. Points: counties, at the study's action
        level of {row["own"]:g} pCi/L. Lines: for predictions with a geometric standard deviation of
        {widths}, the medians over the counties. Radon is the annual average in the living area.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES)
