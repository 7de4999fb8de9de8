"""Prior predictive distribution: radon under the priors, before any house is observed.

One curve per floor: the activity of houses drawn from the prior predictive distribution, on
a logarithmic axis; each point is the share of the houses in a quarter decade. The
grey band is the range of the observed houses. Percentages in the corners are houses outside
the axis: a prior with most of its houses there carries next to no information about radon.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    annotate,
    facet_wrap,
    geom_line,
    geom_text,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_log10,
    scale_y_continuous,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, percent, spread_out, strip
from pooling.figures._theme import FAINT, FLOORS, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "priors"
ORDER = 1
NEEDS = ("replications.nc",)

NUMBERS = 4_000_000  # read for each model
HOUSES = 100  # of each floor: houses of a floor differ little before there are data
WIDEST = (-2, 6)  # log10 pCi/L; of houses outside only the share is shown
BINS_A_DECADE = 4
FEW, MANY = 2, 3  # panels per row, for up to four models and for more
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Houses drawn from the prior, by activity.

    Returns
    -------
    DataFrame
        One row per model, floor and quarter of a decade. Columns: study; unit;
        model; label; floor; activity (in `unit`, middle of the bin); share, below, above
        (of the floor's houses: in the bin, below all bins, above them);
        observed_low, observed_high (in `unit`); divergences (of sampling the prior).
    """
    observed = fits[0].response.activity(fits[0].houses["log_radon"])
    drawn = {fit.model: _drawn(fit) for fit in fits}
    limits = fits[0].response.from_pci(10.0 ** np.array(WIDEST))
    edges = _edges(observed, [v for floors in drawn.values() for v in floors.values()], limits)
    rows = pd.concat([_shares(fit, drawn[fit.model], edges) for fit in fits], ignore_index=True)
    return rows.assign(
        label=by_model(rows["label"], fits),
        observed_low=max(observed.min(), edges[0]),
        observed_high=observed.max(),
    )


def _drawn(fit: Fit) -> dict[str, np.ndarray]:
    """Activities (study's unit) of evenly spaced houses of each floor that has houses."""
    floor = fit.houses["floor"].to_numpy()
    replicated = fit.replications("prior_predictive", max(1000, NUMBERS // len(floor)))
    return {
        name: fit.response.activity(
            replicated[:, spread_out(np.flatnonzero(floor == code), HOUSES)]
        ).ravel()
        for code, name in enumerate(FLOORS)
        if (floor == code).any()
    }


def _edges(observed: np.ndarray, drawn: Sequence[np.ndarray], widest: np.ndarray) -> np.ndarray:
    """Bins over whole decades that cover most drawn houses, within limits, and all observed."""
    # Clipped first: quantiles cannot be interpolated between infinite activities.
    ends = np.array([np.quantile(np.clip(values, *widest), [0.005, 0.995]) for values in drawn])
    largest = max(observed.max(), widest[0])
    first = int(np.floor(np.log10(min(ends.min(), largest))))
    last = max(int(np.ceil(np.log10(max(ends.max(), largest)))), first + 1)
    return np.logspace(first, last, (last - first) * BINS_A_DECADE + 1)


def _shares(fit: Fit, drawn: dict[str, np.ndarray], edges: np.ndarray) -> pd.DataFrame:
    about = {"study": fit.study, "unit": fit.response.unit_label}
    fixed = about | {"model": fit.model, "label": fit.label}
    divergences = int(fit.tree["sample_stats_prior"]["diverging"].sum())
    parts = [
        pd.DataFrame(
            fixed
            | {
                "floor": floor,
                "activity": np.sqrt(edges[:-1] * edges[1:]),
                "share": np.histogram(values, edges)[0] / values.size,
                "below": (values < edges[0]).mean(),
                "above": (values > edges[-1]).mean(),
            }
        )
        for floor, values in drawn.items()
    ]
    return pd.concat(parts).assign(divergences=divergences)


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per model, one line per floor."""
    models = frame["label"].cat.categories.size
    columns = min(FEW if models <= 4 else MANY, models)
    low, high = frame[["observed_low", "observed_high"]].iloc[0]
    return (
        ggplot(frame, aes("activity", "share", color="floor"))
        + annotate("rect", xmin=low, xmax=high, ymin=0, ymax=np.inf, fill=FAINT, alpha=0.6)
        + geom_line(size=0.9)
        + geom_text(
            aes(label="said", ha="side"), remarks(frame), va="top", size=8, show_legend=False
        )
        + facet_wrap("label", ncol=columns, labeller=strip)
        + scale_x_log10(labels=lambda breaks: [_short(b) for b in breaks])
        + scale_y_continuous(labels=lambda breaks: [f"{b:.3g}" for b in breaks])
        + scale_color_manual(FLOORS)
        + labs(
            x=f"radon ({frame['unit'].iloc[0]}, log axis)",
            y="share of houses per quarter decade",
            title="Prior predictive distribution of radon",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(
            figure_size=(
                INCHES_WIDE,
                (2.7 if columns < MANY else 2.3) * -(-models // columns) + 1.8,
            )
        )
    )


def _short(activity: float) -> str:
    """1000 as 1k, a million as 1M."""
    power, letter = next(p for p in ((6, "M"), (3, "k"), (-99, "")) if activity >= 10.0 ** p[0])
    return f"{activity / 10.0 ** max(power, 0):g}{letter}"


def remarks(frame: pd.DataFrame) -> pd.DataFrame:
    """Shares outside the axis, in the upper corners, one line per floor."""
    panels = frame.drop_duplicates(["label", "floor"]).assign(share=frame["share"].max())
    line = panels["floor"].map({name: "\n" * place for place, name in enumerate(FLOORS)})
    left = "\u25c2 " + panels["below"].map(percent)
    right = panels["above"].map(percent) + " \u25b8"
    low, high = frame["activity"].agg(["min", "max"])
    return pd.concat(
        [
            panels.assign(said=line + left, side="left", activity=low)[panels["below"] > 0],
            panels.assign(said=line + right, side="right", activity=high)[panels["above"] > 0],
        ]
    )


def _about(frame: pd.DataFrame) -> str:
    broken = frame[frame["divergences"] > 0].drop_duplicates("model")
    doubts = " ".join(
        f"Prior draws of {model} have {count:,} divergent transitions: do not trust them."
        for model, count in zip(broken["model"], broken["divergences"], strict=True)
    )
    return caption(
        f"""Study {frame["study"].iloc[0]}; radon of the survey's houses drawn from the prior
        predictive distribution. Grey: range of the observed houses. Percentages: share of drawn
        houses outside the axis. {doubts}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
