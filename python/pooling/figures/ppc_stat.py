"""Posterior predictive check: summaries of the survey, observed and replicated.

One panel per summary; the dashed line is the observed value. The dot is the median of the
replicated data sets, the thick line their central 50%, the thin one their central 90%.
p is the share of replicated data sets in which the summary is at least the observed value:
near 0 or 1 the model does not reproduce this feature of the data.
"""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
from mizani.breaks import breaks_extended
from plotnine import (
    aes,
    facet_wrap,
    geom_blank,
    geom_label,
    geom_point,
    geom_segment,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_discrete,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_X, by_model, caption, side, strip
from pooling.figures._theme import DATA, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "checks"
ORDER = 2
NEEDS = ("replications.nc",)

REPLICATIONS = 1000
QUANTILES = {"q5": 0.05, "q25": 0.25, "q50": 0.5, "q75": 0.75, "q95": 0.95}
INCHES_WIDE = 10
COLUMNS = 3
REMARK = {"color": DATA, "size": 7.5, "nudge_y": 0.34, "label_size": 0, "label_padding": 0.1}

Statistic = Callable[[np.ndarray], np.ndarray]


def statistics(fit: Fit) -> dict[str, Statistic]:
    """Summaries by name, each from data sets (replication, house) to (replication,).

    NaN where the data have none: a single house or county has no standard deviation.
    """
    county = fit.houses["county_fips"]
    response = fit.response

    def between_counties(y: np.ndarray) -> np.ndarray:
        means = pd.DataFrame(y.T).groupby(county.to_numpy()).mean()
        return means.std(ddof=1).to_numpy()

    def between_houses(y: np.ndarray) -> np.ndarray:
        return y.std(axis=1, ddof=1) if y.shape[1] > 1 else np.full(len(y), np.nan)

    return {
        "mean, log pCi/L": lambda y: y.mean(axis=1),
        "standard deviation, log pCi/L": between_houses,
        "sd of county means, log pCi/L": between_counties,
        "smallest, log pCi/L": lambda y: y.min(axis=1),
        "largest, log pCi/L": lambda y: y.max(axis=1),
        f"share at or above {response.action_label}": lambda y: response.reaches_action_level(
            y
        ).mean(axis=1),
    }


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Observed and replicated summaries.

    Returns
    -------
    DataFrame
        One row per model and statistic that the data have. Columns: study; model;
        label; statistic (with its unit); observed; q5, q25, q50, q75, q95 of
        the replications; p_value (share of replications with at least the
        observed value, ties by half); replications.
    """
    rows = pd.DataFrame([row for fit in fits for row in _summaries(fit)])
    names = [*dict.fromkeys(rows["statistic"])]
    return rows.assign(
        label=by_model(rows["label"], fits),
        statistic=pd.Categorical(rows["statistic"], names, ordered=True),
    )


def _summaries(fit: Fit) -> list[dict]:
    observed = fit.houses["log_radon"].to_numpy()[None, :]
    replicated = fit.replications("posterior_predictive", REPLICATIONS).astype(float)
    rows = []
    for name, statistic in statistics(fit).items():
        (value,), values = statistic(observed), statistic(replicated)
        if np.isnan(value):
            continue
        quantiles = np.quantile(values, list(QUANTILES.values()))
        p_value = (values > value).mean() + (values == value).mean() / 2
        rows.append(
            {"study": fit.study, "model": fit.model, "label": fit.label, "statistic": name}
            | {"observed": value}
            | dict(zip(QUANTILES, quantiles, strict=True))
            | {"p_value": p_value, "replications": len(values)}
        )
    return rows


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per statistic, one row per model."""
    rows = _clipped(frame)
    rows["said"] = [f"p {_probability(p)}" for p in rows["p_value"]]
    order = frame["label"].cat.categories[::-1]
    bands = -(-frame["statistic"].cat.categories.size // COLUMNS)
    return (
        ggplot(rows, aes(y="label", color="model"))
        + geom_vline(aes(xintercept="observed"), color=DATA, linetype="dashed", size=0.6)
        + geom_blank(aes(x="low"))
        + geom_blank(aes(x="high"))
        + geom_segment(aes(x="q5", xend="q95", yend="label"), size=0.6)
        + geom_segment(aes(x="q25", xend="q75", yend="label"), size=1.8)
        + geom_point(aes(x="q50", shape="place"), size=2.4, stroke=0)
        + geom_label(aes(x="q50", label="said"), **REMARK)
        + facet_wrap("statistic", ncol=COLUMNS, scales="free_x")
        + scale_x_continuous(breaks=breaks_extended(4), expand=(0.18, 0))
        + scale_y_discrete(limits=list(order), labels=[strip(label) for label in order])
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_shape_manual(MARKERS_X, guide=None)
        + labs(x="", y="", title="Summaries of the survey, observed and replicated")
        + labs(caption=_about(rows))
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, bands * (0.5 * len(order) + 0.9) + 1.2),
            panel_spacing_x=0.025,  # labels at the ends of neighbouring axes
        )
    )


def _probability(p: float) -> str:
    if p < 0.001 or p > 0.999:
        return "< .001" if p < 0.5 else "> .999"
    return f"= {p:.3f}".replace("0.", ".")


def _clipped(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame within five times the usual line of the observed value."""
    widths = (frame["q95"] - frame["q5"]).replace(0.0, np.nan)
    usual = widths.groupby(frame["statistic"], observed=True).transform("median")
    reach = 5 * usual.fillna(1.0)
    low, high = frame["observed"] - reach, frame["observed"] + reach
    place = side(frame["q50"], low, high)
    inside = {name: frame[name].clip(low, high) for name in QUANTILES}
    clipped = frame.assign(place=place, **inside)
    groups = clipped.groupby("statistic", observed=True)
    return clipped.assign(low=groups["q5"].transform("min"), high=groups["q95"].transform("max"))


def _about(rows: pd.DataFrame) -> str:
    count = rows["replications"].max()
    return caption(
        f"""Study {rows["study"].iloc[0]}. Dashed: observed. Dot: median of {count:,} data sets
        replicated from the posterior; thick line: central 50%; thin line: central 90%. p: share
        of them with at least the observed value. Clipped at the panel edge; triangles mark medians
        outside.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
