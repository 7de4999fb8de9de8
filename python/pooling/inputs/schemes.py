"""Schemes by which houses are left out to score models: their names, words and folds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

FOLDS = 10  # random tenths

Folds = dict[str, list[int]]  # positions of houses, from 0, by the name of their fold


@dataclass(frozen=True)
class Scheme:
    """A way to leave houses out.

    Attributes
    ----------
    title
        What is done, as the title of a panel.
    left_out
        What a house is predicted without.
    whole_counties
        Whether that is all houses of its county, so that errors are taken over counties.
    folds
        Houses that are left out together, of Stan data and a seed; None for single houses,
        which need no refit each.
    """

    title: str
    left_out: str
    whole_counties: bool
    folds: Callable[[Mapping, int], Folds] | None = None


def one_county_each(data: Mapping, seed: int) -> Folds:
    """Positions of the houses of each county that has any, by its number."""
    county = np.asarray(data["county"])
    return {f"county {j}": np.flatnonzero(county == j).tolist() for j in np.unique(county)}


def tenths_of_counties(data: Mapping, seed: int) -> Folds:
    """Positions of the houses of a random tenth of the counties, for each tenth."""
    present, county = np.unique(data["county"], return_inverse=True)
    return _grouped(_balanced(present.size, seed)[county])


def tenths_of_houses(data: Mapping, seed: int) -> Folds:
    """Positions of a random tenth of the houses, for each tenth."""
    return _grouped(_balanced(data["N"], seed))


def _balanced(size: int, seed: int) -> np.ndarray:
    """Fold of each of `size` things, in random order, sizes as even as can be."""
    return np.random.default_rng(seed).permutation(np.arange(size) % min(FOLDS, size))


def _grouped(fold: np.ndarray) -> Folds:
    return {f"tenth {k + 1}": np.flatnonzero(fold == k).tolist() for k in np.unique(fold)}


SCHEMES = {
    "loo": Scheme("leave one house out", "its house", whole_counties=False),
    "loco": Scheme("leave one county out", "its whole county", True, one_county_each),
    "kfold_county": Scheme(
        "tenths of the counties", "a random tenth of the counties", True, tenths_of_counties
    ),
    "kfold_house": Scheme(
        "tenths of the houses", "a random tenth of the houses", False, tenths_of_houses
    ),
}
