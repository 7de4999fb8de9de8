import numpy as np
import pytest

from pooling.figures._densities import bandwidth, smooth


def test_one_house_has_the_density_of_a_normal_distribution():
    density = smooth(np.array([[0.0]]), np.array([-1.0, 0.0, 2.0]), 1.0)
    # Tables of the standard normal density; bins of a tenth move it by less than 5%.
    assert density[0] == pytest.approx([0.2420, 0.3989, 0.0540], rel=0.12)
    assert density[0][1] == pytest.approx(0.3989, rel=0.002)


def test_a_density_integrates_to_one():
    points = np.linspace(-8, 8, 400)
    values = np.array([[-1.0, 0.3, 2.0], [0.0, 0.0, 0.5]])
    areas = smooth(values, points, 0.5).sum(axis=1) * (points[1] - points[0])
    assert areas == pytest.approx([1, 1], abs=1e-3)


def test_bandwidth_is_silvermans():
    # Quartiles -1 and 1, standard deviation sqrt(2): 0.9 * min(1.414, 2 / 1.34) * 5 ** -0.2
    assert bandwidth(np.array([-2.0, -1.0, 0.0, 1.0, 2.0])) == pytest.approx(0.9 * 2**0.5 * 5**-0.2)
    assert bandwidth(np.array([3.0])) == 0.9
