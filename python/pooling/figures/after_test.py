"""Expected loss after a test, against its result, in one county.

The county and floor are those where testing is worth most for all houses together. One line is the
expected loss in dollars if nothing is done: the cost to the household of the radon that is then
expected. The other is that of a remedy now. To the right of the dashed line a remedy pays. That
line differs from the action level because the result is not exact and the other houses of the
county say what is likely.
"""

from collections.abc import Sequence

import pandas as pd
from plotnine import (
    aes,
    geom_line,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_x_log10,
    scale_y_continuous,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import caption
from pooling.figures._theme import ACTION_WORDS, ACTIONS, MUTED, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "decisions"
ORDER = 4
TABLES = ("decisions", "readings")

INCHES_WIDE = 7
BREAKS = (0.25, 0.5, 1, 2, 4, 8, 16, 32, 64, 128)
WORDS = {name: ACTION_WORDS[name] for name in ("nothing", "remedy")}


def frame(
    fits: Sequence[Fit], figures: Figures, decisions: pd.DataFrame, readings: pd.DataFrame
) -> pd.DataFrame:
    """Losses by result and action.

    Returns
    -------
    DataFrame
        study, model, county, floor, limit (result above which to remedy, pCi/L; missing if
        none), reading (pCi/L), action (in words), loss (dollars, without the test).
    """
    names = ["county", "floor", "limit", "reading"]
    parts = [
        readings[names].assign(action=word, loss=readings[f"loss_{name}"])
        for name, word in WORDS.items()
    ]
    model = decisions["model"].iloc[0]
    return pd.concat(parts, ignore_index=True).assign(study=fits[0].study, model=model)


def plot(frame: pd.DataFrame) -> ggplot:
    """A line per action, and a vertical line where they cross."""
    row = frame.iloc[0]
    figure = (
        ggplot(frame, aes("reading", "loss", color="action"))
        + geom_line(size=0.9)
        + scale_color_manual({word: ACTIONS[name] for name, word in WORDS.items()})
        + scale_x_log10(breaks=BREAKS)
        + scale_y_continuous(limits=(0, None))
        + labs(
            title=f"After a test in {row['county']}, {row['floor']}",
            x="result of the test (pCi/L)",
            y="expected loss (dollars)",
            color="",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 4.8))
    )
    if pd.notna(row["limit"]):
        figure += geom_vline(xintercept=row["limit"], linetype="dashed", color=MUTED)
    return figure


def _about(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    limit = "No result justifies a remedy."
    if pd.notna(row["limit"]):
        limit = f"Dashed: result above which to remedy, {row['limit']:.1f} pCi/L."
    return caption(
        f"""Study {row["study"]}, model {row["model"]}. Loss over all the years, without the cost of
        the test. {limit}""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES)
