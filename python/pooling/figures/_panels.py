"""Layout of panels, one per quantity and model, and marks for values outside them."""

import textwrap
from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from pooling.fits.store import Fit
from pooling.inputs.schemes import SCHEMES
from pooling.programs.order import story_order

SIDE_BY_SIDE = 4  # panels in a row that leave room for the name of a model
LONGEST = 28  # characters of a name in such a panel, underscores counted twice

TALLEST = 1.4  # height over width of a figure that fits a page with its caption

LEGEND_DOTS = 3
MOST_HOUSES = 500  # drawn per county: more merge into a black bar

# What was left out, as titles of panels.
SCHEME_TITLES = {name: scheme.title for name, scheme in SCHEMES.items()}

# What the parameters of a population are, by the beginning of their names.
MEANINGS = {
    "mu_": "mu: means",
    "sigma": "sigma: standard deviations (log pCi/L)",
    "gamma_": "gamma: effects of uranium (log pCi/L per log ppm)",
    "delta_": "delta: effects of the share of first-floor houses (log pCi/L)",
    "rho": "rho: correlations",
    "nu": "nu: degrees of freedom",
}

# Markers of a point inside its panel, and of one outside, drawn at the edge.
MARKERS_X = {"inside": "o", "below": "<", "above": ">"}
MARKERS_Y = {"inside": "o", "below": "v", "above": "^"}


def strip(label: str) -> str:
    """Name of a model as a panel's title, with line breaks before remarks and in long names."""
    name, bracket, remark = label.partition(" (")
    lines = textwrap.wrap(name.replace("_", "_ "), LONGEST)
    return (
        "\n".join(line.replace("_ ", "_") for line in lines) + bracket.replace(" ", "\n") + remark
    )


def even_grid(panels: int, most: int) -> tuple[int, int]:
    """Columns, at most `most`, and rows of a grid of panels with few empty places."""
    rows = -(-panels // most)
    return -(-panels // rows), rows


def subject(labels: pd.Series) -> str:
    """The name of the only model, or "each model", for a figure's title."""
    names = labels.dropna().unique()
    return names[0] if len(names) == 1 else "each model"


def by_model(labels: pd.Series, fits: Sequence[Fit]) -> pd.Series:
    """`labels` as ordered categories, the models in the order of the report."""
    order = [fit.label for fit in sorted(fits, key=lambda fit: story_order(fit.model))]
    return pd.Series(pd.Categorical(labels, order, ordered=True), labels.index)


def percent(share: float) -> str:
    """A share in percent, never rounded to zero."""
    return "< 0.1%" if 0 < share < 0.001 else f"{share:.1%}"


def caption(text: str, inches: float) -> str:
    """`text` in lines that fit under a figure of this width."""
    return textwrap.fill(" ".join(text.split()), int(14 * inches))


def meanings(parameters: Iterable[str]) -> str:
    """What these parameters are, for a caption; those of a user's own program are left out."""
    names = tuple(parameters)
    said = [text for start, text in MEANINGS.items() if any(n.startswith(start) for n in names)]
    return "; ".join(said) + "." * bool(said)


def arrange(quantity: pd.Series, label: pd.Series) -> tuple[pd.Series, int]:
    """Panel of each row, and the number of panels side by side.

    Up to four models are side by side, with one row of panels per quantity;
    otherwise the quantities of a model are, with as many models as fit.

    Parameters
    ----------
    quantity, label
        Ordered categories: what a panel shows, and the model's name.

    Returns
    -------
    Series, int
        Ordered categories "quantity, line break, model"; columns of panels.
    """
    quantities, labels = quantity.cat.categories, label.cat.categories
    if 2 <= len(labels) <= SIDE_BY_SIDE:
        pairs, columns = [(q, m) for q in quantities for m in labels], len(labels)
    else:
        pairs = [(q, m) for m in labels for q in quantities]
        columns = len(quantities) * max(1, min(SIDE_BY_SIDE // len(quantities), len(labels)))
    order = [f"{q}\n{strip(m)}" for q, m in pairs]
    named = quantity.astype(str) + "\n" + label.astype(str).map(strip)
    return pd.Series(pd.Categorical(named, order, ordered=True), quantity.index), columns


def side(values: pd.Series, low: pd.Series | float, high: pd.Series | float) -> np.ndarray:
    """Position of values relative to a range: "below", "inside" or "above"."""
    return np.select([values < low, values > high], ["below", "above"], "inside")


def spread_out(positions: Sequence[int] | np.ndarray, count: int) -> np.ndarray:
    """At most `count` of the positions, evenly spaced, first and last among them."""
    if len(positions) <= count:
        return np.asarray(positions)
    return np.asarray(positions)[np.linspace(0, len(positions) - 1, count).round().astype(int)]


def size_breaks(houses: pd.Series) -> list[int]:
    """Round numbers of houses, from few to many, whose dots the legend shows."""
    least, most = int(houses.min()), int(houses.max())
    steps = [step * 10**power for power in range(len(str(most))) for step in (1, 2, 5)]
    inside = [step for step in steps if least <= step <= most]
    return spread_out(inside if len(inside) > 1 else sorted({least, most}), LEGEND_DOTS).tolist()


def some_of_each(rows: pd.DataFrame, by: str, count: int) -> np.ndarray:
    """Mask of the rows to draw (row,) where a panel has more than can be distinguished.

    Of the rows of each panel `by`, all in the same order, the same `count` evenly
    spaced ones.
    """
    place = rows.groupby(by, observed=True).cumcount().to_numpy()
    return np.isin(place, spread_out(range(place.max() + 1), count))


def some_houses(houses: pd.DataFrame) -> pd.DataFrame:
    """At most `MOST_HOUSES` of each county, evenly spaced in their order.

    Parameters
    ----------
    houses
        One row per house, with its `county_fips`.
    """
    counties = houses.groupby("county_fips")["county_fips"]
    count, place = counties.transform("size"), counties.cumcount()
    steps = [(place + shift) * MOST_HOUSES // count for shift in (0, -1)]
    return houses[(count <= MOST_HOUSES) | (steps[0] != steps[1])]


def about_houses(panels: pd.Series) -> str:
    """Description of the points for a caption, given each one's panel."""
    some = len(panels) and panels.value_counts().max() >= MOST_HOUSES
    return f"houses, at most {MOST_HOUSES} per county, evenly spaced" if some else "houses"


def reach(values: ArrayLike, trim: float = 0.01) -> tuple[float, float]:
    """Range of a panel: that of the values without a share `trim` at each end, rounded outwards.

    It ends at multiples of 1, 2 or 5 times a power of ten, about five of which are in
    the range; values that are not finite are ignored. Without a finite value the range
    is (0, 1), and a single value is in the middle of its range.
    """
    finite = np.asarray(values, dtype=float)
    finite = finite[np.isfinite(finite)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = np.quantile(finite, [trim, 1 - trim])
    if high - low <= 1e-9 * max(1.0, abs(low), abs(high)):
        low, high = low - 0.5, high + 0.5
    power = 10.0 ** np.floor(np.log10((high - low) / 5))
    step = next(power * m for m in (1, 2, 5, 10) if (high - low) / (power * m) <= 5.5)
    # A rounding error must not move a bound that is a round number.
    small = 1e-9
    return (
        float(step * np.floor(low / step + small)),
        float(step * np.ceil(high / step - small)),
    )
