"""Prior and posterior densities of the population parameters.

One panel per population parameter: the filled curve is the posterior density, the black line
the prior density on the same scale. Where the line is flat and low, the data dominate; where
line and curve are alike, the posterior repeats the prior.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_blank,
    element_text,
    facet_wrap,
    geom_line,
    geom_ribbon,
    ggplot,
    labs,
    scale_color_manual,
    scale_fill_manual,
    scale_y_continuous,
)

from pooling.build.errors import NothingToShow
from pooling.figures._densities import bandwidth, smooth
from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, even_grid, meanings, strip, subject
from pooling.figures._theme import DATA, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "model"
CHAPTER = "estimates"
ORDER = 1

FIRST = (
    *("mu_alpha", "mu_beta", "gamma_alpha", "gamma_beta", "delta_alpha"),
    *("sigma_alpha", "sigma_beta", "sigma"),
)
POINTS = 150
TRIM = 0.001  # of a model's draws, at either end of the axis
COLUMNS = 4
HEIGHT = 0.9  # of the highest curve, in rows
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Densities of the scalar parameters.

    Returns
    -------
    DataFrame
        One row per model, parameter and point. Columns: study; model; label;
        parameter; value (in the parameter's unit); prior, posterior (densities
        per that unit).

    Raises
    ------
    NothingToShow
        No model has such a parameter.
    """
    draws = {fit.model: (fit.population("prior"), fit.population()) for fit in fits}
    names = {name for _, posterior in draws.values() for name in posterior}
    order = [*(name for name in FIRST if name in names), *sorted(names - set(FIRST))]
    if not order:
        raise NothingToShow("no model has a population parameter, so there is no prior to compare")
    parts = []
    for name in order:
        having = [fit for fit in fits if name in draws[fit.model][1]]
        points = _points([draws[fit.model][1][name] for fit in having])
        parts += [_densities(fit, name, points, *draws[fit.model]) for fit in having]
    rows = pd.concat(parts, ignore_index=True)
    return rows.assign(
        label=by_model(rows["label"], fits).cat.remove_unused_categories(),
        parameter=pd.Categorical(rows["parameter"], order, ordered=True),
    )


def _points(draws: Sequence[np.ndarray]) -> np.ndarray:
    """Points of the axis: the range of nearly all posterior draws of all models, widened."""
    ends = np.quantile(np.concatenate(draws), [TRIM, 1 - TRIM])
    margin = 0.05 * np.ptp(ends) or 0.5
    lowest = 0.0 if all((values > 0).all() for values in draws) else -np.inf
    return np.linspace(max(ends[0] - margin, lowest), ends[1] + margin, POINTS)


def _densities(
    fit: Fit, name: str, points: np.ndarray, prior: dict, posterior: dict
) -> pd.DataFrame:
    positive = bool((prior[name] > 0).all() and (posterior[name] > 0).all())
    return pd.DataFrame(
        {
            "study": fit.study,
            "model": fit.model,
            "label": fit.label,
            "parameter": name,
            "value": points,
            "prior": density(prior[name], points, positive),
            "posterior": density(posterior[name], points, positive),
        }
    )


def density(draws: np.ndarray, points: np.ndarray, positive: bool) -> np.ndarray:
    """Kernel density of draws (sample,) at `points` (point,).

    If they are positive the curve is folded at 0, so that it does not fall off
    towards 0 where the density does not.
    """
    width = bandwidth(draws)
    curve = smooth(draws[None, :], points, width)[0]
    return curve + smooth(-draws[None, :], points, width)[0] if positive else curve


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per parameter, one row per model, the same rows in all panels."""
    labels = list(frame["label"].cat.categories)
    row = len(labels) - 1.0 - frame["label"].cat.codes
    highest = frame.groupby("parameter", observed=True)["posterior"].transform("max")
    scale = HEIGHT / highest
    rows = frame.assign(
        row=row,
        top=row + frame["posterior"] * scale,
        # Outside its own row a line would be taken for another model's.
        line=row + (frame["prior"] * scale).clip(upper=HEIGHT),
    )
    panels = frame["parameter"].cat.categories.size
    columns, bands = even_grid(panels, COLUMNS)
    one = len(labels) == 1
    colours = model_colours(rows["model"])
    return (
        ggplot(rows, aes("value", group="label"))
        + geom_ribbon(aes(ymin="row", ymax="top", fill="model"), alpha=0.55)
        + geom_line(aes(y="top", color="model"), size=0.4)
        + geom_line(aes(y="line"), color=DATA, size=0.6)
        + facet_wrap("parameter", ncol=columns, scales="free_x")
        + scale_fill_manual(colours, guide=None)
        + scale_color_manual(colours, guide=None)
        + scale_y_continuous(
            breaks=[place + HEIGHT / 2 for place in range(len(labels))],
            labels=[strip(label) for label in labels[::-1]],
            limits=(0, len(labels)),
            expand=(0.01, 0.05),
        )
        + labs(
            x="value of the parameter",
            y="",
            title=f"Prior and posterior of population parameters under {subject(frame['label'])}",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, bands * (max(0.42 * len(labels), 1.2) + 0.9) + 1.5),
            axis_text_y=element_blank() if one else element_text(size=8),
        )
    )


def _about(frame: pd.DataFrame) -> str:
    return caption(
        f"""Study {frame["study"].iloc[0]}. Filled: posterior density; black line: prior density on
        the same scale, clipped at the top of the row. Models that have the parameter by county
        are not shown. {meanings(frame["parameter"].cat.categories)}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
