"""County means: observed, and predicted by each model.

One dot per county, larger with more houses. The horizontal axis is the mean of the
county's houses, the vertical axis the mean that the model predicts for the same houses,
with a line over the central 90%. Complete pooling predicts nearly the same mean for every
county. No pooling reproduces each observed mean, however few the houses. Partial pooling
keeps counties with many houses near the diagonal and pulls those with few towards the
overall mean. Where whole counties were left out, a second panel of each model shows its
predictions of counties that it has not seen: a model that reproduces each county's own
houses cannot predict these.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    coord_cartesian,
    element_text,
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

from pooling.figures._drawing import draw
from pooling.figures._panels import (
    MARKERS_Y,
    by_model,
    caption,
    reach,
    side,
    size_breaks,
    spread_out,
    strip,
)
from pooling.figures._theme import DATA, MUTED, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "checks"
ORDER = 5
NEEDS = ("loo.csv", "left_out.csv")

DOTS = 400  # a panel
SEEN, UNSEEN = "houses seen", "county left out"
COLUMNS = 4
MARGIN = 0.05  # of the range, on every side
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Observed and predicted means of the counties with houses.

    Returns
    -------
    DataFrame
        One row per model, kind of prediction and county. Columns: study; model;
        label; seen ("houses seen", "county left out": the latter only if some
        model was scored without each county); county_fips; county; houses;
        observed (mean of its houses); predicted, q5, q95 (posterior mean and
        quantiles of the mean of alpha + beta * floor over the same houses; all
        missing where a model has no scores, the quantiles wherever the county
        was left out); all log pCi/L.
    """
    parts = [_compared(fit) for fit in fits]
    unseen = [_unseen(fit, part) for fit, part in zip(fits, parts, strict=True)]
    if any(part["predicted"].notna().any() for part in unseen):
        parts += unseen
    rows = pd.concat(parts, ignore_index=True)
    kinds = [kind for kind in (SEEN, UNSEEN) if (rows["seen"] == kind).any()]
    return rows.assign(
        label=by_model(rows["label"], fits), seen=pd.Categorical(rows["seen"], kinds, ordered=True)
    )


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
            "seen": SEEN,
            "county_fips": counties["county_fips"].to_numpy(),
            "county": fit.county_labels.loc[counties["county_fips"]].to_numpy(),
            "houses": counties["houses"].to_numpy(),
            "observed": observed.loc[counties["county_fips"]].to_numpy(),
            "predicted": means.mean(axis=0),
            "q5": low,
            "q95": high,
        }
    )


