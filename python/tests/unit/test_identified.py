"""What the data identify, by hand; and no two tables that say different things of it."""

import numpy as np
import pandas as pd
import xarray as xr

from pooling.fits.identified import FIRST_FLOOR, identified, identified_rows
from pooling.fits.store import Fit
from pooling.fits.summaries import summarize
from pooling.reporting.counties import county_levels

# Houses of six counties by floor: on both, in basements alone (two, one), on the first floor
# alone (two, one), and none.
BASEMENT = np.array([1, 2, 1, 0, 0, 0])
FIRST = np.array([1, 0, 0, 2, 1, 0])


def found(parameter: str, *shared: str) -> list[int]:
    """Places of the counties that identify a parameter."""
    return np.flatnonzero(identified(parameter, BASEMENT, FIRST, shared)).tolist()


def test_a_county_on_its_own():
    assert found("alpha") == [0, 1, 2]
    assert found(FIRST_FLOOR) == [0, 3, 4]
    assert found("beta") == [0]
    # More houses than floors that have any.
    assert found("sigma") == [1, 3]


def test_what_all_counties_share_is_identified_by_all_houses():
    every = [0, 1, 2, 3, 4, 5]
    for parameter in ("alpha", "beta", "sigma", FIRST_FLOOR):
        assert found(parameter, "alpha", "beta", "sigma") == every
    assert not identified("beta", [1, 2], [0, 0], {"beta"}).any()


def test_with_a_common_slope_houses_on_one_floor_give_both_levels():
    # As in least squares of floor + county, which has an intercept for each county with a house.
    assert found("alpha", "beta") == found(FIRST_FLOOR, "beta") == [0, 1, 2, 3, 4]
    # No county has houses on both floors: its slope and its intercept cannot be told apart.
    assert not identified("alpha", [0, 1], [1, 0], {"beta"})[0]
    assert not identified("beta", [0, 1], [1, 0], {"beta"}).any()


def known(fit: Fit) -> dict[str, list[bool]]:
    """Whether each parameter by county is identified, by variable."""
    posterior = fit.tree["posterior"].to_dataset()
    summary = summarize(posterior)
    rows = summary.assign(known=identified_rows(summary, fit.counties, posterior))
    return rows.groupby("variable")["known"].agg(list).to_dict()


def first_floor_only(fit: Fit) -> Fit:
    """The same fit, with two houses in its first county, both on the first floor."""
    fit.tree["constant_data"]["houses"].values[:2] = [2, 0]
    fit.tree["constant_data"]["first_floor_houses"].values[:2] = [2, 0]
    return fit


def test_without_pooling(example_fit):
    # AITKIN has 2 + 2 houses by floor, ANOKA 2 + 1, CASS 2 + 0, MAHNOMEN 1 + 0.
    rows = known(example_fit("per_county"))
    assert rows["alpha"] == [True, True, True, True]
    assert rows["beta"] == [True, True, False, False]
    assert rows["sigma"] == [True, True, True, False]


def test_a_standard_deviation_of_a_state_is_informed_by_all_its_houses(example_fit):
    fit = example_fit("per_county")
    posterior = fit.tree["posterior"].to_dataset()
    posterior["sigma_state"] = posterior["sigma"].isel(county=[0]).rename(county="state")
    fit.tree["posterior"] = posterior
    assert known(fit)["sigma"] == [True] * 4


def test_where_counties_share_their_numbers(example_fit):
    assert all(map(all, known(example_fit("pooled")).values()))


def test_a_parameter_goes_by_the_first_part_of_its_name(example_fit):
    fit = example_fit("hierarchical_noncentered")
    posterior = fit.tree["posterior"].to_dataset()
    posterior["beta_tilde"] = posterior["beta"]
    posterior["gamma"] = posterior["beta"]
    fit = Fit(xr.DataTree.from_dict(dict(fit.tree.children) | {"posterior": posterior}), {})
    rows = known(fit)
    assert rows["beta_tilde"] == [True, True, False, False]
    assert rows["gamma"] == [True] * 4
    assert rows["sigma_beta"] == [True]


def test_a_county_with_first_floor_houses_only_has_no_intercept_of_its_own(example_fit):
    fit = first_floor_only(example_fit("per_county"))
    rows = known(fit)
    assert rows["alpha"][:2] == [False, False]
    assert rows["beta"][:2] == [False, False]
    # Two houses on one floor have a spread, no house has none.
    assert rows["sigma"][:2] == [True, False]
    assert fit.counties["intercept_identified"].tolist() == [False, False, True, True]
    levels = floors(fit)
    assert levels.loc["AITKIN"].tolist() == [False, True]
    assert levels.loc["ANOKA"].tolist() == [False, False]


def test_its_levels_are_identified_where_the_slope_is_common(example_fit):
    fit = first_floor_only(example_fit("per_county"))
    # CASS gets a first-floor house, so that one county has the slope.
    fit.tree["constant_data"]["first_floor_houses"].values[2] = 1
    fit.tree["posterior"]["beta"][:] = -0.5
    assert known(fit)["alpha"] == [True, False, True, True]
    assert floors(fit).loc["AITKIN"].tolist() == [True, True]


def floors(fit: Fit) -> pd.DataFrame:
    """Whether the table of counties calls the level of each floor identified."""
    return county_levels(fit).pivot(index="county", columns="floor", values="identified")
