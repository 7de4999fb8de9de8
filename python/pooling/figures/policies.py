"""Deaths avoided against the cost of policies for all houses.

One line per policy. Along a line the action level, the radon from which houses are remedied,
decreases to the right, so that more houses are remedied. The recommended policy decides for each
county and floor whether to do nothing, measure or remedy; the others test every house, by long-term
or by screening tests, corrected for their bias or not, or only the houses in zone 1 of the US EPA,
by long-term tests. Large dots: the study's own action level; vertical bars: central 90% of the
posterior. Totals are over all houses that the survey represents and over all the years.
"""

from collections.abc import Sequence

import pandas as pd
from plotnine import (
    aes,
    geom_linerange,
    geom_path,
    geom_point,
    geom_text,
    ggplot,
    guide_legend,
    guides,
    labs,
    scale_color_manual,
    scale_x_continuous,
    scale_y_continuous,
    theme,
)

from pooling.figures._drawing import draw
from pooling.figures._panels import caption
from pooling.figures._theme import BLACK, BLUE, GREEN, ORANGE, SKY, theme_pooling
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "decisions"
ORDER = 3
TABLES = ("decisions", "policies")

INCHES_WIDE = 9
NAMES = {
    "ours": "recommended",
    "long_term": "long-term test in all",
    "screening": "screening in all, corrected",
    "screening_uncorrected": "screening in all, uncorrected",
    "epa_zone": "long-term test in zone 1",
}
COLOURS = dict(zip(NAMES.values(), (BLACK, BLUE, SKY, ORANGE, GREEN), strict=True))


def frame(
    fits: Sequence[Fit], figures: Figures, decisions: pd.DataFrame, policies: pd.DataFrame
) -> pd.DataFrame:
    """Cost and effect of each policy at each action level.

    Returns
    -------
    DataFrame
        study, model, policy (in words), action_level (pCi/L), chosen (whether it is the
        study's), cost (million dollars), lives, lives_q5, lives_q95, weighted, houses.
    """
    rows = policies[policies["policy"].isin([*NAMES])]
    names = pd.Categorical(rows["policy"].map(NAMES), [*NAMES.values()], ordered=True)
    rows = rows.assign(policy=names, cost=rows["cost"] / 1e6)
    return rows.assign(study=fits[0].study, model=decisions["model"].iloc[0])


def plot(frame: pd.DataFrame) -> ggplot:
    """A line per policy, with its action levels as points."""
    own = frame[frame["chosen"]]
    levels = frame[frame["policy"] == NAMES["ours"]]
    levels = levels.assign(label=[f"{level:g}" for level in levels["action_level"]])
    levels = levels[levels["cost"] > 0.02 * frame["cost"].max()]
    return (
        ggplot(frame, aes("cost", "lives", color="policy"))
        + geom_path(size=0.7)
        + geom_point(size=1)
        + geom_linerange(aes(ymin="lives_q5", ymax="lives_q95"), own, alpha=0.6)
        + geom_point(data=own, size=3)
        + geom_text(aes(label="label"), levels, size=8, nudge_y=0.03 * frame["lives"].max())
        + scale_color_manual(COLOURS)
        + scale_x_continuous(limits=(0, None))
        + scale_y_continuous(limits=(0, None))
        + guides(color=guide_legend(nrow=2))
        + labs(
            title="What policies would cost, and the deaths they would avoid",
            x="cost (million dollars)",
            y="deaths avoided",
            color="",
            caption=_about(frame),
        )
        + theme_pooling()
        + theme(figure_size=(INCHES_WIDE, 6.2))
    )


def _about(frame: pd.DataFrame) -> str:
    row = frame.iloc[0]
    houses = f"{row['houses']:,.0f} houses"
    counted = f"{houses} that the survey represents, by its weights"
    if not row["weighted"]:
        counted = f"the {houses} of the survey, which has no weights"
    return caption(
        f"""Study {row["study"]}, model {row["model"]}; {counted}. Numbers: action level of the
        recommended policy, pCi/L. Large dots: the study's own level, with the central 90% of the
        posterior.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, tables=TABLES)
