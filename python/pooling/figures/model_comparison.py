"""Out-of-sample prediction: differences in expected log predictive density.

One panel per way of leaving houses out, one row per model. The dot is the sum over houses
of the log density that the model gives each house when it is left out, minus the same sum
for the best model, which is at 0; the thick line spans one standard error of the
difference to either side, the thin one two. Differences of a few units, or of less than
two standard errors, do not distinguish models. A house that is left out while its
neighbours stay is predicted from them; a house that is left out with its whole county
shows what a model can say about a county that nobody has measured.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.ticker import MaxNLocator
from plotnine import (
    aes,
    facet_wrap,
    geom_blank,
    geom_point,
    geom_segment,
    geom_text,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_fill_manual,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_discrete,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import MARKERS_X, SCHEME_TITLES, caption, side, strip
from pooling.figures._theme import DATA, MUTED, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures
from pooling.scoring.comparison import comparison

KIND = "library"
CHAPTER = "scores"
ORDER = 1
NEEDS = ("loo.csv", "left_out.csv")

INCHES_WIDE = 10
SAID = 0.5  # room for the numbers, as a share of the width of the lines
FARTHEST = 6  # times the median difference; a model further behind is drawn at the edge
COLUMNS = ["study", "model", "label", "score", "elpd", "difference", "se", "houses", "missing"]


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Differences of elpd as `pooling.scoring.comparison` has them, and models without a score.

    Returns
    -------
    DataFrame
        One row per score that two models have and model, from best to worst by the first score.
        Columns: study; model; label; score (what was left out); elpd; difference (from the best
        model that passed its diagnostics); se (of the difference); houses (that both models
        score); missing (houses that either does not). Log densities are those of
        log pCi/L. A model without a score has nothing in elpd, difference and se.

    Raises
    ------
    NothingToShow
        No two models were left without houses, of which one passed its diagnostics.
    """
    rows = comparison(fits).rename(columns={"elpd_difference": "difference", "n": "houses"})
    parts = [_with_all(fits, part) for _, part in rows.groupby("scheme") if len(part) > 1]
    if not parts:
        raise NothingToShow(
            "a comparison needs two models with left-out houses, one of them converged; "
            "set scores.pointwise = true in the study and have two models"
        )
    rows = pd.concat(parts, ignore_index=True)
    known = [name for name in SCHEME_TITLES.values() if (rows["score"] == name).any()]
    first = rows[rows["score"] == known[0]].sort_values("elpd", ascending=False, kind="stable")
    return rows.assign(
        label=pd.Categorical(rows["label"], first["label"], ordered=True),
        score=pd.Categorical(rows["score"], known, ordered=True),
    ).sort_values(["score", "label"], ignore_index=True)[COLUMNS]


def _with_all(fits: Sequence[Fit], part: pd.DataFrame) -> pd.DataFrame:
    """Rows of every fit under one scheme, also of those without a score."""
    scheme = part["scheme"].iloc[0]
    every = max(len(fit.left_out[scheme]) for fit in fits if scheme in fit.left_out)
    rows = part.set_index("model").reindex([fit.model for fit in fits]).reset_index()
    houses = rows["houses"].fillna(0).astype(int)
    return rows.assign(
        study=fits[0].study,
        label=[fit.label for fit in fits],
        score=SCHEME_TITLES[scheme],
        houses=houses,
        missing=every - houses,
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One row per model, the best on top; one panel per way to leave houses out."""
    rows = pd.concat([_clipped(panel) for _, panel in frame.groupby("score", observed=True)])
    order = list(frame["label"].cat.categories[::-1])
    panels = frame["score"].cat.categories.size
    columns = min(2, panels)
    known = rows.dropna(subset=["elpd"])
    return (
        ggplot(known, aes(y="label", color="model"))
        + geom_vline(xintercept=0, color=MUTED, linetype="dashed", size=0.5)
        + geom_segment(aes(x="low2", xend="high2", yend="label"), size=0.6)
        + geom_segment(aes(x="low1", xend="high1", yend="label"), size=1.8)
        + geom_point(aes(x="at", shape="place", fill="model"), size=2.4, stroke=0)
        + geom_text(aes(x="right", label="said"), rows, ha="left", size=7.5, color=DATA)
        + geom_blank(aes(x="end"), rows)
        + facet_wrap("score", ncol=columns, scales="free_x")
        + scale_x_continuous(breaks=_ticks, expand=(0.03, 0))
        + scale_y_discrete(limits=order, labels=[strip(label) for label in order])
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + scale_fill_manual(model_colours(rows["model"]), guide=None)
        + scale_shape_manual(MARKERS_X, guide=None)
        + labs(
            x="difference in elpd from the best model (nats)",
            y="",
            title="Out-of-sample prediction of houses",
            caption=_about(frame, rows),
        )
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, -(-panels // columns) * (0.3 * len(order) + 0.6) + 1.8),
        )
    )


def _clipped(panel: pd.DataFrame) -> pd.DataFrame:
    """Ends of lines within the panel, the text to their right, and room for it."""
    size = panel["difference"].abs()
    edge = -FARTHEST * size[size > 0].median() if (size > 0).any() else -1.0
    ends = {
        f"{end}{k}": (panel["difference"] + sign * k * panel["se"]).clip(lower=edge)
        for end, sign in (("low", -1), ("high", 1))
        for k in (1, 2)
    }
    right = max(0.0, np.nanmax(ends["high2"]))
    return panel.assign(
        **ends,
        at=panel["difference"].clip(lower=edge),
        place=side(panel["difference"], edge, np.inf),
        said=[_said(gap, se) for gap, se in zip(panel["difference"], panel["se"], strict=True)],
        right=right,
        end=right + SAID * (right - np.nanmin(ends["low2"])),
    )


def _ticks(limits: tuple[float, float]) -> list[float]:
    """Round numbers up to where lines end."""
    low, end = limits
    right = low + (end - low) / (1 + SAID)
    return [tick for tick in MaxNLocator(4).tick_values(low, right) if low <= tick <= right]


def _said(difference: float, se: float) -> str:
    if np.isnan(difference):
        return "  no score"
    return "  best" if difference == 0 and se == 0 else f"  {difference:.1f} ± {se:.1f}"


def _about(frame: pd.DataFrame, rows: pd.DataFrame) -> str:
    counts = frame.groupby("score", observed=True)["houses"].max()
    over = "; ".join(f"{score}: {houses:,} houses" for score, houses in counts.items())
    lost = frame[(frame["missing"] > 0) & frame["elpd"].notna()]
    without = "; ".join(
        f"{count} of {label} ({score})"
        for count, label, score in zip(lost["missing"], lost["label"], lost["score"], strict=True)
    )
    left = f" Omitted, without a score under the model or the best one: {without}." * bool(without)
    none = " No score: the model failed its diagnostics, or no refit converged." * bool(
        frame["elpd"].isna().any()
    )
    beyond = " Clipped at the panel edge; triangles mark differences outside." * bool(
        (rows["place"] == "below").any()
    )
    return caption(
        f"""Study {frame["study"].iloc[0]}. {over[0].upper() + over[1:]}. Houses and counties are
        left out by PSIS, or by exact densities or refits where PSIS fails; tenths by refits.
        {left}{none} Dot and number: difference in the sum of log densities (of log pCi/L) over
        houses, ± its standard error, which is over counties where whole counties are left out;
        thick line: one standard error, thin line: two.{beyond}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
