"""Population parameters under the study's priors and under others.

One panel per parameter, one row per model that has it: dots are posterior means and lines
90% intervals, under the study's priors and, below them, under each other set of priors.
Where they line up, the data dominate; where they do not, the answer depends on the choice
of priors.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from mizani.breaks import breaks_extended
from plotnine import (
    aes,
    element_text,
    facet_wrap,
    geom_point,
    geom_segment,
    ggplot,
    guide_legend,
    guides,
    labs,
    scale_color_manual,
    scale_shape_manual,
    scale_x_continuous,
    scale_y_continuous,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import TALLEST, by_model, caption, even_grid, meanings, strip
from pooling.figures._theme import DATA, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import OWN_PRIORS, Figures

KIND = "library"
CHAPTER = "priors"
ORDER = 1
NEEDS = ("other_priors.csv",)

COLUMNS = 5
SHAPES = ("o", "D", "s", "^", "v", "P", "X")
FAILED = "x"
BAND = 0.4  # of a row, over which the sets of one model are distributed
INCHES_WIDE = 11


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Means and intervals of the scalar parameters.

    Returns
    -------
    DataFrame
        One row per model, set of priors and parameter. Columns: study; model;
        label; priors (the study's own first); parameter; mean, q5, q95 (in the
        parameter's unit); passed (its diagnostics).

    Raises
    ------
    NothingToShow
        The study has no other priors, or no model a population parameter.
    """
    having = [fit for fit in fits if not fit.other_priors.empty]
    if not having:
        raise NothingToShow(
            "there are no other priors to compare with; add [other_priors.<name>] to the study"
        )
    rows = pd.concat(
        [fit.other_priors.assign(study=fit.study, label=fit.label) for fit in having],
        ignore_index=True,
    )
    sets = [OWN_PRIORS, *(name for name in rows["priors"].unique() if name != OWN_PRIORS)]
    columns = ["study", "model", "label", "priors", "parameter", "mean", "q5", "q95", "passed"]
    return rows[columns].assign(
        label=by_model(rows["label"], having).cat.remove_unused_categories(),
        priors=pd.Categorical(rows["priors"], sets, ordered=True),
        parameter=pd.Categorical(rows["parameter"], rows["parameter"].unique(), ordered=True),
        passed=rows["passed"].astype(bool),
    )


def plot(frame: pd.DataFrame) -> ggplot:
    """One panel per parameter, one row per model, the same rows in all panels."""
    labels, sets = (list(frame[name].cat.categories) for name in ("label", "priors"))
    step = BAND / max(1, len(sets) - 1)
    rows = frame.assign(
        row=len(labels) - frame["label"].cat.codes + BAND / 2 - step * frame["priors"].cat.codes
    )
    colours = model_colours(rows["model"])
    columns, bands = even_grid(frame["parameter"].cat.categories.size, COLUMNS)
    tall = bands * (0.36 * len(labels) + 0.9) + 1.8
    shapes = dict(zip(sets, np.resize(SHAPES, len(sets)), strict=True))
    return (
        ggplot(rows, aes(y="row", color="model"))
        + geom_segment(aes(x="q5", xend="q95", yend="row"), size=0.7)
        + geom_point(aes(x="mean", shape="priors"), size=2.0)
        + geom_point(aes(x="mean"), rows[~rows["passed"]], shape=FAILED, size=3.2, color=DATA)
        + facet_wrap("parameter", ncol=columns, scales="free_x")
        + scale_x_continuous(
            breaks=breaks_extended(n=4),
            labels=lambda breaks: [f"{value:g}" for value in breaks],
            expand=(0.12, 0),
        )
        + scale_color_manual(colours, guide=None)
        + scale_shape_manual(shapes)
        + guides(shape=guide_legend(title="priors"))
        + scale_y_continuous(
            breaks=list(range(1, len(labels) + 1)),
            labels=[strip(label) for label in labels[::-1]],
            limits=(0.5, len(labels) + 0.5),
            expand=(0.01, 0),
        )
        + labs(
            x="value of the parameter",
            y="",
            title="Population parameters under the study's and other priors",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, min(tall, TALLEST * INCHES_WIDE)),
            legend_position="top",
            axis_text_y=element_text(size=8),
        )
    )


def _about(frame: pd.DataFrame) -> str:
    crossed = "" if frame["passed"].all() else " Crossed out: failed the diagnostics."
    return caption(
        f"""Study {frame["study"].iloc[0]}. Dot: posterior mean; line: 90% interval; from top to
        bottom {", ".join(frame["priors"].cat.categories)}.{crossed}
        {meanings(frame["parameter"].cat.categories)}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
