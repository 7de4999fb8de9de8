"""Estimates and intervals of counties by number of houses.

One point per county with its 90% interval, against its number of houses on a logarithmic
axis; intercepts above, slopes below, one column per model. Without pooling, counties with few
houses have wide intervals and the most extreme estimates. With partial pooling they are
close to the population mean, and no county stands out merely because it has few houses.
After Gelman and Hill (2007), figure 12.1.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_text,
    facet_wrap,
    geom_blank,
    geom_hline,
    geom_linerange,
    geom_point,
    ggplot,
    labs,
    scale_alpha_manual,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    scale_x_log10,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_Y, arrange, caption, reach, side
from pooling.figures._theme import MUTED, label_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.programs.order import story_order

KIND = "story"
CHAPTER = "shrinkage"
ORDER = 2

QUANTITIES = {"alpha": "intercept", "beta": "slope"}
NONE = 0.5  # position of counties without a house on the log axis


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Estimates of each county under each model.

    Columns: study, model, label, quantity ("intercept" or "slope"), county,
    houses, x (houses, jittered alike in all panels),
    identified (by the county's own houses), mean, q5, q95 (of the posterior,
    log pCi/L), centre (median of the means of the model's identified counties),
    low, high (range of the quantity's panels).
    """
    fits = sorted(fits, key=lambda fit: story_order(fit.model))
    table = pd.concat(
        [_estimates(fit, name) for fit in fits for name in QUANTITIES], ignore_index=True
    )
    labels = [fit.label for fit in fits]
    table["label"] = pd.Categorical(table["label"], labels, ordered=True)
    table["quantity"] = pd.Categorical(table["quantity"], QUANTITIES.values(), ordered=True)
    table["low"], table["high"] = np.nan, np.nan
    for quantity, rows in table.groupby("quantity", observed=True):
        known = rows[rows["identified"]] if rows["identified"].any() else rows
        limits = reach(known[["q5", "q95"]], trim=0.02)
        table.loc[table["quantity"] == quantity, ["low", "high"]] = limits
    return table


def _estimates(fit: Fit, name: str) -> pd.DataFrame:
    draws = fit.effects()[name].values
    low, high = np.quantile(draws, [0.05, 0.95], axis=0)
    counties = fit.counties
    shift = np.random.default_rng(1).uniform(0.93, 1.07, len(counties))
    table = pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "quantity": QUANTITIES[name],
            "county": fit.county_labels.to_numpy(),
            "houses": counties["houses"],
            "x": counties["houses"].clip(lower=NONE) * shift,
            "identified": counties[f"{QUANTITIES[name]}_identified"],
            "mean": draws.mean(axis=0),
            "q5": low,
            "q95": high,
        }
    )
    return table.assign(centre=table.loc[table["identified"], "mean"].median())


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per quantity and model."""
    frame = frame.copy()
    frame["panel"], columns = arrange(frame["quantity"], frame["label"])
    frame["where"] = side(frame["mean"], frame["low"], frame["high"])
    for name in ("mean", "q5", "q95"):
        frame[name] = frame[name].clip(frame["low"], frame["high"])
    rows = -(-frame["panel"].nunique() // columns)
    size = (10 if columns > 2 else 8, 2.7 * rows + 1.5)
    return (
        ggplot(frame, aes("x", "mean", color="label"))
        + geom_hline(aes(yintercept="centre"), color=MUTED, size=0.5, linetype="dashed")
        + geom_linerange(aes(ymin="q5", ymax="q95", alpha="identified"), size=0.5)
        + _points(frame)
        + geom_blank(aes(y="low"))
        + geom_blank(aes(y="high"))
        + facet_wrap("panel", ncol=columns, scales="free_y")
        + scale_x_log10(breaks=_breaks(frame), labels=lambda at: [f"{int(x + 0.01):,}" for x in at])
        + scale_alpha_manual(values={True: 0.6, False: 0.2}, guide=None)
        + scale_color_manual(values=label_colours(frame), guide=None)
        + scale_fill_manual(values=label_colours(frame), guide=None)
        + scale_shape_manual(values=MARKERS_Y, guide=None)
        + labs(
            title="Estimates of counties by number of houses",
            x="houses in the county (log axis)",
            y="posterior mean and 90% interval (log pCi/L)",
            caption=_caption(frame, size[0]),
        )
        + theme_pooling()
        + theme(figure_size=size, strip_text=element_text(size=8))
    )


def _points(frame: pd.DataFrame) -> list[geom_point]:
    known, unknown = frame[frame["identified"]], frame[~frame["identified"]]
    return [
        geom_point(aes(shape="where", fill="label"), data=known, size=1.4),
        geom_point(aes(shape="where"), data=unknown, fill="white", size=1.4, alpha=0.7),
    ]


def _breaks(frame: pd.DataFrame) -> list[float]:
    most = frame["houses"].max()
    ticks = [float(tick) for power in range(7) for tick in (10**power, 3 * 10**power)]
    empty = [NONE] if (frame["houses"] == 0).any() else []
    return empty + [tick for tick in ticks if tick <= most]


def _caption(frame: pd.DataFrame, inches: float) -> str:
    text = (
        f"Study {frame['study'].iloc[0]}. One point per county, jittered horizontally; "
        "dashed line: median of the model's counties."
    )
    if not frame["identified"].all():
        text += (
            " Hollow and faint: not identified by the county's own houses (an intercept without a "
            "basement house, a slope without houses on one of the floors), not in the median."
        )
    if (frame["where"] != "inside").any():
        text += " Clipped at the panel edge; triangles mark estimates outside."
    return caption(text, inches)


if __name__ == "__main__":
    draw(__doc__, frame, plot)
