"""County means: observed, and as each model sees them.

A dot a county, the larger the more houses: across, the mean of its houses; up,
the mean that the model gives the same houses, with a line over the central 90%.
Complete pooling gives all counties nearly the same mean. No pooling puts them on
the diagonal, however few the houses. Partial pooling keeps large counties near
the diagonal and draws small ones towards the others.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    coord_cartesian,
    facet_wrap,
    geom_abline,
    geom_linerange,
    geom_point,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_size,
    theme,
)

from pooling.drawing import draw
from pooling.draws import Fit
from pooling.panels import MARKERS_Y, by_model, caption, reach, side, spread_out, strip
from pooling.study import Figures
from pooling.theme import DATA, MUTED, model_colours, theme_pooling

DOTS = 400  # a panel
COLUMNS = 4
BREAKS = [1, 10, 100]  # houses in the legend
MARGIN = 0.05  # of the range, on every side
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Observed and predicted means of the counties with houses.

    Returns
    -------
    DataFrame
        One row a model and county. Columns: study; model; label; county_fips;
        county; houses; observed (mean of its houses); predicted, q5, q95
        (posterior mean and quantiles of the mean of alpha + beta * floor over
        the same houses); all log pCi/L.
    """
    rows = pd.concat([_compared(fit) for fit in fits], ignore_index=True)
    return rows.assign(label=by_model(rows["label"], fits))


def _compared(fit: Fit) -> pd.DataFrame:
    has = (fit.counties["houses"] > 0).to_numpy()
    counties = fit.counties[has]
    share = (counties["first_floor_houses"] / counties["houses"]).to_numpy()
    effects = fit.effects().isel(county=has)
    means = effects["alpha"].values + effects["beta"].values * share
    low, high = np.quantile(means, [0.05, 0.95], axis=0)
    observed = fit.houses.groupby("county_fips")["log_radon"].mean()
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "county_fips": counties["county_fips"].to_numpy(),
            "county": fit.county_labels.loc[counties["county_fips"]].to_numpy(),
            "houses": counties["houses"].to_numpy(),
            "observed": observed.loc[counties["county_fips"]].to_numpy(),
            "predicted": means.mean(axis=0),
            "q5": low,
            "q95": high,
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """A panel a model, all on one scale, the same across and up."""
    low, high = reach(frame["observed"], 0.0)
    rows = _shown(frame).assign(place=lambda t: side(t["predicted"], low, high))
    rows[["predicted", "q5", "q95"]] = rows[["predicted", "q5", "q95"]].clip(low, high)
    models = frame["label"].cat.categories.size
    columns = min(COLUMNS, models)
    ends = (low - MARGIN * (high - low), high + MARGIN * (high - low))
    return (
        ggplot(rows, aes("observed", "predicted", color="model"))
        + geom_abline(intercept=0, slope=1, color=MUTED, linetype="dashed", size=0.5)
        + geom_linerange(aes(ymin="q5", ymax="q95"), size=0.4, alpha=0.3)
        + geom_point(aes(size="houses", shape="place"), alpha=0.6, stroke=0)
        + geom_text(
            aes(label="said"),
            remarks(frame).assign(observed=low, predicted=high),
            **{"ha": "left", "va": "top", "size": 7.5, "color": DATA},
        )
        + facet_wrap("label", ncol=columns, labeller=strip)
        + coord_cartesian(xlim=ends, ylim=ends, expand=False)
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_size(range=(0.8, 5), breaks=BREAKS)
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="observed mean of the county's houses, log pCi/L",
            y="mean under the model, log pCi/L",
            size="houses",
            title="County means, observed and under each model",
            caption=_about(frame, rows),
        )
        + theme_pooling()
        + theme(
            figure_size=_size(models, columns),
            plot_title_position="plot",
            plot_caption_position="plot",
        )
    )


def _size(models: int, columns: int) -> tuple[float, float]:
    """Panels are about square, and none is wider than a third of the page."""
    wide = INCHES_WIDE if columns > 2 else 3.6 * columns + 0.8
    return wide, -(-models // columns) * (wide / columns + 0.2) + 1.7


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """What each panel says in its upper left corner: how far from the diagonal counties are.

    Columns: label, gap (root mean square over counties of observed minus
    predicted, log pCi/L), said.
    """
    squares = (frame["observed"] - frame["predicted"]) ** 2
    gaps = squares.groupby(frame["label"], observed=True).mean() ** 0.5
    table = gaps.rename("gap").reset_index()
    models = frame.drop_duplicates("label")[["label", "model"]]
    return table.merge(models, on="label").assign(
        said=[f"rms gap {gap:.2f}" for gap in table["gap"]]
    )


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    """Counties of all sizes where there are too many to tell apart."""
    counties = rows.drop_duplicates("county_fips").sort_values(["houses", "county_fips"])
    return rows[rows["county_fips"].isin(spread_out(counties["county_fips"], DOTS))].copy()


def _about(frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    counties, shown = (table["county_fips"].nunique() for table in (frame, rows))
    some = f" of {counties}" if shown < counties else ""
    models = frame["label"].cat.categories.size
    return caption(
        f"""Study {frame["study"].iloc[0]}; {shown}{some} counties with houses, the houses of each
        as they are: on their own floors. Dot: posterior mean; line: central 90%. On the dashed
        line a model repeats what it has seen; that is no sign of a good model. rms gap: root mean
        square over counties of observed minus predicted. Lines end at the panel's edge where they
        go on beyond it, triangles are dots beyond it.""",
        _size(models, min(COLUMNS, models))[0],
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
