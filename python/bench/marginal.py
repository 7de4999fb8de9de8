"""The hierarchical model with county effects integrated out, by hand, for engines other than Stan.

The formulas are those of `stan/functions/county_marginal.stanfunctions`. Needs numpy alone, and
computes with whatever arrays it gets, so that PyTensor and JAX differentiate and compile it.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np


class Statistics(NamedTuple):
    """Sufficient statistics of houses by county.

    Attributes
    ----------
    n0, n1
        Houses in the basement and on the first floor, (county,).
    mean0, mean1
        Their mean log radon, 0 where there is no house, (county,).
    squares
        Sum of squares about these means, of all counties.
    """

    n0: np.ndarray
    n1: np.ndarray
    mean0: np.ndarray
    mean1: np.ndarray
    squares: float

    @property
    def unit(self) -> float:
        """About what so many counties tell of a standard deviation between them."""
        freedom = (self.n0 + self.n1).sum() - np.count_nonzero([self.n0, self.n1])
        return float(np.sqrt(self.squares / freedom / len(self.n0)))


def statistics(data: Mapping) -> Statistics:
    """Sufficient statistics of the houses of `bench.exchange.Task.data`."""
    y, cell = data["log_radon"], 2 * data["county"] + data["floor_measure"].astype(int)
    count = np.bincount(cell, minlength=2 * data["J"]).astype(float)
    mean = np.bincount(cell, y, minlength=2 * data["J"]) / np.maximum(count, 1)
    squares = float(np.sum((y - mean[cell]) ** 2))
    return Statistics(count[::2], count[1::2], mean[::2], mean[1::2], squares)


def softplus_half_normal(
    softplus: Callable, free: Any, unit: float, scale: float
) -> tuple[Any, Any]:
    """A standard deviation that moves in `free`, and its prior's log density there.

    The prior is half-normal. In `free`, any number, the posterior is nearer to a normal one than
    in the logarithm, which engines take by default: three times the effective draws a gradient.
    """
    value = unit * softplus(free)
    return value, -0.5 * (value / scale) ** 2 - softplus(-free)


def log_likelihood(log: Callable, houses: Statistics, population: Mapping[str, Any]) -> Any:
    """Log density of all houses given the population, up to a constant of the counts.

    Parameters
    ----------
    log
        The logarithm of the arrays' own library.
    population
        mu_alpha, mu_beta, sigma_alpha, sigma_beta, sigma.
    """
    n0, n1, mean0, mean1, squares = houses
    s, a, b = (population[name] ** 2 for name in ("sigma", "sigma_alpha", "sigma_beta"))
    below = mean0 - population["mu_alpha"]
    above = mean1 - population["mu_alpha"] - population["mu_beta"]
    # s^2 times the determinant of the 2 x 2 covariance of the means over that of their noise
    determinant = s * (s + a * n0 + (a + b) * n1) + a * b * n0 * n1
    distance = s * (n0 * below**2 + n1 * above**2)
    distance += n0 * n1 * (b * below**2 + a * (above - below) ** 2)
    of_counties = (log(determinant) + distance / determinant).sum()
    # Each determinant holds two of its own s too many.
    return -0.5 * (of_counties + squares / s + (n0 + n1 - 2).sum() * log(s))


def county_effects(
    houses: Statistics, population: Mapping[str, np.ndarray], seed: int
) -> dict[str, np.ndarray]:
    """An exact draw of every county's alpha and beta, (chain, draw, county), for each draw."""
    n0, n1, mean0, mean1, _ = houses
    rng = np.random.default_rng(seed)
    mu_alpha, mu_beta, sigma_alpha, sigma_beta, sigma = (
        population[name][..., None]
        for name in ("mu_alpha", "mu_beta", "sigma_alpha", "sigma_beta", "sigma")
    )
    s, above = sigma**2, mean1 - mu_alpha - mu_beta
    # Distances from the mean in standard deviations: alpha's given the basement, then given the
    # first floor too, then beta's given alpha's.
    v = s / (s + sigma_alpha**2 * n0)
    m = sigma_alpha * n0 * (mean0 - mu_alpha) * v / s
    rest = s + sigma_beta**2 * n1
    every = rest + sigma_alpha**2 * v * n1
    alpha = m + sigma_alpha * v * n1 * (above - sigma_alpha * m) / every
    alpha += np.sqrt(v * rest / every) * rng.standard_normal(alpha.shape)
    beta = sigma_beta * n1 * (above - sigma_alpha * alpha) / rest
    beta += sigma / np.sqrt(rest) * rng.standard_normal(beta.shape)
    return {"alpha": mu_alpha + sigma_alpha * alpha, "beta": mu_beta + sigma_beta * beta}
