"""Posterior predictive check: densities of observed and replicated radon.

The thick black curve is the density of the observed houses, each thin curve that of one
data set replicated from the posterior. If the model fits, the curves resemble the observed
one; curves that are wider, narrower or shifted show how it misfits.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_line,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    theme,
)

from pooling.figures._densities import bandwidth, smooth
from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, percent, strip
from pooling.figures._theme import DATA, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "checks"
ORDER = 1
NEEDS = ("replications.nc",)

REPLICATIONS = 50
POINTS = 200
COLUMNS = 2
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Densities of the observed and of about 50 replicated data sets.

    All have the bandwidth that suits the observed houses; the axis extends a quarter of the
    observed range beyond it on either side.

    Returns
    -------
    DataFrame
        One row per model, data set and point. Columns: study; model; label;
        replication (-1: observed); log_radon (log pCi/L); density (per log
        pCi/L); below, above (share of the model's replicated houses outside).
    """
    rows = pd.concat([_densities(fit) for fit in fits], ignore_index=True)
    return rows.assign(label=by_model(rows["label"], fits))


def _densities(fit: Fit) -> pd.DataFrame:
    observed = fit.houses["log_radon"].to_numpy()
    replicated = fit.replications("posterior_predictive", REPLICATIONS)
    margin = max(np.ptp(observed) / 4, 0.5)
    points = np.linspace(observed.min() - margin, observed.max() + margin, POINTS)
    curves = smooth(np.vstack([observed, replicated]), points, bandwidth(observed))
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "replication": np.repeat(np.arange(len(curves)) - 1, POINTS),
            "log_radon": np.tile(points, len(curves)),
            "density": curves.ravel(),
            "below": (replicated < points[0]).mean(),
            "above": (replicated > points[-1]).mean(),
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model: replications in its colour, the observed data in black on top."""
    models = frame["label"].cat.categories.size
    bands = -(-models // min(COLUMNS, models))
    observed = frame["replication"] < 0
    return (
        ggplot(frame, aes("log_radon", "density"))
        + geom_line(aes(group="replication", color="model"), frame[~observed], size=0.4, alpha=0.3)
        + geom_line(data=frame[observed], size=2.4, color="white")
        + geom_line(data=frame[observed], size=1.1, color=DATA)
        + geom_text(aes(label="said", ha="side"), remarks(frame), va="top", size=8)
        + facet_wrap("label", ncol=min(COLUMNS, models), labeller=strip)
        + scale_color_manual(model_colours(frame["model"]), guide=None)
        + labs(
            x="log radon (log pCi/L)",
            y="density (per log pCi/L)",
            title="Densities of observed and replicated radon",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 2.8 * bands + 1.5))
    )


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Text in the two upper corners of each panel; empty where no house is outside."""
    ends = {"below": ("left", "\u25c2 {}", "min"), "above": ("right", "{} \u25b8", "max")}
    panels = frame.drop_duplicates("label").assign(density=frame["density"].max())
    corners = [
        panels.assign(
            side=side,
            said=[form.format(percent(share)) if share else "" for share in panels[end]],
            log_radon=frame["log_radon"].agg(extreme),
        )
        for end, (side, form, extreme) in ends.items()
    ]
    return pd.concat(corners)


def _about(frame: pd.DataFrame) -> str:
    count = frame["replication"].max() + 1
    return caption(
        f"""Study {frame["study"].iloc[0]}. Black: observed houses; colour: {count} data sets
        replicated from the posterior, all with the same bandwidth. Percentages: share of replicated
        houses outside the panel.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
