"""Posterior predictive check: means and standard deviations of counties.

One dot per county. The horizontal axis is the observed statistic of its houses, the vertical
axis the median of the same statistic in data sets replicated from the posterior, with a line
over their central 90%. On the diagonal the two agree. Counties are pale if the observed
value is inside their line and strong if it is outside; if the model is right, fewer than
one county in ten is strong, because the model was fitted to the same houses.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    facet_wrap,
    geom_abline,
    geom_blank,
    geom_linerange,
    geom_point,
    geom_text,
    ggplot,
    labs,
    scale_alpha_manual,
    scale_color_manual,
    scale_shape_manual,
    scale_y_continuous,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, arrange, by_model, caption, reach, side, spread_out
from pooling.figures._theme import DATA, MUTED, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "checks"
ORDER = 3
NEEDS = ("replications.nc",)

REPLICATIONS = 1000
STATISTICS = {"mean": "mean", "std": "standard deviation"}
DOTS = 400  # a panel
INCHES_WIDE = 10
REMARK = {"ha": "left", "va": "bottom", "size": 8, "color": DATA, "alpha": 1}


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Observed and replicated county statistics.

    Returns
    -------
    DataFrame
        One row per model, statistic and county that has it: a mean needs a house,
        a standard deviation (denominator houses - 1) two. Columns: study;
        model; label; statistic; county_fips; county; houses; observed, q5, q50,
        q95 (log pCi/L); outside (observed is below q5 or above q95).
    """
    rows = pd.concat([_compared(fit, name) for fit in fits for name in STATISTICS])
    return rows.assign(
        label=by_model(rows["label"], fits),
        statistic=pd.Categorical(rows["statistic"], STATISTICS.values(), ordered=True),
    ).reset_index(drop=True)


def _compared(fit: Fit, name: str) -> pd.DataFrame:
    houses = fit.houses
    replicated = fit.replications("posterior_predictive", REPLICATIONS)
    data = np.vstack([houses["log_radon"].to_numpy(), replicated.astype(float)])
    values = pd.DataFrame(data.T).groupby(houses["county_fips"]).agg(name).dropna()
    low, middle, high = np.quantile(values.iloc[:, 1:], [0.05, 0.5, 0.95], axis=1)
    observed = values[0].to_numpy()
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "statistic": STATISTICS[name],
            "county_fips": values.index,
            "county": fit.county_labels.loc[values.index].to_numpy(),
            "houses": houses["county_fips"].value_counts().loc[values.index].to_numpy(),
            "observed": observed,
            "q5": low,
            "q50": middle,
            "q95": high,
            "outside": (observed < low) | (observed > high),
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per statistic and model, on one scale per statistic."""
    panel, columns = arrange(frame["statistic"], frame["label"])
    rows = _clipped(frame).assign(panel=panel)
    bands = -(-panel.cat.categories.size // columns)
    return (
        ggplot(_shown(rows), aes("observed", "q50", color="model", alpha="outside"))
        + geom_abline(intercept=0, slope=1, color=MUTED, linetype="dashed", size=0.5)
        + geom_blank(aes(y="low"))
        + geom_blank(aes(y="high"))
        + geom_linerange(aes(ymin="q5", ymax="q95"), size=0.5)
        + geom_point(aes(shape="place"), size=1.5, stroke=0)
        + geom_text(aes(x="left", y="high", label="said"), remarks(rows), **REMARK)
        + facet_wrap("panel", ncol=columns, scales="free")
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_alpha_manual({True: 1.0, False: 0.35}, guide=None)
        + scale_y_continuous(expand=(0.05, 0, 0.12, 0))
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="observed (log pCi/L)",
            y="replicated (log pCi/L)",
            title="Means and standard deviations of counties, observed and replicated",
            caption=_about(rows),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 2.9 * bands + 1.4))
    )


def _clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame within the range of most lines, and which dots were beyond."""
    parts = dict(list(frame.groupby("statistic", observed=True)))
    ranges = {
        name: reach([*rows["q5"], *rows["q95"], *rows["observed"]], 0.01)
        for name, rows in parts.items()
    }
    low, high = np.array([ranges[name] for name in frame["statistic"]]).T
    inside = {name: frame[name].clip(low, high) for name in ("q5", "q50", "q95")}
    return frame.assign(low=low, high=high, place=side(frame["q50"], low, high), **inside)


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    """A subset of counties of all sizes where there are too many to distinguish."""
    counties = rows.drop_duplicates("county_fips").sort_values(["houses", "county_fips"])
    return rows[rows["county_fips"].isin(spread_out(counties["county_fips"], DOTS))]


def remarks(rows: pd.DataFrame) -> pd.DataFrame:
    """Text in the upper left corner of each panel: how many counties are outside."""
    panels = rows.groupby("panel", observed=True).agg(
        out=("outside", "sum"),
        all=("outside", "size"),
        left=("observed", "min"),
        high=("high", "first"),
    )
    said = [f"{out} of {of} outside" for out, of in zip(panels["out"], panels["all"], strict=True)]
    return panels.assign(said=said).reset_index()


def _about(rows: pd.DataFrame) -> str:
    means = rows[rows["statistic"] == STATISTICS["mean"]]
    lone = means.drop_duplicates("county_fips")["houses"].eq(1).sum()
    counties = rows["county_fips"].nunique()
    shown = f"; dots for {DOTS} of {counties} counties" if counties > DOTS else ""
    return caption(
        f"""Study {rows["study"].iloc[0]}{shown}. Line: central 90% of replicated data sets, dot:
        their median; strong where the observed value is outside the line. A county with one house
        ({lone} here) has no standard deviation. Clipped at the panel edge; triangles mark medians
        outside.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
