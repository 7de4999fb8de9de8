"""Intercept and slope of each county under one model, with intervals.

One line per county, in the order of the intercept (log radon in the basement): the dot is
the posterior median, the thick line the central 50% and the thin one the central 90%. The
slope is the floor effect, first floor minus basement. Hollow dots and pale lines are
estimates that the county's own houses do not identify: an intercept without a basement
house, a slope without houses on one of the floors. The counties table has all counties.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_text,
    facet_wrap,
    geom_blank,
    geom_point,
    geom_segment,
    ggplot,
    labs,
    scale_alpha_manual,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_continuous,
)
from plotnine.scales.scale import scale

from pooling.figures._drawing import draw
from pooling.figures._panels import (
    MARKERS_X,
    SIDE_BY_SIDE,
    arrange,
    by_model,
    caption,
    reach,
    side,
    spread_out,
    subject,
)
from pooling.figures._theme import model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "estimates"
ORDER = 2

PARAMETERS = {"alpha": "intercept (basement)", "beta": "slope (floor effect)"}
QUANTILES = {"q5": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
MOST, LEAST = 40, 25  # counties whose names can be read
LINES = 340  # of counties, in one column of panels
INCHES_A_LINE = 0.165
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Posterior quantiles of the county effects.

    Returns
    -------
    DataFrame
        One row per model, parameter and county that is shown. Columns: study;
        model; label; parameter (a value of `PARAMETERS`); county_fips;
        county; row (place in the order, from 0); identified; q5, q25, q50, q75,
        q95 (log pCi/L); counties (how many the study has); ordered_by (label of
        the model whose median intercepts order the counties).
    """
    reference = order_by(fits)
    levels = np.median(reference.effects()["alpha"].values, axis=0)
    bands = 2 if len(fits) <= SIDE_BY_SIDE else (len(fits) + 1) // 2
    shown = spread_out(np.argsort(levels, kind="stable"), max(LEAST, min(MOST, LINES // bands)))
    rows = pd.concat([_quantiles(fit, shown) for fit in fits], ignore_index=True)
    return rows.assign(
        label=by_model(rows["label"], fits),
        parameter=pd.Categorical(rows["parameter"], PARAMETERS.values(), ordered=True),
        counties=len(levels),
        ordered_by=reference.label,
    )


def order_by(fits: Sequence[Fit]) -> Fit:
    """The fit whose intercepts order the counties, if possible partially pooled and converged."""
    return max(fits, key=lambda fit: ("sigma_alpha" in fit.tree["posterior"], fit.converged))


def _quantiles(fit: Fit, shown: np.ndarray) -> pd.DataFrame:
    counties = fit.counties.iloc[shown]
    identified = {"alpha": counties["intercept_identified"], "beta": counties["slope_identified"]}
    effects = fit.effects().isel(county=shown)
    quantiles = {
        name: np.quantile(effects[name].values, [*QUANTILES.values()], axis=0)
        for name in PARAMETERS
    }
    parts = [
        pd.DataFrame(
            {
                "study": fit.study,
                "model": fit.model,
                "label": fit.label,
                "parameter": said,
                "county_fips": counties["county_fips"].to_numpy(),
                "county": fit.county_labels.loc[counties["county_fips"]].to_numpy(),
                "row": np.arange(len(shown)),
                "identified": identified[name].to_numpy(),
            }
            | dict(zip(QUANTILES, quantiles[name], strict=True))
        )
        for name, said in PARAMETERS.items()
    ]
    return pd.concat(parts)


def _clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame within the range of most identified intervals, and which dots were beyond."""
    known = frame[frame["identified"]]
    ranges = {
        name: reach(known.loc[known["parameter"] == name, ["q5", "q95"]].to_numpy(), 0.03)
        for name in frame["parameter"].cat.categories
    }
    low, high = np.array([ranges[name] for name in frame["parameter"]]).T
    inside = {name: frame[name].clip(low, high) for name in QUANTILES}
    return frame.assign(low=low, high=high, place=side(frame["q50"], low, high), **inside)


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per parameter and model, on one scale per parameter."""
    panel, columns = arrange(frame["parameter"], frame["label"])
    rows = _clipped(frame).assign(panel=panel)
    rows["fill"] = np.where(rows["identified"], rows["model"], "")
    bands = -(-panel.cat.categories.size // columns)
    return (
        ggplot(rows, aes(y="row", color="model", alpha="identified"))
        + geom_blank(aes(x="low"))
        + geom_blank(aes(x="high"))
        + geom_segment(aes(x="q5", xend="q95", yend="row"), size=0.4)
        + geom_segment(aes(x="q25", xend="q75", yend="row"), size=1.1)
        + geom_point(aes(x="q50", fill="fill", shape="place"), alpha=1, size=1.4, stroke=0.4)
        + facet_wrap("panel", ncol=columns, scales="free_x")
        + _scales(rows)
        + labs(
            x="log pCi/L",
            y="",
            title=f"County intercepts and slopes under {subject(rows['label'])}",
            caption=_about(rows),
        )
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, bands * (INCHES_A_LINE * rows["row"].nunique() + 0.9) + 1.2),
            axis_text_y=element_text(size=8),
        )
    )


def _scales(rows: pd.DataFrame) -> list[scale]:
    names = rows.drop_duplicates("row")
    colours = model_colours(rows["model"])
    return [
        scale_x_continuous(expand=(0.03, 0)),
        scale_y_continuous(
            breaks=list(names["row"]),
            labels=list(names["county"]),
            minor_breaks=[],  # each tick takes its time
            expand=(0, 0.8),
        ),
        scale_color_manual(colours, guide=None),
        scale_fill_manual(colours | {"": "white"}, guide=None),
        scale_alpha_manual({True: 1.0, False: 0.35}, guide=None),
        scale_shape_manual(MARKERS_X, guide=None),
    ]


def _about(rows: pd.DataFrame) -> str:
    shown, counties = rows["row"].nunique(), rows["counties"].iloc[0]
    order = "in order" if shown == counties else "evenly spaced in the order"
    return caption(
        f"""Study {rows["study"].iloc[0]}; {shown} of {counties} counties, {order} of their
        intercept under {rows["ordered_by"].iloc[0]}. Dot: posterior median; thick line: central
        50%; thin line: central 90%. Hollow and pale: not identified by the county's own houses (an
        intercept without a basement house, a slope without houses on one of the floors). Clipped at
        the panel edge; triangles mark medians outside.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
