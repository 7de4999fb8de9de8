"""Cross-validation schemes: names, descriptions and folds."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

FOLDS = 10  # random tenths

Folds = dict[str, list[int]]  # 0-based positions of houses by the name of their fold


@dataclass(frozen=True)
class Scheme:
    """A cross-validation scheme.

    Attributes
    ----------
    title
        Title of its panels in figures.
    left_out
        The data that a house is predicted without.
    whole_counties
        Whether that includes all houses of its county; standard errors are then over counties.
    folds
        Makes the folds from Stan data and a seed; None for single houses, which are left out
        by importance sampling.
    """

    title: str
    left_out: str
    whole_counties: bool
    folds: Callable[[Mapping, int], Folds] | None = None


def one_county_each(data: Mapping, seed: int) -> Folds:
    """Positions of the houses of each county that has any."""
    county = np.asarray(data["county"])
    return {f"county {j}": np.flatnonzero(county == j).tolist() for j in np.unique(county)}


def tenths_of_counties(data: Mapping, seed: int) -> Folds:
    """Positions of the houses of each random tenth of the counties."""
    present, county = np.unique(data["county"], return_inverse=True)
    return _grouped(_balanced(present.size, seed)[county])


def tenths_of_houses(data: Mapping, seed: int) -> Folds:
    """Positions of the houses of each random tenth of the houses."""
    return _grouped(_balanced(data["N"], seed))


def _balanced(size: int, seed: int) -> np.ndarray:
    """Random fold of each of `size` items, in folds of nearly equal size."""
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
