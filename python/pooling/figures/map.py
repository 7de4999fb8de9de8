"""Map: typical radon, probability of exceeding the action level, and houses, by county.

The model is the first with partial pooling of the few that the report compares. The first
map shows the posterior median of the level that half of the county's basements exceed. The
second shows the probability that a new basement measurement in the county is at or above the
action level, fainter where the posterior of that probability is wider. The third shows how
many houses were measured. Counties without a house are grey. Counties with few houses look
alike because their estimates are pulled towards the mean; the maps of single draws show how
much they may differ.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from mizani.labels import percent_format
from plotnine import (
    ggplot,
    guide_colorbar,
    labs,
    scale_alpha_continuous,
    scale_fill_cmap,
    theme,
)
from plotnine.composition import Compose

from pooling.figures._drawing import draw
from pooling.figures._map import (
    about_map,
    county_layers,
    is_flat,
    map_height,
    of_story,
    on_map,
)
from pooling.figures._panels import caption
from pooling.fits.new_house import above_action_level, errors_of, house_sd
from pooling.fits.store import Fit
from pooling.inputs.study import Figures

KIND = "story"
CHAPTER = "map"
ORDER = 1

INCHES_WIDE = 10
FAINTEST = 0.1  # opacity where nothing is known of a probability
LEVELS = {
    "pCi/L": (0.25, 0.5, 1, 2, 3, 4, 6, 10, 20, 40),
    "Bq/m³": (10, 20, 50, 100, 200, 300, 500, 1000),
}
SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
BAR = guide_colorbar(nbin=30, display="rectangles")


def frame(fits: Sequence[Fit], figures: Figures, study: str = "") -> pd.DataFrame:
    """Estimates of the counties, and where they are drawn.

    Returns
    -------
    DataFrame
        As `_map.on_map` gives it, with study, model, label, unit, action (the action
        level with its unit); level (posterior median of a typical basement, in `unit`);
        p_action (probability that a new basement measurement is at or above the action
        level), p_width (width of the central 90% of the posterior of that probability).

    Raises
    ------
    NothingToShow
        No county has an outline or a centroid.
    """
    fit = of_story(fits)
    response = fit.response
    mean = fit.effects()["alpha"].values
    chance = above_action_level(mean, house_sd(fit, 0), response, errors_of(fit))
    low, high = np.quantile(chance, [0.05, 0.95], axis=0)
    values = pd.DataFrame(
        {
            "county_fips": fit.counties["county_fips"],
            "level": response.activity(np.median(mean, axis=0)),
            "p_action": chance.mean(axis=0),
            "p_width": high - low,
        }
    )
    about = {"study": fit.study, "model": fit.model, "label": fit.label}
    units = {"unit": response.unit_label, "action": response.action_label}
    return on_map(values, fit, study).assign(**about, **units)


def plot(frame: pd.DataFrame) -> Compose:
    """Three maps, side by side or one below the other, each with its own caption."""
    flat = is_flat(frame)
    width = INCHES_WIDE if flat else INCHES_WIDE / 3
    texts = [caption(text, width - 0.4) for text in _captions(frame)]
    lines = max(text.count("\n") for text in texts)
    # Captions of one height keep the maps at one height.
    texts = [text + "\n\u200b" * (lines - text.count("\n")) for text in texts]
    first, second, third = (
        ggplot() + layers + labs(caption=text)
        for layers, text in zip((_level(frame), _chance(frame), _houses(frame)), texts, strict=True)
    )
    height = map_height(frame, width - 0.4) + (1.0 if flat else 1.2) + 0.14 * lines
    if flat:
        return (first / second / third) + theme(figure_size=(INCHES_WIDE, 3 * height))
    return (first | second | third) + theme(figure_size=(INCHES_WIDE, height))


def _level(frame: pd.DataFrame) -> list:
    unit = frame["unit"].iloc[0]
    return [
        *county_layers(frame, fill="level"),
        scale_fill_cmap("YlOrBr", trans="log10", breaks=LEVELS[unit], guide=BAR),
        labs(title="Radon in a typical basement", fill=unit),
    ]


def _chance(frame: pd.DataFrame) -> list:
    return [
        *county_layers(frame, fill="p_action", alpha="p_width"),
        scale_fill_cmap("viridis", breaks=SHARES, labels=percent_format(), guide=BAR),
        scale_alpha_continuous(range=(1, FAINTEST), limits=(0, 1), guide=None),
        labs(title=f"New basement ≥ {frame['action'].iloc[0]}", fill="probability"),
    ]


def _houses(frame: pd.DataFrame) -> list:
    return [
        *county_layers(frame, fill="houses"),
        scale_fill_cmap("Blues", trans="log10", guide=BAR),
        labs(title="Houses measured per county", fill="houses"),
    ]


def _captions(frame: pd.DataFrame) -> tuple[str, str, str]:
    known = frame[frame["houses"] > 0]
    row, widths = known.iloc[0], known["p_width"]
    narrow, wide = (f"{100 * share:.0f}" for share in (widths.min(), widths.max()))
    return (
        f"""Study {row.study}, model {row.label}. Posterior median ({row.unit}) of the level that
        half of the county's basements exceed. Single houses vary more. The figure map-draws shows
        its uncertainty.""",
        f"""Same model. Posterior predictive probability that a new basement measurement in the
        county is at or above the action level. Fainter: wider 90% posterior interval of that
        probability, from {narrow} to {wide} percentage points.""",
        f"""Number of houses measured, on either floor.{about_map(frame)}""",
    )


if __name__ == "__main__":
    draw(__doc__, frame, plot, study="")
