"""Shrinkage: how partial pooling moves the intercept and slope of each county.

Each arrow is one county. It starts at the estimate from the county's own houses (no
pooling) and ends at the estimate with partial pooling; arrows of counties with few houses
are fainter. The ellipses contain 50% and 90% of the population of counties that the second
model estimates; the diamond is complete pooling. Estimates move towards the population
mean, those of counties with few houses most. Counties without houses on one of the floors
have no slope of their own: they start as hollow triangles at the edge of the panel.
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
    geom_path,
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
from pooling.figures._labels import place_names
from pooling.figures._panels import caption, reach
from pooling.figures._theme import DATA, FAINT, label_colours, theme_pooling
from pooling.fits.identified import identified, shared_effects
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import ends_of_story, story_models

KIND = "story"
CHAPTER = "shrinkage"
ORDER = 1

SIZE, PANEL = (8, 7), (7.4, 5.2)  # inches, of the figure and about of its panel
LETTERS = 8.5  # points, of the names of counties
LARGE, MOVED = 3, 6  # counties that are named: with the most houses, with the longest arrows
GAP = 0.012  # of the panel, between the tip of an arrow and its point
SHORT = 0.05  # of the panel: an arrow that has no room for a head
SHAPES = {"inside": "o", "above": "^", "below": "v", "right": ">", "left": "<"}
CROWD = 100  # counties from which arrows are drawn finer
SHARES = (0.5, 0.9)  # of the population, inside the ellipses


def frame(
    fits: Sequence[Fit],
    figures: Figures,
    from_model: str = "",
    to_model: str = "",
) -> pd.DataFrame:
    """Where each county's arrow starts and ends.

    By default arrows lead from the last story model without partial pooling to the first with it.

    Columns: study, county, fips, houses, identified (of the slope where the arrow
    starts), from_model, from_label, intercept_from, slope_from, has_start (the slope
    comes from the county's houses or, with pooling, from other counties; otherwise it
    is the prior's), model and label (to which the arrow leads), intercept_to, slope_to,
    has_end (posterior means, log pCi/L); of the population of the model to which
    arrows lead mean_intercept, mean_slope, var_intercept, var_slope, covariance
    (posterior means, missing where it has none that all counties share); of complete
    pooling pooled_model, pooled_label, pooled_intercept, pooled_slope (empty
    without); x, y, y_to (ends of the arrow in the panel), edge ("inside", or the
    side of the panel beyond which the arrow starts, "above" without a start),
    left, right, low, high (range of the panel, log pCi/L); name ("" for
    counties that are not named), place (1 for the first to be named) and needed.

    Raises
    ------
    StudyError
        A model was asked for that has no fit here.
    NothingToShow
        There are no two models between which estimates move.
    """
    first, last = _ends(fits, from_model, to_model)
    counties = first.counties
    start, end = _means(first), _means(last)
    table = pd.DataFrame(
        {
            "study": first.study,
            "county": first.county_labels.to_numpy(),
            "fips": counties["county_fips"],
            "houses": counties["houses"],
            "identified": _slopes_identified(first),
            "from_model": first.model,
            "from_label": first.label,
            "intercept_from": start["alpha"],
            "slope_from": start["beta"],
            "has_start": _slopes_identified(first) | _pools(first),
            "model": last.model,
            "label": last.label,
            "intercept_to": end["alpha"],
            "slope_to": end["beta"],
            "has_end": _slopes_identified(last) | _pools(last),
        }
    )
    between = [fit for fit in fits if fit.model == "pooled" and fit not in (first, last)]
    table = table.assign(**_population(last), **_complete_pooling(between))
    return _named(in_panel(table), figures.lines)


def _ends(fits: Sequence[Fit], from_model: str, to_model: str) -> tuple[Fit, Fit]:
    """The fits at which arrows start and end."""
    by_model = {fit.model: fit for fit in fits}
    for setting, model in (("FROM", from_model), ("TO", to_model)):
        if model and model not in by_model:
            raise StudyError(
                f"shrinkage: no fit of model {model!r}; choose {setting}= one of "
                f"{', '.join(by_model)}"
            )
    before, after = ends_of_story(story_models(list(by_model)))
    first, last = from_model or before, to_model or after
    if not first or not last or first == last:
        raise NothingToShow(
            "shrinkage needs a model without partial pooling and one with it, such as per_county "
            "and hierarchical_noncentered; add them to the study's models or choose others with "
            "FROM=<model> TO=<model>"
        )
    return by_model[first], by_model[last]


def _means(fit: Fit) -> dict[str, np.ndarray]:
    """Posterior mean of each county's `alpha` and `beta`, (county,)."""
    return {str(name): draws.values.mean(axis=0) for name, draws in fit.effects().items()}


def _slopes_identified(fit: Fit) -> np.ndarray:
    """Whether the data identify the slope of each county under a model, (county,)."""
    counties, shared = fit.counties, shared_effects(fit.tree["posterior"].to_dataset())
    return identified("beta", counties["basement_houses"], counties["first_floor_houses"], shared)


def _pools(fit: Fit) -> bool:
    """Whether counties share their slopes' population, so that each has an estimate."""
    return "mu_beta" in fit.tree["posterior"]


def _population(fit: Fit) -> dict[str, float]:
    """Mean and covariance of intercepts and slopes in the population of counties.

    Posterior means; missing where the counties have no common population, because its mean
    depends on uranium or state, or where they share their slope.
    """
    names = ("mean_intercept", "mean_slope", "var_intercept", "var_slope", "covariance")
    draws = fit.population()
    own = [n for n in draws if n.startswith(("gamma_", "delta_")) or n.endswith("_state")]
    if own or not {"mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta"} <= draws.keys():
        return dict.fromkeys(names, np.nan)
    scales = draws["sigma_alpha"], draws["sigma_beta"]
    shared = draws.get("rho", np.zeros(1)) * scales[0] * scales[1]
    values = (draws["mu_alpha"], draws["mu_beta"], scales[0] ** 2, scales[1] ** 2, shared)
    return {name: float(value.mean()) for name, value in zip(names, values, strict=True)}


def _complete_pooling(fits: Sequence[Fit]) -> dict[str, str | float]:
    names = ("pooled_model", "pooled_label", "pooled_intercept", "pooled_slope")
    for fit in fits:
        means = _means(fit)
        return dict(
            zip(names, (fit.model, fit.label, means["alpha"][0], means["beta"][0]), strict=True)
        )
    return dict(zip(names, ("", "", np.nan, np.nan), strict=True))


def ellipse(row: pd.Series, share: float) -> pd.DataFrame:
    """The ellipse x, y (61 points) that contains a share of a bivariate normal distribution.

    Its squared Mahalanobis distance is the quantile of a chi-square with two degrees of
    freedom, -2 log(1 - share).
    """
    covariance = [[row.var_intercept, row.covariance], [row.covariance, row.var_slope]]
    angle = np.linspace(0, 2 * np.pi, 61)
    circle = np.sqrt(-2 * np.log1p(-share)) * np.stack([np.cos(angle), np.sin(angle)])
    x, y = np.linalg.cholesky(covariance) @ circle
    return pd.DataFrame({"x": row.mean_intercept + x, "y": row.mean_slope + y, "share": share})


def _named(table: pd.DataFrame, highlighted: Sequence[int]) -> pd.DataFrame:
    """Name counties: those that the study highlights, the largest, those that move the most."""
    width, height = table["right"] - table["left"], table["high"] - table["low"]
    moved = np.hypot(
        (table["intercept_to"] - table["x"]) / width, (table["y_to"] - table["y"]) / height
    )
    both = table["has_start"] & table["has_end"]
    order = [
        *(i for fips in highlighted for i in table.index[table["fips"] == fips]),
        *table.loc[both, "houses"].nlargest(LARGE).index,
        *moved[both].nlargest(MOVED).index,
    ]
    places = {index: place for place, index in enumerate(dict.fromkeys(order), start=1)}
    named = table.index.isin(places)
    return table.assign(
        name=table["county"].where(named, ""),
        place=table.index.map(places),
        needed=table["fips"].isin(highlighted),
    )


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
    """One panel, one arrow per county."""
    left, right, low, high = frame[["left", "right", "low", "high"]].iloc[0]
    return (
        ggplot()
        + _ellipses(frame)
        + _layers(_drawn(frame))
        + _complete(frame)
        + _names(frame)
        + coord_cartesian(xlim=(left, right), ylim=(low, high))
        + scale_alpha_identity()
        + scale_shape_manual(values=SHAPES, guide=None)
        + _colours(frame)
        + guides(color=guide_legend(override_aes={"shape": _keys(frame)}))
        + _words(frame)
        + theme_pooling()
        + theme(figure_size=SIZE, legend_title=element_blank())
    )


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


def _layers(table: pd.DataFrame) -> list:
    both = table["has_start"] & table["has_end"]
    arrows, partial = table[both], table[~both]
    known, unknown = table[table["identified"]], table[~table["identified"]]
    start = aes("x", "y", shape="edge", color="from_label", fill="from_label", alpha="strength")
    end = aes("intercept_to", "y_to", color="label", fill="label", alpha="strength")
    ends = aes("x", "y", xend="xend", yend="yend")
    move = aes("x", "y", xend="xend", yend="yend", alpha="strength")
    hollow = aes("x", "y", shape="edge", color="from_label")
    no_end = aes("intercept_to", "y_to", color="label")
    # Arrows of many counties are finer, or they would merge into one black mass.
    fine = min(1, (CROWD / len(table)) ** 0.5)
    size, thick, tip = 2.6 * fine, 0.6 * fine, arrow(length=0.08 * fine, type="closed", angle=20)
    return [
        geom_segment(ends, data=partial, color=FAINT, size=0.45, linetype=(0, (4, 3))),
        geom_point(end, data=table[table["has_end"]], size=size, stroke=0),
        geom_point(no_end, data=table[~table["has_end"]], size=size, shape="^", fill="white"),
        geom_segment(move, data=arrows[arrows["short"]], color=DATA, size=thick),
        geom_segment(move, data=arrows[~arrows["short"]], color=DATA, size=thick, arrow=tip),
        geom_point(hollow, data=unknown, fill="white", size=size),
        geom_point(start, data=known, size=size, stroke=0),
    ]


def _ellipses(frame: pd.DataFrame) -> list[geom_path]:
    row = frame.iloc[0]
    if np.isnan(row.mean_intercept):
        return []
    lines = pd.concat([ellipse(row, share) for share in SHARES]).assign(label=row.label)
    return [
        geom_path(
            aes("x", "y", group="share", color="label"), data=lines, size=0.7, show_legend=False
        )
    ]


def _complete(frame: pd.DataFrame) -> list[geom_point]:
    row = frame.head(1)
    if not row["pooled_label"].iloc[0]:
        return []
    look = aes("pooled_intercept", "pooled_slope", color="pooled_label", fill="pooled_label")
    return [geom_point(look, data=row, shape="D", size=3.6)]


def _keys(frame: pd.DataFrame) -> list[str]:
    return ["D"] * bool(frame["pooled_label"].iloc[0]) + ["o", "o"]


def _names(frame: pd.DataFrame) -> geom_text:
    # At the end of the arrow where all start in one place, as with complete pooling.
    x, y = ("x", "y") if np.ptp(frame["x"]) > 0 else ("intercept_to", "y_to")
    named = frame[frame["name"] != ""].sort_values("place")
    named = named[["name", "needed"]].assign(x=named[x], y=named[y])
    start, end = (frame[pair].to_numpy() for pair in (["x", "y"], ["intercept_to", "y_to"]))
    along = [start + share * (end - start) for share in np.linspace(0.05, 1, 50)]
    limits = tuple(frame[["left", "right", "low", "high"]].iloc[0])
    return geom_text(
        aes("x", "y", label="name"),
        data=place_names(
            named, np.concatenate([start, end]), np.concatenate(along), limits, PANEL, LETTERS
        ),
        size=LETTERS,
        path_effects=[withStroke(linewidth=2.5, foreground="white")],
    )


def _colours(frame: pd.DataFrame) -> list:
    names = [("pooled_model", "pooled_label"), ("from_model", "from_label"), ("model", "label")]
    rows = [frame.loc[:0, list(pair)].set_axis(["model", "label"], axis=1) for pair in names]
    colours = label_colours(pd.concat([row for row in rows if row["label"].iloc[0]]))
    return [
        scale_color_manual(values=colours, breaks=list(colours)),
        scale_fill_manual(values=colours, guide=None),
    ]


def _words(frame: pd.DataFrame) -> labs:
    row = frame.iloc[0]
    unidentified = (~frame["identified"]).sum()
    beyond = frame["has_start"] & (frame["edge"] != "inside")
    text = f"Study {row.study}. Posterior means; arrows of counties with few houses are fainter."
    if not np.isnan(row.mean_intercept):
        text += f" Ellipses: 50% and 90% of the population of counties under {row.label}."
    if row.pooled_label:
        text += f" Diamond: {row.pooled_label}, the same for every county."
    if unidentified:
        text += (
            f" Hollow: {unidentified} counties without houses on one of the floors, whose slope "
            "the data do not identify."
        )
    if not frame[["has_start", "has_end"]].all(axis=None):
        text += " Without pooling they have only an intercept: a triangle at the upper edge."
    if beyond.any():
        text += " Filled triangles: estimates outside the panel."
    return labs(
        title=f"Shrinkage: from {row.from_label} to {row.label}",
        x="intercept: radon in a basement (log pCi/L)",
        y="slope: first floor minus basement (log pCi/L)",
        caption=caption(text, SIZE[0]),
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, from_model="", to_model="")
