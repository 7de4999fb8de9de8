"""Evenly spaced draws, by hand."""

import numpy as np
import pytest
import xarray as xr

from pooling.fits.spacing import evenly_spaced, positions


@pytest.fixture
def draws():
    """2 chains of 10 draws that are numbered in their order."""
    return xr.Dataset({"x": (("chain", "draw"), np.arange(20).reshape(2, 10))})


@pytest.mark.parametrize(
    ("count", "kept"),
    [
        (1, [0]),
        (4, [0, 9]),
        # Three of each chain, and no more than are there.
        (5, [0, 4, 9]),
        (20, list(range(10))),
        (4000, list(range(10))),
    ],
)
def test_draws_are_evenly_spaced_and_at_least_as_many(draws, count, kept):
    found = evenly_spaced(draws, count)["x"].values
    assert found.tolist() == [kept, [10 + i for i in kept]]
    assert positions(draws, count).tolist() == [*kept, *(10 + i for i in kept)]
