"""What soil uranium changes: county estimates without and with it.

A segment a county: it starts at the hollow dot, the estimate of the model
without uranium, and ends at the full dot, the estimate of the model with it. The
dashed line is what soil predicts. Counties with few houses are drawn to the
line, counties with many stay where their houses put them.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_blank,
    geom_line,
    geom_point,
    geom_segment,
    ggplot,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_size,
    theme,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, caption, reach, side, size_breaks, some_of_each
from pooling.figures._soil import EFFECTS, estimates, line, name_panels, predicted, with_uranium
from pooling.figures._theme import MUTED, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "library"
CHAPTER = "shrinkage"
ORDER = 4

SEGMENTS = 300  # a panel
COLUMNS = 3
STATISTICS = ["without", "with", "soil"]


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Estimates of counties under a model with uranium and its counterpart without.

    Returns
    -------
    DataFrame
        One row per model with uranium, effect and county. Columns: study; model;
        label; counterpart (label of the model without); effect ("basement
        level", "floor effect"); panel; county; houses; log_uranium (log ppm);
        without, with, soil (posterior medians of both models' effect and of
        what soil predicts, log pCi/L).

    Raises
    ------
    NothingToShow
        No model has an effect of uranium, or none is without and partially
        pooled.
    """
    parts = [
        _compared(fit, counterpart(fit, fits), effect)
        for fit in with_uranium(fits)
        for effect in predicted(fit)
    ]
    rows = name_panels(pd.concat(parts, ignore_index=True), fits)
    names = ["study", "model", "label", "counterpart", "effect", "panel", "county", "houses"]
    return rows[[*names, "log_uranium", *STATISTICS]]


def counterpart(fit: Fit, fits: Sequence[Fit]) -> Fit:
    """The model that is most like `fit`, but for uranium.

    It pools partially, varies slopes between counties if `fit` does, has passed
    the gate, and shares most of the words of its name, in order of
    importance; the first in the order of the report if there are several.

    Raises
    ------
    NothingToShow
        No model without uranium pools partially.
    """
    plain = [
        other for other in fits if "sigma_alpha" in other.population() and not predicted(other)
    ]
    if not plain:
        raise NothingToShow(
            f"this figure needs a partially pooled model without uranium to set beside "
            f"{fit.model}; add one, such as varying_intercept_noncentered, to models.use"
        )
    slopes, words = "sigma_beta" in fit.population(), set(fit.model.split("_"))
    return max(
        sorted(plain, key=lambda other: story_order(other.model)),
        key=lambda other: (
            ("sigma_beta" in other.population()) == slopes,
            other.converged,
            len(words & set(other.model.split("_"))),
        ),
    )


def _compared(fit: Fit, plain: Fit, effect: str) -> pd.DataFrame:
    found = estimates(fit, effect)
    soil = np.median(line(fit, effect, found["log_uranium"].to_numpy()), axis=0)
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "counterpart": plain.label,
            "effect": EFFECTS[effect],
            **found[["county", "houses", "log_uranium"]],
            "without": estimates(plain, effect)["q50"],
            "with": found["q50"],
            "soil": soil,
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """A panel an effect and model, on one scale an effect."""
    rows = _clipped(frame)
    shown = rows[some_of_each(rows, "panel", SEGMENTS)]
    panels = rows["panel"].cat.categories.size
    columns = min(COLUMNS, panels)
    wide = 10 if columns > 1 else 7
    colours = model_colours(rows["model"])
    return (
        ggplot(shown, aes("log_uranium", color="model"))
        + geom_blank(aes(y="low"))
        + geom_blank(aes(y="high"))
        + geom_line(aes(y="soil"), rows, color=MUTED, linetype="dashed", size=0.7)
        + geom_segment(aes(y="without", yend="with", xend="log_uranium"), size=0.4, alpha=0.6)
        + geom_point(aes(y="without", shape="start"), fill="white", size=1.3, stroke=0.4)
        + geom_point(aes(y="with", shape="end", size="houses"), alpha=0.9, stroke=0)
        + facet_wrap("panel", ncol=columns, scales="free_y")
        + scale_color_manual(colours, guide=None)
        + scale_size(range=(0.8, 4), breaks=size_breaks(shown["houses"]))
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="soil uranium of the county, log ppm",
            y="posterior median, log pCi/L",
            size="houses",
            title="County estimates without and with the uranium in the soil",
            caption=_about(rows, shown, wide),
        )
        + theme_pooling()
        + theme(figure_size=(wide, 3.1 * -(-panels // columns) + 2))
    )


def _clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame within the range of most estimates of an effect, and which dots were beyond."""
    ranges = {
        name: reach(rows[STATISTICS].to_numpy(), 0.002)
        for name, rows in frame.groupby("effect", observed=True)
    }
    low, high = np.array([ranges[name] for name in frame["effect"]]).T
    inside = {name: frame[name].clip(low, high) for name in STATISTICS}
    start, end = (side(frame[name], low, high) for name in ("without", "with"))
    return frame.assign(low=low, high=high, start=start, end=end, **inside)


def _about(rows: pd.DataFrame, shown: pd.DataFrame, wide: float) -> str:
    pairs = rows.drop_duplicates("model")
    beside = "; ".join(
        f"{one} beside {other}"
        for one, other in zip(pairs["label"], pairs["counterpart"], strict=True)
    )
    panels = rows["panel"].cat.categories.size
    some = f" of {len(rows) // panels}" if len(shown) < len(rows) else ""
    return caption(
        f"""Study {rows["study"].iloc[0]}; {len(shown) // panels}{some} counties. {beside}. Hollow:
        posterior median without uranium; full: with it, the larger the more houses. Dashed: what
        the model with uranium predicts from soil. Triangles: estimates beyond the panel.""",
        wide,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
