"""Ranks of counties, by hand."""

import numpy as np
import pytest

from pooling.reporting.fits import Result
from pooling.reporting.ranks import HIGHEST, county_ranks, rank_summary

EVERY = np.ones(3, dtype=bool)


def test_ranks_are_of_each_draw():
    # The last county is the highest in one of four draws, else the lowest.
    levels = np.array([[3, 2, 1], [3, 2, 1], [2, 1, 3], [3, 2, 1]], float)
    found = rank_summary(levels, EVERY)
    assert found["rank"].tolist() == [1, 2, 3]
    # Of four draws, the smallest rank that 5% reach is the best, that 95% reach the worst.
    assert found["rank_q5"].tolist() == [1, 2, 1]
    assert found["rank_q95"].tolist() == [2, 3, 3]
    assert found["ranked"].tolist() == [3, 3, 3]
    # Of three counties all are among the highest ten, which says nothing.
    assert np.isnan(found["p_highest"]).all()


def test_the_probability_to_be_among_the_highest():
    # Twelve counties in order, but in half of the draws the last is above all others.
    levels = np.tile(np.arange(12.0, 0, -1), (8, 1))
    levels[::2, -1] = 13
    found = rank_summary(levels, np.ones(12, dtype=bool))["p_highest"]
    assert found[: HIGHEST - 1].tolist() == [1] * (HIGHEST - 1)
    assert found[HIGHEST - 1 :].tolist() == [0.5, 0, 0.5]


def test_counties_that_do_not_take_part_have_no_rank_and_take_none():
    levels = np.array([[9, 2, 1], [0, 2, 1]], float)
    found = rank_summary(levels, np.array([False, True, True]))
    assert np.isnan(found["rank"][0])
    assert found["rank"][1:].tolist() == [1, 2]


def test_counties_that_share_a_level_have_no_rank():
    assert np.isnan(rank_summary(np.full((5, 3), 1.4), EVERY)["rank"]).all()


@pytest.mark.parametrize(
    ("model", "twin", "ranked"),
    # Of conftest's counties three lack a first-floor house or have none at all.
    [("per_county", "y ~ floor, by county", [4, 2]), ("hierarchical_noncentered", "", [4, 4])],
)
def test_without_pooling_only_counties_with_houses_on_the_floor_are_ranked(
    example_fit, model, twin, ranked
):
    table = county_ranks([Result("", example_fit(model), twin)])
    assert table.groupby("floor")["ranked"].first().tolist() == ranked
    assert table["rank"].notna().groupby(table["floor"]).sum().tolist() == ranked
