"""LOO-PIT: calibration of the predictions for left-out houses.

The LOO-PIT value of a house is the probability, under a model that has not seen the
house, of less radon than was measured there. Under a calibrated model these values are
uniform from 0 to 1. The line is the share of houses with values up to each probability,
minus that probability; for 95% of calibrated models the whole line stays within the grey
band. A line that rises, falls through the middle and rises again indicates predictive
distributions that are too narrow, the opposite shape ones that are too wide; a line that
is entirely above 0 indicates predictions that are too high, one below 0 too low.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from arviz_stats.ecdf_utils import ecdf_pit
from plotnine import (
    aes,
    facet_wrap,
    geom_hline,
    geom_ribbon,
    geom_step,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_continuous,
    scale_y_continuous,
    theme,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, percent, spread_out, strip
from pooling.figures._theme import DATA, FAINT, MUTED, model_colours, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "scores"
ORDER = 3
NEEDS = ("loo.csv", "left_out.csv")

HOUSES = 2000  # at most, evenly spaced
POINTS = 200  # of a line
COVERAGE, SIMULATIONS = 0.95, 1000
COLUMNS = 4
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Empirical distribution of the LOO-PIT values minus the uniform one.

    Returns
    -------
    DataFrame
        One row per model and point. Columns: study; model; label; pit
        (probability); difference (share of houses with values up to pit, less
        pit); low, high (simultaneous 95% band of the difference, of Säilynoja,
        Bürkner and Vehtari 2022, Statistics and Computing 32:32); outside
        (share of all points of the model's line beyond the band); houses (with
        a value).

    Raises
    ------
    NothingToShow
        No model has two houses that were left out.
    """
    kept = {fit.model: values for fit in fits if len(values := pit_values(fit)) > 1}
    scored = [fit for fit in fits if fit.model in kept]
    if not kept:
        raise NothingToShow(
            "LOO-PIT needs two houses that were left out one at a time; "
            "set scores.pointwise = true in the study"
        )
    bands = {n: band(n) for n in {*map(len, kept.values())}}
    parts = [_line(fit, kept[fit.model], *bands[len(kept[fit.model])]) for fit in scored]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(label=by_model(rows["label"], scored))


def band(houses: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Points inside 0 to 1, and the lower and upper end of the band of uniform values there.

    At 0 and 1 the share of houses is known, and the band has no width: a single house
    with a value of exactly 0 would be outside. arviz-stats 1 returns these two points,
    earlier versions do not.
    """
    points, _, low, high = ecdf_pit(np.zeros(houses), COVERAGE, SIMULATIONS)
    inside = (points > 0) & (points < 1)
    return points[inside], low[inside], high[inside]


def pit_values(fit: Fit) -> np.ndarray:
    """LOO-PIT values (house,) of houses that could be left out, evenly spaced if very many."""
    if "loo" not in fit.left_out:
        return np.empty(0)
    values = fit.left_out["loo"]["pit"].dropna().to_numpy()
    return spread_out(values, HOUSES)


def _line(
    fit: Fit,
    values: np.ndarray,
    points: np.ndarray,
    low: np.ndarray,
    high: np.ndarray,
) -> pd.DataFrame:
    share = np.searchsorted(np.sort(values), points, side="right") / len(values)
    shown = spread_out(range(len(points)), POINTS)
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "pit": points[shown],
            "difference": (share - points)[shown],
            "low": (low - points)[shown],
            "high": (high - points)[shown],
            "outside": ((share < low) | (share > high)).mean(),
            "houses": len(values),
        }
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model."""
    models = frame["label"].cat.categories.size
    columns = min(COLUMNS, models)
    wide = INCHES_WIDE if columns > 2 else 7
    return (
        ggplot(frame, aes("pit"))
        + geom_ribbon(aes(ymin="low", ymax="high"), fill=FAINT, alpha=0.7)
        + geom_hline(yintercept=0, color=MUTED, size=0.4)
        + geom_step(aes(y="difference", color="model"), size=0.8)
        + geom_text(
            aes(y="high", label="said"),
            remarks(frame),
            ha="right",
            va="bottom",
            size=7.5,
            color=DATA,
        )
        + facet_wrap("label", ncol=columns, labeller=strip)
        + scale_x_continuous(breaks=[0, 0.5, 1])
        + scale_y_continuous(expand=(0.05, 0, 0.12, 0))
        + scale_color_manual(model_colours(frame["model"]), guide=None)
        + labs(
            x="LOO-PIT value (probability of less radon than measured)",
            y="share of houses minus uniform",
            title="Calibration of predictions for left-out houses",
            caption=_about(frame, wide),
        )
        + theme_pooling()
        + theme(figure_size=(wide, 2.3 * -(-models // columns) + 1.8))
    )


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Text in the upper right corner of each panel: how much of its line is outside."""
    panels = frame.drop_duplicates("label")
    top = max(frame["high"].max(), frame["difference"].max())
    said = ["inside" if share == 0 else f"{percent(share)} outside" for share in panels["outside"]]
    return panels.assign(pit=1.0, high=top, said=said)


def _about(frame: pd.DataFrame, wide: float) -> str:
    counts = frame["houses"].agg(["min", "max"]).unique()
    outside = " Percentages: share of the line outside the band." * bool(frame["outside"].any())
    return caption(
        f"""Study {frame["study"].iloc[0]}; {" to ".join(f"{n:,}" for n in counts)} houses, left
        out one at a time by Pareto smoothed importance sampling, or by exact densities or refits
        where that fails. Grey: band that contains the whole line for {COVERAGE:.0%} of calibrated
        models if houses are independent.{outside}""",
        wide,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
