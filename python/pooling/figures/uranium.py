"""County intercepts and slopes against the uranium in the soil.

One dot per county. The horizontal axis is the uranium in its soil, in log ppm; the vertical
axis its intercept or slope, with a line over the central 90%. The black line is the model's
prediction from uranium, the band its central 90%. The closer the dots are to the line, the
more of the variation between counties uranium explains.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_blank,
    geom_line,
    geom_linerange,
    geom_point,
    geom_ribbon,
    ggplot,
    labs,
    scale_alpha_manual,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, caption, reach, side, some_of_each
from pooling.figures._soil import (
    EFFECTS,
    SUMMARY,
    estimates,
    line,
    name_panels,
    predicted,
    with_uranium,
)
from pooling.figures._theme import DATA, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "library"
CHAPTER = "shrinkage"
ORDER = 3

POINTS = 60  # of a line
DOTS = 300  # a panel
COLUMNS = 3


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Estimates of counties and the lines of the models.

    Returns
    -------
    DataFrame
        One row per model, effect and county (kind "county") or point of its line
        (kind "line"). Columns: study; model; label; effect (a value of
        `EFFECTS`); panel; kind; county, houses (blank and 0 for a line);
        log_uranium (log ppm); identified; q5, q50, q95 (log pCi/L).

    Raises
    ------
    NothingToShow
        No model has an effect of uranium.
    """
    parts = [
        part.assign(study=fit.study, model=fit.model, label=fit.label, effect=EFFECTS[effect])
        for fit in with_uranium(fits)
        for effect in predicted(fit)
        for part in (estimates(fit, effect).assign(kind="county"), _line(fit, effect))
    ]
    rows = name_panels(pd.concat(parts, ignore_index=True), fits)
    names = ["study", "model", "label", "effect", "panel", "kind", "county", "houses"]
    return rows[[*names, "log_uranium", "identified", *SUMMARY]]


def _line(fit: Fit, effect: str) -> pd.DataFrame:
    at = np.linspace(fit.log_uranium.min(), fit.log_uranium.max(), POINTS)
    quantiles = np.quantile(line(fit, effect, at), [*SUMMARY.values()], axis=0)
    fixed = {"kind": "line", "county": "", "houses": 0, "log_uranium": at, "identified": True}
    return pd.DataFrame(fixed | dict(zip(SUMMARY, quantiles, strict=True)))


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per effect and model, on one scale per effect."""
    rows = _clipped(frame)
    dots, lines = (rows[rows["kind"] == kind] for kind in ("county", "line"))
    dots = dots[some_of_each(dots, "panel", DOTS)]
    dots = dots.assign(fill=np.where(dots["identified"], dots["model"], ""))
    panels = rows["panel"].cat.categories.size
    columns = min(COLUMNS, panels)
    wide = 10 if columns > 1 else 7
    colours = model_colours(rows["model"])
    return (
        ggplot(rows, aes("log_uranium", "q50", color="model"))
        + geom_blank(aes(y="low"))
        + geom_blank(aes(y="high"))
        + geom_ribbon(aes(ymin="q5", ymax="q95", fill="model"), lines, alpha=0.25, color="none")
        + geom_linerange(aes(ymin="q5", ymax="q95", alpha="identified"), dots, size=0.4)
        + geom_line(data=lines, color=DATA, size=0.8)
        + geom_point(aes(fill="fill", shape="place"), dots, size=1.5, stroke=0.4)
        + facet_wrap("panel", ncol=columns, scales="free_y")
        + scale_color_manual(colours, guide=None)
        + scale_fill_manual(colours | {"": "white"}, guide=None)
        + scale_alpha_manual({True: 0.5, False: 0.2}, guide=None)
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="soil uranium of the county (log ppm)",
            y="county effect (log pCi/L)",
            title="County intercepts and slopes against soil uranium",
            caption=_about(rows, dots, wide),
        )
        + theme_pooling()
        + theme(figure_size=(wide, 3.1 * -(-panels // columns) + 1.5))
    )


def _clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame within the range of most intervals of an effect, and which dots were beyond."""
    ranges = {
        name: reach(rows[["q5", "q95"]].to_numpy(), 0.005)
        for name, rows in frame.groupby("effect", observed=True)
    }
    low, high = np.array([ranges[name] for name in frame["effect"]]).T
    inside = {name: frame[name].clip(low, high) for name in SUMMARY}
    return frame.assign(low=low, high=high, place=side(frame["q50"], low, high), **inside)


def _about(rows: pd.DataFrame, dots: pd.DataFrame, wide: float) -> str:
    counties = (rows["kind"] == "county").sum() // rows["panel"].cat.categories.size
    shown = len(dots) // rows["panel"].cat.categories.size
    some = f"; dots for {shown} of {counties} counties" if shown < counties else ""
    return caption(
        f"""Study {rows["study"].iloc[0]}{some}. Dot: posterior median of a county; vertical line:
        central 90%. Hollow: not identified by the county's own houses (an intercept without a
        basement house, a slope without houses on one of the floors). Black line and band: the
        model's prediction from uranium, median and central 90%, at the mean share of first-floor
        houses if the model uses it. Clipped at the panel edge; triangles mark medians outside.""",
        wide,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
