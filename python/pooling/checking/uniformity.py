"""Uniformity of ranks: empirical distribution function, exact p-values and bands.

After Sailynoja, Buerkner and Vehtari (2022), "Graphical test for discrete uniformity
and its applications in goodness-of-fit evaluation and multiple sample comparison",
Statistics and Computing 32, 32. Of S ranks from 0 to L, the number below k is
binomial with S trials and probability k / (L + 1) if they are uniform. The statistic
is the smallest two-sided tail probability of these numbers over k = 1..L; its
distribution is computed exactly, by the recursion of their section 2.2.

`arviz_stats.ecdf_utils` has simulated bands for continuous values, and no p-value.
"""

import numpy as np
from scipy.special import gammaln, xlog1py, xlogy
from scipy.stats import binom

GRID = 64  # statistics per call of `p_value`


def below(ranks: np.ndarray, last: int) -> np.ndarray:
    """Number of ranks (simulation, ...) from 0 to `last` that are below k = 1..last: (k, ...)."""
    return np.stack([(ranks < k).sum(axis=0) for k in range(1, last + 1)])


def tails(simulations: int, last: int) -> np.ndarray:
    """Two-sided tail probability of each number below each k: (k, number 0..simulations)."""
    number = np.arange(simulations + 1)
    share = np.arange(1, last + 1)[:, None] / (last + 1)
    low = binom.cdf(number, simulations, share)
    high = binom.sf(number - 1, simulations, share)
    return np.minimum(1.0, 2 * np.minimum(low, high))


def statistic(ranks: np.ndarray, last: int) -> np.ndarray:
    """Smallest two-sided tail probability of each column of ranks (simulation, column)."""
    numbers = below(ranks, last)
    return np.take_along_axis(tails(len(ranks), last), numbers, axis=1).min(axis=0)


def p_value(statistics: np.ndarray, simulations: int, last: int) -> np.ndarray:
    """Probability that the statistic of uniform ranks is no larger, for each of `statistics`.

    The numbers below k = 1, 2, ... are a Markov chain: given r below k, the number in the
    next bin is binomial with S - r trials and one over the number of bins that are left.
    The probabilities of its paths that stay above the statistic are summed.
    """
    statistics = np.asarray(statistics, dtype=float)
    tail = tails(simulations, last)
    number = np.arange(simulations + 1)
    left, drawn = simulations - number[:, None], number - number[:, None]
    ways = gammaln(left + 1) - gammaln(drawn + 1) - gammaln(left - drawn + 1)
    # Symmetric tails are equal up to rounding.
    above = statistics[:, None] * (1 + 1e-9)
    paths = np.zeros((statistics.size, simulations + 1))
    paths[:, 0] = 1.0
    for k in range(last):
        share = 1 / (last + 1 - k)
        # Binomial probability of each step; `ways` is -inf for negative counts.
        step = np.exp(ways + xlogy(drawn, share) + xlog1py(left - drawn, -share))
        paths = (paths @ step) * (tail[k] > above)
    return np.maximum(0.0, 1 - paths.sum(axis=1))


def band(level: float, simulations: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper limit of the number below each k = 1..last: a simultaneous band.

    The narrowest band of equal tail probability that covers uniform ranks everywhere with
    probability `level` or more.
    """
    tail = tails(simulations, last)
    candidates = np.unique(np.append(tail, 0.0))  # 0, with p = 0, excludes nothing
    low, high = 0, candidates.size
    while high - low > 1:
        tried = np.unique(np.linspace(low, high - 1, GRID).astype(int))
        rare = p_value(candidates[tried], simulations, last) <= 1 - level
        low = tried[rare].max(initial=low)
        high = tried[~rare].min(initial=high)
    inside = tail > candidates[low] * (1 + 1e-9)
    return inside.argmax(axis=1), simulations - inside[:, ::-1].argmax(axis=1)
