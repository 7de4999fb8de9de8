"""Shrinkage: how pooling moves the intercept and slope of each county.

Each arrow is a county. It starts at the estimate of one model, by default of
the regressions of each county alone, and ends at the estimate of another, by
default one that pools partially; arrows fade where a county has few houses.
Estimates gather around the population's mean, those of small counties most.
Counties without houses on both floors have no slope of their own: they start
as hollow triangles on the edge of the panel.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.patheffects import withStroke
from plotnine import (
    aes,
    arrow,
    coord_cartesian,
    element_blank,
    facet_wrap,
    geom_point,
    geom_segment,
    geom_text,
    ggplot,
    guide_legend,
    guides,
    labs,
    scale_alpha_identity,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    theme,
)

from pooling.build.errors import NothingToShow, StudyError
from pooling.figures._drawing import draw
from pooling.figures._panels import caption, reach
from pooling.figures._theme import DATA, FAINT, label_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "story"
CHAPTER = "shrinkage"
ORDER = 1

GAP = 0.012  # of the panel, between the tip of an arrow and its point
SHORT = 0.05  # of the panel: an arrow that has no room for a head
SHAPES = {"inside": "o", "above": "^", "below": "v", "right": ">", "left": "<"}


def frame(
    fits: Sequence[Fit],
    figures: Figures,
    from_model: str = "per_county",
    to_model: str = "",
) -> pd.DataFrame:
    """Where each county's arrow starts and ends, for each model that arrows lead to.

    Columns: study, county, name (of the counties that the study highlights,
    empty for others), houses, identified (of the slope), from_model, from_label,
    intercept_from, slope_from, has_start (the slope comes from the county's
    houses or, with pooling, from other counties; otherwise it is the prior's),
    model and label (to which the arrow leads), intercept_to, slope_to, has_end
    (posterior means, log pCi/L), x, y, y_to (ends of the arrow in the panel),
    edge ("inside", or the side of the panel beyond which the arrow starts,
    "above" without a start), left, right, low, high (range of the panels,
    log pCi/L).

    Raises
    ------
    StudyError
        Two models were asked for and one has no fit here.
    NothingToShow
        The first model has no fit here, or there is no other.
    """
    first, last = _roles(fits, from_model, to_model)
    counties = first.counties
    start = _means(first)
    table = pd.DataFrame(
        {
            "study": first.study,
            "county": first.county_labels.to_numpy(),
            "houses": counties["houses"],
            "identified": counties["slope_identified"],
            "from_model": first.model,
            "from_label": first.label,
            "intercept_from": start["alpha"],
            "slope_from": start["beta"],
            "has_start": counties["slope_identified"] | _pools(first),
        }
    )
    highlighted = counties["county_fips"].isin(figures.lines)
    table.insert(2, "name", table["county"].where(highlighted, ""))
    parts = []
    for fit in last:
        end = _means(fit)
        to = {"model": fit.model, "label": fit.label}
        to |= {"intercept_to": end["alpha"], "slope_to": end["beta"]}
        parts.append(table.assign(**to, has_end=table["identified"] | _pools(fit)))
    both = pd.concat(parts, ignore_index=True)
    both["label"] = pd.Categorical(both["label"], [fit.label for fit in last], ordered=True)
    return in_panel(both)


def _roles(fits: Sequence[Fit], from_model: str, to_model: str) -> tuple[Fit, list[Fit]]:
    """The fit where arrows start and those where they end."""
    if to_model:
        first, last = _role(fits, from_model, "FROM"), [_role(fits, to_model, "TO")]
    else:
        try:
            first = _role(fits, from_model, "FROM")
        except StudyError as error:
            raise NothingToShow(str(error)) from None
        last = sorted(fits, key=lambda fit: story_order(fit.model))
    last = [fit for fit in last if fit.model != from_model]
    if not last:
        raise NothingToShow(
            f"shrinkage needs a second model beside {from_model!r}; add one to the study's models "
            "or choose another with TO=<model>"
        )
    return first, last


def _role(fits: Sequence[Fit], model: str, setting: str) -> Fit:
    for fit in fits:
        if fit.model == model:
            return fit
    known = ", ".join(fit.model for fit in fits)
    raise StudyError(f"shrinkage: no fit of model {model!r}; choose {setting}= one of {known}")


def _means(fit: Fit) -> dict[str, np.ndarray]:
    """Posterior mean of each county's `alpha` and `beta`, (county,)."""
    return {name: draws.values.mean(axis=0) for name, draws in fit.effects().items()}


def _pools(fit: Fit) -> bool:
    """Whether counties share their slopes' population, so that each has an estimate."""
    return "mu_beta" in fit.tree["posterior"]


def in_panel(table: pd.DataFrame) -> pd.DataFrame:
    """Add the panels' range and, within it, where arrows start."""
    start, end = table["has_start"], table["has_end"]
    left, right = _union(reach(table["intercept_from"]), reach(table["intercept_to"], 0))
    known = (reach(table.loc[start, "slope_from"]), reach(table.loc[end, "slope_to"], 0))
    low, high = _union(*known)
    x, y = table["intercept_from"], table["slope_from"].where(start, np.inf)
    x_to, y_to = table["intercept_to"], table["slope_to"].where(end, high)
    # Cut each arrow where it enters the panel, so that its direction stays right.
    run, rise = x - x_to, y.where(start, high) - y_to
    with np.errstate(divide="ignore", invalid="ignore"):
        shares = [
            np.where(run > 0, (right - x_to) / run, np.inf),
            np.where(run < 0, (left - x_to) / run, np.inf),
            np.where(rise > 0, (high - y_to) / rise, np.inf),
            np.where(rise < 0, (low - y_to) / rise, np.inf),
        ]
    share = np.clip(np.minimum.reduce(shares), 0, 1)
    beyond = {"above": y > high, "below": y < low, "right": x > right, "left": x < left}
    return table.assign(
        x=x_to + share * run,
        y=y_to + share * rise,
        y_to=y_to,
        edge=np.select(list(beyond.values()), list(beyond), "inside"),
        left=left,
        right=right,
        low=low,
        high=high,
    )


def _union(first: tuple[float, float], second: tuple[float, float]) -> tuple[float, float]:
    return min(first[0], second[0]), max(first[1], second[1])


def plot(frame: pd.DataFrame) -> ggplot:
    """A panel for each model that arrows lead to."""
    left, right, low, high = frame[["left", "right", "low", "high"]].iloc[0]
    panels = frame["label"].nunique()
    columns = {1: 1, 2: 2, 4: 2}.get(panels, 3)
    size = (8, 7) if panels == 1 else (10, 10.5 / columns * -(-panels // columns) + 1.8)
    figure = (
        ggplot()
        + _layers(_drawn(frame), 1 if panels == 1 else 0.7)
        + coord_cartesian(xlim=(left, right), ylim=(low, high))
        + scale_alpha_identity()
        + scale_shape_manual(values=SHAPES, guide=None)
        + _colours(frame)
        + guides(color=guide_legend(ncol=2 if panels == 1 else 3))
        + _words(frame, size[0])
        + theme_pooling()
        + theme(figure_size=size, legend_title=element_blank())
    )
    return figure if panels == 1 else figure + facet_wrap("label", ncol=columns)


def _drawn(frame: pd.DataFrame) -> pd.DataFrame:
    """Where arrows end, just short of their points, and how faint they are."""
    width, height = frame["right"] - frame["left"], frame["high"] - frame["low"]
    run, rise = frame["intercept_to"] - frame["x"], frame["y_to"] - frame["y"]
    length = np.hypot(run / width, rise / height)
    share = ((length - GAP) / length.where(length > 0, np.inf)).clip(lower=0)
    most = np.log(max(frame["houses"].max(), 2))
    return frame.assign(
        xend=frame["x"] + share * run,
        yend=frame["y"] + share * rise,
        short=length < SHORT,
        strength=0.3 + 0.7 * np.log(frame["houses"].clip(lower=1)) / most,
    )


def _layers(table: pd.DataFrame, ratio: float) -> list:
    both = table["has_start"] & table["has_end"]
    arrows, partial = table[both], table[~both]
    known, unknown = table[table["identified"]], table[~table["identified"]]
    start = aes("x", "y", shape="edge", color="from_label", fill="from_label", alpha="strength")
    end = aes("intercept_to", "y_to", color="label", fill="label", alpha="strength")
    ends = aes("x", "y", xend="xend", yend="yend")
    move = aes("x", "y", xend="xend", yend="yend", alpha="strength")
    hollow = aes("x", "y", shape="edge", color="from_label")
    no_end = aes("intercept_to", "y_to", color="label")
    size, tip = 2.6 * ratio, arrow(length=0.08 * ratio, type="closed", angle=20)
    return [
        geom_segment(ends, data=partial, color=FAINT, size=0.45 * ratio, linetype=(0, (4, 3))),
        geom_point(end, data=table[table["has_end"]], size=size, stroke=0),
        geom_point(no_end, data=table[~table["has_end"]], size=size, shape="^", fill="white"),
        geom_segment(move, data=arrows[arrows["short"]], color=DATA, size=0.6 * ratio),
        geom_segment(move, data=arrows[~arrows["short"]], color=DATA, size=0.6 * ratio, arrow=tip),
        geom_point(hollow, data=unknown, fill="white", size=size),
        geom_point(start, data=known, size=size, stroke=0),
        _names(table, ratio),
    ]


def _names(table: pd.DataFrame, ratio: float) -> geom_text:
    # At the end of the arrow where all start in one place, as with complete pooling.
    x, y = ("x", "y") if np.ptp(table["x"]) > 0 else ("intercept_to", "y_to")
    # Away from the point by a share of the panel, whatever its range.
    named = table[table["name"] != ""].assign(
        x=table[x] + 0.01 * (table["right"] - table["left"]),
        y=table[y] - 0.01 * (table["high"] - table["low"]),
    )
    return geom_text(
        aes("x", "y", label="name"),
        data=named,
        size=8.5 * ratio,
        ha="left",
        va="top",
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def _colours(frame: pd.DataFrame) -> list:
    both = pd.concat(
        [
            frame[["model", "label"]],
            frame[["from_model", "from_label"]].set_axis(["model", "label"], axis=1),
        ]
    )
    colours = label_colours(both)
    return [
        scale_color_manual(values=colours, breaks=list(colours)),
        scale_fill_manual(values=colours, guide=None),
    ]


def _words(frame: pd.DataFrame, inches: float) -> labs:
    first = frame["from_label"].iloc[0]
    one = frame["label"].nunique() == 1
    last = frame["label"].iloc[0] if one else "each model"
    unidentified = frame.loc[~frame["identified"], "county"].nunique()
    beyond = frame["has_start"] & (frame["edge"] != "inside")
    text = (
        f"Study {frame['study'].iloc[0]}. Posterior means; log pCi/L; arrows fade with few houses."
    )
    if unidentified:
        text += (
            f" Hollow: {unidentified} counties without houses on both floors, whose slope the "
            "data do not identify; a model without pooling has only their intercept, shown by a "
            "triangle on the upper edge."
        )
    if beyond.any():
        text += " Filled triangles: estimates beyond the panel."
    return labs(
        title=f"Shrinkage: from {first} to {last}",
        x="intercept: radon in a basement (log pCi/L)",
        y="slope: first floor minus basement (log pCi/L)",
        caption=caption(text, inches),
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, from_model="per_county", to_model="")
