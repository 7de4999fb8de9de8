"""Standard errors of means and sums, by hand."""

import numpy as np
import pytest

from pooling.scoring.standard_errors import cluster, mean, root_mean_square, total


def test_whole_counties_are_clusters(example_fit):
    fit = example_fit("pooled")
    county = fit.houses["county_fips"].tolist()
    assert cluster(fit, "loco").tolist() == county
    assert cluster(fit, "kfold_county").tolist() == county
    for scheme in ("loo", "kfold_house"):
        assert len(set(cluster(fit, scheme))) == len(county)


def test_root_mean_square_with_a_group_a_house():
    # Mean of 1, 4, 4, 7 is 4; standard deviation sqrt(18 / 3), over 4 houses sqrt(6) / 2;
    # by the delta method over 2 * 2.
    value, error = root_mean_square(np.array([1.0, 4.0, 4.0, 7.0]), np.arange(4))
    assert value == 2
    assert error == pytest.approx(6**0.5 / 2 / 4)


def test_root_mean_square_of_groups():
    # Groups {1, 4} and {4, 7}: sums less 4 a house are -3 and 3;
    # sqrt(2 / 1 * 18) / 4 = 1.5 is the error of the mean, 1.5 / (2 * 2) of its root.
    value, error = root_mean_square(np.array([1.0, 4, 4, 7]), np.array([1, 1, 2, 2]))
    assert (value, error) == pytest.approx((2, 0.375))


@pytest.mark.parametrize("squares", [[0.0, 0.0], [4.0]])
def test_root_mean_square_without_a_standard_error(squares):
    value, error = root_mean_square(np.array(squares), np.arange(len(squares)))
    assert value == squares[0] ** 0.5
    assert np.isnan(error)


def test_mean_of_uneven_groups():
    # Mean 2; group {1} has sum - 2 n = -1, group {2, 3} has 1; sqrt(2 / 1 * 2) / 3.
    assert mean(np.array([1.0, 2, 3]), np.array([1, 2, 2])) == pytest.approx((2, 2 / 3))


def test_total_by_hand():
    # Standard deviation of 1, 2, 3 is 1, times sqrt(3).
    assert total(np.array([1.0, 2.0, 3.0]), np.arange(3)) == pytest.approx((6, 3**0.5))
    assert np.isnan(total(np.array([1.0]), np.arange(1))[1])
    # As the mean of uneven groups above, times 3.
    assert total(np.array([1.0, 2, 3]), np.array([1, 2, 2])) == pytest.approx((6, 2))
