"""Average radon of counties and the EPA's zones."""

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.stats import norm

from pooling.inputs.response import Response
from pooling.reporting.zones import _summary, averages, county_zones, mean_activity, state_shares


@pytest.mark.parametrize("transform", ["log(x + 0.1)", "log(x), 0 as 0.1"])
@pytest.mark.parametrize("unit", ["pCi/L", "Bq/m3"])
@pytest.mark.parametrize(("mean", "sd"), [(1.3, 0.8), (-1.5, 1.0)])
def test_the_arithmetic_mean_is_the_integral_over_houses(transform, unit, mean, sd):
    response = Response(transform, unit)

    def part(y):
        return float(response.activity(y)) * norm.pdf(y, mean, sd)

    expected, _ = quad(part, mean - 10 * sd, mean + 10 * sd, points=[np.log(0.1)], limit=200)
    found = mean_activity(np.array([[mean]]), np.array([[sd]]), response)
    assert found[0, 0] == pytest.approx(expected, rel=1e-6)


def test_zones_of_draws_by_hand():
    # pCi/L: two draws above 4, one at 4 and one at 2, which are zone 2, one below.
    found = _summary(np.array([[4.5], [9], [4], [2], [1.9]]), Response("log(x + 0.1)"))
    assert [found[f"zone_{i}"][0] for i in (1, 2, 3)] == [0.4, 0.4, 0.2]
    assert found["mean_q50"][0] == 4


def test_counties_of_a_state_have_its_share_of_first_floor_houses():
    counties = pd.DataFrame(
        {"state": ["MN", "MN", "WI"], "houses": [3, 1, 0], "first_floor_houses": [0, 1, 0]}
    )
    assert state_shares(counties).tolist() == [0.25, 0.25, 0]


def test_averages_of_the_example(example_fit):
    fit = example_fit("hierarchical_noncentered")
    share = np.full(4, 0.3)  # as three of the ten houses
    assert state_shares(fit.counties) == pytest.approx(share)
    arithmetic, geometric = averages(fit, share)
    # AITKIN's means 1.3 and -0.5: exp(1.3 - 0.3 * 0.5) - 0.1
    assert np.median(geometric[:, 0]) == pytest.approx(np.exp(1.15) - 0.1, rel=0.05)
    assert (arithmetic > geometric).all()
    table = county_zones([fit])
    assert table["average"].tolist() == ["arithmetic"] * 4 + ["geometric"] * 4
    assert table[["zone_1", "zone_2", "zone_3"]].sum(axis=1).to_numpy() == pytest.approx(1)


def test_heavy_tails_have_no_arithmetic_mean(example_fit):
    fit = example_fit("hierarchical_noncentered")
    posterior = fit.tree["posterior"].dataset
    fit.tree["posterior"].dataset = posterior.assign(nu=4 + 0 * posterior["sigma"])
    rows = county_zones([fit]).set_index("average")
    assert rows.loc["arithmetic", ["mean_q50", "zone_1", "zone_2", "zone_3"]].isna().all(axis=None)
    assert rows.loc["geometric", "zone_1"].notna().all()


def test_wide_priors_give_large_averages_and_no_missing_ones(example_fit):
    # As slopes without a house whose prior has a standard deviation of 10,000.
    fit = example_fit("per_county")
    posterior = fit.tree["posterior"].dataset
    fit.tree["posterior"].dataset = posterior.assign(beta=1e4 + posterior["beta"])
    table = county_zones([fit])
    assert np.isfinite(table[["mean_q5", "mean_q50", "mean_q95", "zone_1"]]).all(axis=None)
    assert (table["zone_1"] == 1).all()