def _unseen(fit: Fit, seen: pd.DataFrame) -> pd.DataFrame:
    """The same rows as predicted by the refits without the county."""
    predicted = pd.Series(np.nan, seen["county_fips"])
    if "loco" in fit.left_out:
        # A county has a mean only if each of its houses has one.
        means = fit.left_out["loco"]["mean"].to_numpy()
        by_county = pd.Series(means).groupby(fit.houses["county_fips"].to_numpy())
        predicted = by_county.agg(lambda values: values.mean(skipna=False))
    values = predicted.loc[seen["county_fips"]].to_numpy()
    return seen.assign(seen=UNSEEN, predicted=values, q5=np.nan, q95=np.nan)


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model and kind of prediction, all on one scale, the same on both axes."""
    low, high = reach(frame["observed"], 0.0)
    frame = frame.assign(panel=_panels(frame))
    rows = _shown(frame).assign(place=lambda t: side(t["predicted"], low, high))
    rows[["predicted", "q5", "q95"]] = rows[["predicted", "q5", "q95"]].clip(low, high)
    columns, size = _layout(frame)
    ends = (low - MARGIN * (high - low), high + MARGIN * (high - low))
    return (
        ggplot(rows.dropna(subset=["predicted"]), aes("observed", "predicted", color="model"))
        + geom_abline(intercept=0, slope=1, color=MUTED, linetype="dashed", size=0.5)
        + geom_linerange(
            aes(ymin="q5", ymax="q95"), rows.dropna(subset=["q5"]), size=0.4, alpha=0.3
        )
        + geom_point(aes(size="houses", shape="place"), alpha=0.6, stroke=0)
        + geom_text(
            aes(label="said"),
            remarks(frame).assign(observed=low, predicted=high),
            **{"ha": "left", "va": "top", "size": 7.5, "color": DATA},
        )
        + facet_wrap("panel", ncol=columns)
        + coord_cartesian(xlim=ends, ylim=ends, expand=False)
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_size(range=(0.8, 5), breaks=size_breaks(rows["houses"]))
        + scale_shape_manual(MARKERS_Y, guide=None)
        + labs(
            x="observed mean of the county's houses, log pCi/L",
            y="mean under the model, log pCi/L",
            size="houses",
            title="County means, observed and under each model",
            caption=_about(frame, rows, size[0]),
        )
        + theme_pooling()
        + theme(
            figure_size=size,
            strip_text=element_text(size=9),
            plot_title_position="plot",
            plot_caption_position="plot",
        )
    )


def _panels(frame: pd.DataFrame) -> pd.Series:
    """Panel of each row: a row of models for each kind of prediction."""
    labels, kinds = frame["label"].cat.categories, frame["seen"].cat.categories
    said = {kind: f"\n{kind}" if len(kinds) > 1 else "" for kind in kinds}
    order = [strip(label) + said[kind] for kind in kinds for label in labels]
    named = frame["label"].astype(str).map(strip) + frame["seen"].astype(str).map(said)
    return pd.Series(pd.Categorical(named, order, ordered=True), frame.index)


def _layout(frame: pd.DataFrame) -> tuple[int, tuple[float, float]]:
    """Number of columns and figure size (inches), with panels that are about square."""
    paired = frame["seen"].cat.categories.size > 1
    panels = frame["panel"].cat.categories.size
    columns = min(COLUMNS, frame["label"].cat.categories.size)
    wide = INCHES_WIDE if columns > 2 else 3.6 * columns + 0.8
    strips = 0.45 if paired else 0.2
    return columns, (wide, -(-panels // columns) * (wide / columns + strips) + 1.7)


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Text in the upper left corner of each panel: how far counties are from the diagonal.

    Columns: panel, gap (root mean square over counties of observed minus
    predicted, log pCi/L; missing if the model has no scores), model, said.
    """
    squares = (frame["observed"] - frame["predicted"]) ** 2
    gaps = squares.groupby(frame["panel"], observed=True).mean() ** 0.5
    table = gaps.rename("gap").reset_index()
    models = frame.drop_duplicates("panel")[["panel", "model"]]
    said = ["no scores" if np.isnan(gap) else f"rms gap {gap:.2f}" for gap in table["gap"]]
    return table.merge(models, on="panel").assign(said=said)


def _shown(rows: pd.DataFrame) -> pd.DataFrame:
    """A subset of counties of all sizes where there are too many to distinguish."""
    counties = rows.drop_duplicates("county_fips").sort_values(["houses", "county_fips"])
    return rows[rows["county_fips"].isin(spread_out(counties["county_fips"], DOTS))].copy()


def _about(frame: pd.DataFrame, rows: pd.DataFrame, inches: float) -> str:
    counties, shown = (table["county_fips"].nunique() for table in (frame, rows))
    some = f" of {counties}" if shown < counties else ""
    unseen = ""
    if UNSEEN in frame["seen"].cat.categories:
        unseen = """ County left out: predicted by a fit without any of the county's houses, from
        what the model learns from other counties."""
    return caption(
        f"""Study {frame["study"].iloc[0]}; {shown}{some} counties with houses; predictions are for
        the same houses, on their own floors. Dot: posterior mean; line: central 90%. On the dashed
        line a model reproduces what it has seen, which is no sign of a good model.{unseen} rms gap:
        root mean square over counties of observed minus predicted. Clipped at the panel edge;
        triangles mark means outside.""",
        inches,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
