"""Weights of a county's own houses in its estimate."""

import numpy as np
import pytest

from pooling.reporting.fits import Result
from pooling.reporting.weights import WEIGHTS, model_weights, own_weights, pooling_weights


def column(*values: float) -> np.ndarray:
    return np.array([values], float)


def test_on_one_floor_it_is_the_textbook_weight():
    # Gelman and Hill (2007), equation 12.1: (n / sigma^2) / (n / sigma^2 + 1 / tau^2).
    n, sigma, tau = np.array([0, 1, 5, 100]), 0.8, 0.3
    (same, other), (first, lent) = own_weights(
        column(tau**2), column(0), column(0), [column(*(n / sigma**2)), column(0, 0, 0, 0)]
    )
    expected = (n / sigma**2) / (n / sigma**2 + 1 / tau**2)
    assert same[0] == pytest.approx(expected)
    assert not other.any()
    # Where slopes do not vary, basements inform the first floor as much, and it has none itself.
    assert not first.any()
    assert lent[0] == pytest.approx(expected)


def test_they_are_the_coefficients_of_the_posterior_mean():
    # The normal posterior of (alpha, beta) given the houses of one county, solved in full.
    tau, rho, sigma = np.array([0.4, 0.3]), -0.5, np.array([0.7, 1.0])
    both = rho * tau.prod()
    floors = np.array([0] * 3 + [1] * 2)
    design = np.column_stack([np.ones(5), floors])
    population = np.array([[tau[0] ** 2, both], [both, tau[1] ** 2]])
    noise = np.diag(1 / sigma[floors] ** 2)
    precision = np.linalg.inv(population) + design.T @ noise @ design
    gain = np.linalg.solve(precision, design.T @ noise)  # effects per unit of each house
    levels = np.array([[1, 0], [1, 1]]) @ gain
    found = own_weights(
        column(tau[0] ** 2),
        column(tau[1] ** 2),
        column(both),
        [column(3 / sigma[0] ** 2), column(2 / sigma[1] ** 2)],
    )
    assert found[0][0].item() == pytest.approx(levels[0, floors == 0].sum())
    assert found[0][1].item() == pytest.approx(levels[0, floors == 1].sum())
    assert found[1][0].item() == pytest.approx(levels[1, floors == 1].sum())
    assert found[1][1].item() == pytest.approx(levels[1, floors == 0].sum())


def test_weights_add_up_and_grow_with_houses(example_fit):
    weights = model_weights(example_fit("hierarchical_noncentered"))
    assert weights.sum(axis=1) == pytest.approx(1)
    # CASS has two basements, MAHNOMEN one, and neither a first floor.
    assert weights[0, 0, 2] > weights[0, 0, 3] > 0
    assert not weights[1, 0, 2:].any()


def test_own_estimate_is_the_geometric_mean_of_the_houses(example_fit):
    twin = "y ~ floor + (1 | county) + (0 + floor | county)"
    table = pooling_weights([Result("", example_fit(), twin)]).set_index(["county", "floor"])
    # AITKIN's basements: (1.0 + 1.4) / 2 = 1.2 log pCi/L, and 0.1 was added before the logarithm.
    assert table.loc[("AITKIN", "basement"), "own"] == pytest.approx(np.exp(1.2) - 0.1)
    assert table.loc[("CASS", "basement"), "floor_houses"] == 2
    assert np.isnan(table.loc[("CASS", "first floor"), "own"])
    assert table[[*WEIGHTS]].notna().all(axis=None)


def test_only_normal_effects_have_weights(example_fit):
    fit = example_fit()
    assert pooling_weights([Result("", fit, "")])[[*WEIGHTS]].isna().all(axis=None)
