"""Pareto k: influential houses.

One dot per house: across, the number of houses in its county on a logarithmic axis;
up, the k of its importance weights when it is left out. Above the dashed line, at
0.7, the weights cannot stand in for a fit without the house, and the house was left
out by an exact refit instead. Such houses are mostly those that are nearly all a
model knows of a county.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_hline,
    geom_point,
    geom_text,
    ggplot,
    labs,
    scale_alpha_manual,
    scale_color_manual,
    scale_shape_manual,
    scale_x_log10,
    scale_y_continuous,
    theme,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, by_model, caption, side, some_of_each, strip
from pooling.figures._theme import DATA, model_colours, theme_pooling
from pooling.fits.limits import MAX_PARETO_K
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "scores"
ORDER = 2
NEEDS = ("loo.csv", "left_out.csv")

DOTS = 1500  # a panel, and every house that fails
LOWEST, HIGHEST = -0.5, 1.2  # of the axis, if there are values so low or high
COLUMNS = 4
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Pareto k of every house.

    Returns
    -------
    DataFrame
        One row per model and house. Columns: study; model; label; house; county;
        houses (in its county); pareto_k (infinite where it has none); failing
        (above 0.7).

    Raises
    ------
    NothingToShow
        No house has been left out.
    """
    scored = [fit for fit in fits if not fit.loo.empty]
    if not scored:
        raise NothingToShow(
            "no house has been left out; set scores.pointwise = true in the study for it"
        )
    rows = pd.concat([_houses(fit) for fit in scored], ignore_index=True)
    return rows.assign(label=by_model(rows["label"], scored))


def _houses(fit: Fit) -> pd.DataFrame:
    houses = fit.houses["county_fips"]
    size = fit.counties.set_index("county_fips")["houses"]
    k = fit.loo["pareto_k"].fillna(np.inf).to_numpy()
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "house": fit.loo["house"].to_numpy(),
            "county": fit.county_labels.loc[houses].to_numpy(),
            "houses": size.loc[houses].to_numpy(),
            "pareto_k": k,
            "failing": k > MAX_PARETO_K,
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model, all on one scale."""
    low = max(LOWEST, min(0.0, frame["pareto_k"].min()))
    rows = frame[some_of_each(frame, "label", DOTS) | frame["failing"]]
    shift = np.random.default_rng(1).uniform(0.92, 1.08, len(rows))
    rows = rows.assign(
        x=rows["houses"] * shift,
        place=side(rows["pareto_k"], low, HIGHEST),
        pareto_k=rows["pareto_k"].clip(low, HIGHEST),
    )
    models = frame["label"].cat.categories.size
    columns = min(COLUMNS, models)
    wide = INCHES_WIDE if columns > 2 else 7
    return (
        ggplot(rows, aes("x", "pareto_k", color="model"))
        + geom_hline(yintercept=MAX_PARETO_K, color=DATA, linetype="dashed", size=0.5)
        + geom_point(aes(shape="place", alpha="failing"), size=1.3, stroke=0, raster=True)
        + geom_text(aes(label="said"), remarks(rows, frame), va="bottom", size=7.5, color=DATA)
        + facet_wrap("label", ncol=columns, labeller=strip)
        + scale_x_log10(labels=lambda at: [f"{x:,.0f}" for x in at])
        + scale_y_continuous(expand=(0.04, 0, 0.14, 0))
        + scale_alpha_manual({True: 1.0, False: 0.3}, guide=None)
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="houses in the county, log axis",
            y="Pareto k",
            title="Pareto k of every house",
            caption=_about(frame, rows, wide),
        )
        + theme_pooling()
        + theme(figure_size=(wide, 2.6 * -(-models // columns) + 1.6))
    )


def remarks(rows: pd.DataFrame, frame: pd.DataFrame) -> pd.DataFrame:
    """What each panel says at its top: how many houses of the frame are above the line."""
    panels = frame.groupby(["label", "model"], observed=True)["failing"].agg(["sum", "size"])
    said = [f"{bad} of {of:,} above" for bad, of in zip(panels["sum"], panels["size"], strict=True)]
    middle = float(np.sqrt(rows["x"].min() * rows["x"].max()))
    return panels.assign(said=said, x=middle, pareto_k=HIGHEST + 0.04).reset_index()


def _about(frame: pd.DataFrame, rows: pd.DataFrame, wide: float) -> str:
    some = f" Shown are all above {MAX_PARETO_K} and {DOTS:,} others." * (len(rows) < len(frame))
    return caption(
        f"""Study {frame["study"].iloc[0]}. A dot a house, shifted a little sideways.{some} Above
        the dashed line, at {MAX_PARETO_K}, a house was left out by an exact refit. Triangles:
        values beyond the panel.""",
        wide,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
