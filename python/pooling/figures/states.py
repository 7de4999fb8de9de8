"""Intercepts and slopes of states and of their counties.

One row per state, in the order of its intercept (log radon in the basement), lowest at the
bottom: the large dot is the posterior mean of the state's own mean, around which its counties
vary; the thick line is the central 50% and the thin one the central 90%; the small dots below
it are the posterior means of its counties. The dashed line is the mean of all states.
Counties are pulled towards the dot of their state, and states towards the dashed line, the
more so the less information their houses carry.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
from plotnine import (
    aes,
    element_text,
    facet_grid,
    geom_point,
    geom_segment,
    geom_vline,
    ggplot,
    labs,
    scale_color_manual,
    scale_y_continuous,
)

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import draw
from pooling.figures._panels import by_model, caption, strip
from pooling.figures._theme import MUTED, model_colours, theme_pooling, theme_rows
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "library"
CHAPTER = "shrinkage"
ORDER = 5

PANELS = {
    "level": "intercept (basement), log pCi/L",
    "floor": "slope (floor effect), log pCi/L",
    "typical": "typical basement, {unit}",
}
PARAMETERS = {"level": "alpha", "floor": "beta", "typical": "alpha"}
QUANTILES = {"q5": 0.05, "q25": 0.25, "q75": 0.75, "q95": 0.95}
COLUMNS = [
    "study",
    "unit",
    "model",
    "label",
    "effect",
    "kind",
    "name",
    "state",
    "counties",
    "houses",
]
BELOW, JITTER = 0.34, 0.1  # of a row: position of the counties, and jitter around it
INCHES_WIDE = 10


def frame(fits: Sequence[Fit], figures: Figures) -> pd.DataFrame:
    """Estimates of states, their counties and the mean of all states.

    Returns
    -------
    DataFrame
        One row per model, effect and state or county, and one for all states.
        Columns: study; unit; model; label; effect ("level", "floor", "typical"); kind
        ("state", "county", "all"); name; state; counties, houses (in it; 0 for
        all); row (place of the state in the order of the first model's intercepts,
        from 0; missing for all); mean, q5, q25, q75, q95 (of the posterior; the
        quantiles are missing for counties and all; log pCi/L, and `unit` of a
        basement measurement that half of the others exceed).

    Raises
    ------
    NothingToShow
        No model has effects of states.
    """
    kept = [fit for fit in fits if "state" in fit.tree["posterior"].dims]
    if not kept:
        raise NothingToShow(
            "no model of this study has effects of states; with data.states = [] or several "
            "states, use one such as hierarchical_states"
        )
    rows = pd.concat([_effect(fit, effect) for fit in kept for effect in PANELS])
    first = rows[(rows["model"] == kept[0].model) & (rows["effect"] == "level")]
    states = first[first["kind"] == "state"].sort_values("mean")["state"].tolist()
    return rows.assign(
        label=by_model(rows["label"], kept),
        effect=pd.Categorical(rows["effect"], PANELS, ordered=True),
        row=rows["state"].map({name: place for place, name in enumerate(states)}),
    ).reset_index(drop=True)


def _effect(fit: Fit, effect: str) -> pd.DataFrame:
    """States, counties and the mean of all states under one model."""
    name = PARAMETERS[effect]
    posterior = fit.tree["posterior"].to_dataset()
    draws = posterior[f"mu_{name}_state"].stack(sample=("chain", "draw"), create_index=False)
    to_unit = _unit(fit, effect)
    states = to_unit(draws.transpose("state", "sample").values)
    counties = fit.counties.rename(columns={"county": "name"})
    sizes = counties.groupby("state").agg(counties=("houses", "size"), houses=("houses", "sum"))
    own = pd.DataFrame(
        {"kind": "state", "name": draws["state"].values, "mean": states.mean(axis=1)}
    )
    own = own.assign(
        state=own["name"],
        **dict(zip(QUANTILES, np.quantile(states, [*QUANTILES.values()], axis=1), strict=True)),
    ).join(sizes, on="state")
    below = counties[["name", "state", "houses"]].assign(
        kind="county", counties=1, mean=to_unit(fit.effects()[name].values).mean(axis=0)
    )
    mean = to_unit(fit.population()[f"mu_{name}"]).mean()
    whole = pd.DataFrame([{"kind": "all", "name": "all states", "mean": mean}])
    rows = pd.concat([own, below, whole], ignore_index=True)
    rows[["counties", "houses"]] = rows[["counties", "houses"]].fillna(0).astype(int)
    about = {
        "study": fit.study,
        "unit": fit.response.unit_label,
        "model": fit.model,
        "label": fit.label,
        "effect": effect,
    }
    return rows.assign(**about)[[*COLUMNS, "mean", *QUANTILES]]


def _unit(fit: Fit, effect: str) -> Callable[[np.ndarray], np.ndarray]:
    """From log pCi/L to the unit of the panel."""
    if effect != "typical":
        return np.asarray
    return fit.response.activity


def plot(frame: pd.DataFrame) -> ggplot:
    """One column per effect, a row of panels a model."""
    rows = frame.assign(panel=frame["effect"].cat.rename_categories(_panels(frame)))
    states, whole = rows[rows["kind"] == "state"], rows[rows["kind"] == "all"]
    counties = rows[rows["kind"] == "county"]
    shift = np.random.default_rng(1).uniform(-JITTER, JITTER, len(counties))
    counties = counties.assign(row=counties["row"] - BELOW + shift)
    named = states.drop_duplicates("row")
    models = rows["label"].cat.categories.size
    return (
        ggplot(states, aes(y="row", color="model"))
        + geom_vline(aes(xintercept="mean"), whole, color=MUTED, linetype="dashed", size=0.5)
        + geom_point(aes(x="mean"), counties, size=1.2, stroke=0, alpha=0.45)
        + geom_segment(aes(x="q5", xend="q95", yend="row"), size=0.6)
        + geom_segment(aes(x="q25", xend="q75", yend="row"), size=1.7)
        + geom_point(aes(x="mean"), size=2.4, stroke=0)
        + facet_grid("label", "panel", scales="free_x", labeller=strip)
        + scale_y_continuous(
            breaks=[*named["row"]], labels=[_said(row) for row in named.itertuples()]
        )
        + scale_color_manual(model_colours(rows["model"]), guide=None)
        + labs(x="", y="", title="States and their counties", caption=_about(frame))
        + theme_pooling()
        + theme_rows(
            figure_size=(INCHES_WIDE, models * (0.55 * len(named) + 0.5) + 1.7),
            strip_text_y=element_text(size=8),
        )
    )


def _panels(frame: pd.DataFrame) -> dict[str, str]:
    unit = frame["unit"].iloc[0]
    return {effect: title.format(unit=unit) for effect, title in PANELS.items()}


def _said(row: Any) -> str:
    return f"{row.name}\n{row.counties:,} counties, {row.houses:,} houses"


def _about(frame: pd.DataFrame) -> str:
    return caption(
        f"""Study {frame["study"].iloc[0]}. Dot: posterior mean of the state; thick line: central
        50%; thin line: central 90%. Small dots: posterior means of its counties, with and without
        houses, jittered vertically. Dashed: mean of all states. Half of all basements have more
        radon than the typical one.""",
        INCHES_WIDE,
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot)
