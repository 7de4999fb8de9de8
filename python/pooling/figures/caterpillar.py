"""Basement level and floor effect of counties, with their uncertainty.

One line per county, in order of the basement level: a dot at the posterior median, a
thick line over the central 50% and a thin one over the central 90%. Hollow dots and
pale lines are estimates that the county's own houses do not identify: a level without
a basement house, a floor effect without houses on both floors. The table of counties
has them all.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_blank,
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
    theme,
)
from plotnine.scales.scale import scale

from pooling.figures._drawing import draw
from pooling.figures._panels import (
    BESIDE,
    MARKERS_X,
    arrange,
    by_model,
    caption,
    reach,
    side,
    spread_out,
    subject,
)
from pooling.figures._theme import model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "estimates"
ORDER = 2

PARAMETERS = {"alpha": "basement level", "beta": "floor effect"}
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
        model; label; parameter ("basement level", "floor effect"); county_fips;
        county; row (place in the order, from 0); identified; q5, q25, q50, q75,
        q95 (log pCi/L); counties (how many the study has); ordered_by (label of
        the model whose median levels order the counties).
    """
    reference = order_by(fits)
    levels = np.median(reference.effects()["alpha"].values, axis=0)
    bands = 2 if len(fits) <= BESIDE else (len(fits) + 1) // 2
    shown = spread_out(np.argsort(levels, kind="stable"), max(LEAST, min(MOST, LINES // bands)))
    rows = pd.concat([_quantiles(fit, shown) for fit in fits], ignore_index=True)
    return rows.assign(
        label=by_model(rows["label"], fits),
        parameter=pd.Categorical(rows["parameter"], PARAMETERS.values(), ordered=True),
        counties=len(levels),
        ordered_by=reference.label,
    )


def order_by(fits: Sequence[Fit]) -> Fit:
    """The fit whose levels order the counties: partially pooled and converged, if there is one."""
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
    """One panel per parameter and model, on one scale a parameter."""
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
            title=f"County effects under {subject(rows['label'])}",
            caption=_about(rows),
        )
        + theme_pooling()
        + theme(
            figure_size=(INCHES_WIDE, bands * (INCHES_A_LINE * rows["row"].nunique() + 0.9) + 1.2),
            plot_title_position="plot",
            plot_caption_position="plot",
            axis_text_y=element_text(size=8),
            axis_ticks_major_y=element_blank(),
            panel_grid_major_y=element_blank(),
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
        f"""Study {rows["study"].iloc[0]}; {shown} of {counties} counties, {order} of their level
        under {rows["ordered_by"].iloc[0]}. Dot: posterior median; thick line: central 50%; thin
        line: central 90%. Hollow and pale: not identified by the county's own houses (a level
        without a basement house, a floor effect without houses on both floors). Lines end at the
        panel's edge where they go on beyond it, triangles are dots beyond it.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
