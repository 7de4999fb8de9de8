"""Map of actions: what to do in a house that was not measured, by county and floor.

Each county has the colour of the action with the smallest expected loss in a new house there: do
nothing, measure first and remedy if the result is high, or remedy now. Fainter: another action
costs less than 1% more. The costs of actions and of radon are settings of the study.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from plotnine import ggplot, guide_legend, labs, scale_alpha_manual, scale_fill_manual, theme
from plotnine.composition import Compose

from pooling.figures._drawing import draw
from pooling.figures._map import about_map, county_layers, is_apart, map_height, of_story, on_map
from pooling.figures._panels import caption
from pooling.figures._theme import ACTION_WORDS, ACTIONS
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "decisions"
ORDER = 1
TABLES = ("decisions",)

INCHES_WIDE = 10
CLOSE = 0.01  # of the smallest loss
KEYS = guide_legend(override_aes={"size": 0})  # without the points of counties without outline


def frame(
    fits: Sequence[Fit], figures: Figures, decisions: pd.DataFrame, study: str = ""
) -> pd.DataFrame:
    """Actions by county and floor, and where the counties are drawn.

    Parameters
    ----------
    decisions
        As `pooling.reporting.decisions` writes it.

    Returns
    -------
    DataFrame
        As `_map.on_map` gives it, with study, model; panel (floor; missing for counties without
        a house and for borders, which are in every panel), action (in words), close (whether
        another action costs less than `CLOSE` more).

    Raises
    ------
    NothingToShow
        No county has an outline or a centroid.
    """
    losses = np.sort(decisions[[f"loss_{name}" for name in ACTION_WORDS]].to_numpy(float))
    values = pd.DataFrame(
        {
            "county_fips": decisions["county_fips"],
            "panel": pd.Categorical(decisions["floor"], ["basement", "first floor"], ordered=True),
            "action": pd.Categorical(
                decisions["action"].map(ACTION_WORDS), [*ACTION_WORDS.values()]
            ),
            "close": losses[:, 1] < (1 + CLOSE) * losses[:, 0],
        }
    )
    drawn = on_map(values, of_story(fits), study)
    return drawn.assign(study=fits[0].study, model=decisions["model"].iloc[0])


def plot(frame: pd.DataFrame) -> ggplot | Compose:
    """A map per floor, side by side; of several states, with one map each, below each other."""
    row = frame.iloc[0]
    about = f"""Study {row["study"]}, model {row["model"]}. Colour: action with the smallest
        expected loss in a new house. Fainter: another one costs less than {CLOSE:.0%}
        more.{about_map(frame)}"""
    title, text = "What to do in a house that was not measured", caption(about, INCHES_WIDE)
    if not is_apart(frame):
        height = map_height(frame, INCHES_WIDE / 2 - 0.2) + 1.6
        whole = ggplot() + _actions(frame, "panel") + labs(title=title, caption=text)
        return whole + theme(figure_size=(INCHES_WIDE, height))
    first, second = (
        ggplot() + _actions(frame[frame["panel"].isna() | (frame["panel"] == floor)])
        for floor in frame["panel"].cat.categories
    )
    height = 2 * map_height(frame, INCHES_WIDE - 0.4) + 2.6
    first += labs(title=f"{title}: basement")
    second += labs(title="First floor", caption=text)
    return (first / second) + theme(figure_size=(INCHES_WIDE, height))


def _actions(frame: pd.DataFrame, panel: str = "") -> list:
    colours = {ACTION_WORDS[name]: colour for name, colour in ACTIONS.items()}
    return [
        *county_layers(frame, panel, fill="action", alpha="close"),
        scale_fill_manual(colours, limits=[*ACTION_WORDS.values()], guide=KEYS),
        scale_alpha_manual({False: 1, True: 0.55}, guide=None),
        labs(fill=""),
        theme(legend_key_width=18),
    ]


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES, study="")
