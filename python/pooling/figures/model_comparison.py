"""Which model predicts houses best: differences in expected log predictive density.

A row a model: a dot at the sum over houses of the log density that it gives each
house when this is left out, less the same sum of the best model; a thick line
over one standard error of the difference and a thin one over two. The best
model stands at 0. Differences of a few units, or of less than two standard
errors, do not tell models apart.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_blank,
    facet_wrap,
    geom_point,
    geom_segment,
    geom_text,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_continuous,
    scale_y_discrete,
    theme,
)

from pooling.drawing import draw
from pooling.draws import Fit
from pooling.errors import NothingToShow
from pooling.panels import caption, strip
from pooling.study import Figures
from pooling.theme import DATA, MUTED, model_colours, theme_pooling

INCHES_WIDE = 9
HOUSE = "leave one house out"


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Sums of log predictive densities, over the houses that every model has a score for.

    Returns
    -------
    DataFrame
        One row a model, from best to worst. Columns: study; model; label;
        score (what was left out); elpd; difference (to the best model that
        passed the gate, or of all if none did); se (of the difference: square
        root of the houses times the standard deviation of theirs); houses (in
        the sums); missing (houses without a score under this model). Log
        densities are those of log pCi/L.

    Raises
    ------
    NothingToShow
        No two models were left without houses, or no house has a score under all.
    """
    scored = [fit for fit in fits if not fit.loo.empty]
    if len(scored) < 2:
        raise NothingToShow(
            "a comparison needs two models with left-out houses; "
            "set sampler.pointwise = true in the study and have two models"
        )
    elpd = pd.DataFrame({fit.model: fit.loo.set_index("house")["elpd"] for fit in scored})
    common = elpd.dropna()
    if common.empty:
        raise NothingToShow("no house has a leave-one-out score under every model")
    passed = [fit.model for fit in scored if fit.converged] or list(elpd)
    best = common[passed].sum().idxmax()
    gaps = common.sub(common[best], axis=0)
    rows = pd.DataFrame(
        {
            "study": scored[0].study,
            "model": list(elpd),
            "label": [fit.label for fit in scored],
            "score": HOUSE,
            "elpd": common.sum().to_numpy(),
            "difference": gaps.sum().to_numpy(),
            "se": np.sqrt(len(common)) * gaps.std(ddof=1).to_numpy(),
            "houses": len(common),
            "missing": elpd.isna().sum().to_numpy(),
        }
    )
    order = rows.sort_values("elpd", ascending=False, kind="stable", ignore_index=True)
    return order.assign(label=pd.Categorical(order["label"], order["label"], ordered=True))


def plot(frame: pd.DataFrame) -> ggplot:
    """A row a model, the best on top; a panel for each way to leave houses out."""
    rows = frame.assign(
        **{
            f"{end}{k}": frame["difference"] + sign * k * frame["se"]
            for end, sign in (("low", -1), ("high", 1))
            for k in (1, 2)
        }
    )
    rows["said"] = [_said(gap, se) for gap, se in zip(rows["difference"], rows["se"], strict=True)]
    rows["right"] = rows["high2"].max()
    order = list(frame["label"].cat.categories[::-1])
    return (
        ggplot(rows, aes(y="label", color="model"))
        + geom_vline(xintercept=0, color=MUTED, linetype="dashed", size=0.5)
        + geom_segment(aes(x="low2", xend="high2", yend="label"), size=0.6)
        + geom_segment(aes(x="low1", xend="high1", yend="label"), size=1.8)
        + geom_point(aes(x="difference"), size=2.6, stroke=0)
        + geom_text(aes(x="right", label="said"), ha="left", size=8, color=DATA)
        + facet_wrap("score")
        + scale_x_continuous(expand=(0.03, 0, 0.2, 0))
        + scale_y_discrete(limits=order, labels=[strip(label) for label in order])
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + labs(
            x="difference in expected log predictive density to the best model",
            y="",
            title="How well models predict houses that they have not seen",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(
            figure_size=(INCHES_WIDE, 0.38 * len(order) + 2.1),
            plot_title_position="plot",
            plot_caption_position="plot",
            axis_ticks_major_y=element_blank(),
            panel_grid_major_y=element_blank(),
        )
    )


def _said(difference: float, se: float) -> str:
    return "  best" if difference == 0 and se == 0 else f"  {difference:.1f} ± {se:.1f}"


def _about(frame: pd.DataFrame) -> str:
    first = frame.iloc[0]
    lost = frame[frame["missing"] > 0]
    without = "; ".join(
        f"{count} of {label}" for count, label in zip(lost["missing"], lost["label"], strict=True)
    )
    left = f" Left out everywhere, without a score under a model: {without}." if without else ""
    return caption(
        f"""Study {first["study"]}; {first["houses"]:,} houses, left out one by one: PSIS, and exact
        refits where it fails.{left} Dot and number: difference of the sums over houses of the log
        density (of log pCi/L), ± its standard error; thick line: one standard error, thin line:
        two.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
