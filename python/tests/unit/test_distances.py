"""Distances between places on the Earth."""

import numpy as np
import pytest

from pooling.inputs.distances import great_circles


def test_great_circles_on_a_sphere_of_the_earths_radius():
    # A quarter of the circumference, 2 pi 6371.0088 / 4, from pole to equator; half of it between
    # antipodes; at 60 degrees north, cos(60) = 1/2: one degree of longitude is nearly half of one
    # degree of latitude, 2 pi 6371.0088 / 360 = 111.195 km.
    found = great_circles(np.array([0.0, 0, 180, 20, 21]), np.array([90.0, 0, 0, 60, 60]))
    assert found[0, 1] == pytest.approx(10007.557, abs=1e-3)
    assert found[1, 2] == pytest.approx(20015.114, abs=1e-3)
    assert found[3, 4] == pytest.approx(111.195 / 2, abs=2e-3)
    assert (found == found.T).all()
    assert not found.diagonal().any()
