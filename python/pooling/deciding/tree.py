"""The decision whether to remedy a house, do nothing, or measure first, in closed form.

Losses are those of Lin, Gelman, Price and Krantz (1999), Statistical Science 14:305-337, and of
Gelman et al. (2013), Bayesian Data Analysis, section 9.4, in dollars: a remedy costs money and
leaves at most `remedied` pCi/L; each pCi/L that stays costs `value`. What they approximate by one
lognormal distribution is here a mixture of them, one per posterior draw, and what they simulate
is a bivariate normal probability, so that nothing is random. With a single component the losses
are the published ones.

Radon R is such that log(R + shift) is normal given a component. A test reads, on that scale,
log(R + shift) without the part of it that the test does not see (`factor_sd`), plus noise.
"""

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.optimize.elementwise import find_root
from scipy.special import ndtr, owens_t, softmax

from pooling.inputs.decision import Decision, Kind

FARTHEST = 25.0  # log pCi/L: beyond any reading
HUGE = 12.0  # standard deviations, beyond which normal probabilities are 0 or 1


@dataclass(frozen=True)
class Radon:
    """Annual living-area radon of new houses, one mixture of lognormal distributions per cell.

    Attributes
    ----------
    mean, sd
        Of log(R + shift) given each component, (component, cell), log pCi/L.
    shift
        (cell,) or a number, pCi/L.
    log_weight
        Logarithm of unnormalised weights of the components, (component, cell); 0: equal ones.
    """

    mean: np.ndarray
    sd: np.ndarray
    shift: np.ndarray | float = 0.0
    log_weight: np.ndarray | float = 0.0

    @cached_property
    def weight(self) -> np.ndarray:
        """Weights of the components, (component, cell), each cell's with sum 1."""
        return softmax(np.broadcast_to(self.log_weight, self.mean.shape), axis=0)

    def average(self, values: np.ndarray) -> np.ndarray:
        """Expectation of something known given each component: (cell,)."""
        return (self.weight * values).sum(axis=0)

    def moments(self) -> tuple[np.ndarray, np.ndarray]:
        """M and S: mean and standard deviation of log(R + shift), each (cell,)."""
        mean = self.average(self.mean)
        return mean, np.sqrt(self.average(self.sd**2 + (self.mean - mean) ** 2))

    def expected(self) -> np.ndarray:
        """E(R) given each component, (component, cell), pCi/L."""
        return np.exp(self.mean + self.sd**2 / 2) - self.shift

    def above(self, level: float) -> np.ndarray:
        """Pr(R > level) given each component, (component, cell)."""
        return ndtr((self.mean - np.log(level + self.shift)) / self.sd)

    def excess(self, level: float) -> np.ndarray:
        """E(max(R - level, 0)) given each component, (component, cell), pCi/L."""
        cap = level + self.shift
        z = (self.mean - np.log(cap)) / self.sd
        return np.exp(self.mean + self.sd**2 / 2) * ndtr(z + self.sd) - cap * ndtr(z)


@dataclass(frozen=True)
class Test:
    """A test of a house.

    Attributes
    ----------
    cost
        Dollars.
    wait
        Share of the years during which radon stays as it is for the test.
    noise
        Standard deviation of the reading's logarithm, given what the test sees.
    factor_sd
        Standard deviation of what the test does not see of log R.
    """

    cost: float
    wait: float
    noise: float
    factor_sd: float = 0.0

    def reading(self, radon: Radon) -> tuple[np.ndarray, np.ndarray]:
        """Standard deviation of the log reading, and its covariance with log R; per component."""
        seen = radon.sd**2 - self.factor_sd**2
        return np.sqrt(seen + self.noise**2), seen


@dataclass(frozen=True)
class Problem:
    """What a remedy costs and brings.

    Attributes
    ----------
    remedy
        Dollars.
    remedied
        R_remed, the level that it leaves, pCi/L.
    value
        D_r, dollars per pCi/L for all the years; a number, or one per cell.
    """

    remedy: float
    remedied: float
    value: float | np.ndarray

    @classmethod
    def of(cls, decision: Decision) -> "Problem":
        """The problem of a study."""
        return cls(decision.remedy_cost, decision.remedied_level, decision.dollars_per_pci)

    @property
    def action_level(self) -> float | np.ndarray:
        """R_action: the known level from which a remedy pays, pCi/L."""
        return self.remedied + self.remedy / self.value

    def at(self, action_level: float | np.ndarray) -> "Problem":
        """The same remedy with the value of radon that makes this its action level."""
        return replace(self, value=self.remedy / (action_level - self.remedied))

    def loss_nothing(self, radon: Radon) -> np.ndarray:
        """L2, dollars, given each component: (component, cell)."""
        return self.value * radon.expected()

    def loss_remedy(self, radon: Radon) -> np.ndarray:
        """L1 = remedy + value * E(min(R, remedied)), as `loss_nothing`."""
        return self.remedy + self.value * (radon.expected() - radon.excess(self.remedied))

    def loss_measure(self, radon: Radon, test: Test, limit: np.ndarray) -> np.ndarray:
        """L3: test, and remedy if the log reading is above `limit` (cell,); as `loss_nothing`."""
        nothing = self.loss_nothing(radon)
        gain = self.value * excess_above(radon, self.remedied, test, limit)
        paid = self.remedy * reads_above(radon, test, limit)
        return test.cost + test.wait * nothing + nothing + paid - gain


def test_of(decision: Decision, kind: Kind) -> Test:
    """A long-term test takes a year of the study's; a screening test takes days."""
    if kind == "long-term":
        noise = float(np.log(decision.long_term_spread))
        return Test(decision.cost_of(kind), 1 / decision.years, noise)
    noise, unseen = decision.screening_noise, decision.factor_sd
    return Test(decision.cost_of(kind), 0.0, noise, unseen)


def updated(radon: Radon, test: Test, reading: np.ndarray | float) -> Radon:
    """Radon of a house after a log reading of its test, (cell,)."""
    sd, covariance = test.reading(radon)
    z = (reading - radon.mean) / sd
    log_weight = radon.log_weight - z**2 / 2 - np.log(sd)
    variance = radon.sd**2 - (covariance / sd) ** 2
    return replace(
        radon,
        mean=radon.mean + covariance / sd * z,
        # Rounding leaves a negative variance where a test is almost exact.
        sd=np.sqrt(np.maximum(variance, 1e-12)),
        log_weight=log_weight,
    )


def limit_of(problem: Problem, radon: Radon, test: Test) -> np.ndarray:
    """Log reading above which to remedy, (cell,): inf if no reading justifies it, -inf if any."""

    def gain(reading: np.ndarray, cell: np.ndarray) -> np.ndarray:
        after = updated(_cells(radon, cell.astype(int)), test, reading)
        return (
            value[cell.astype(int)] * after.average(after.excess(problem.remedied)) - problem.remedy
        )

    cells = np.arange(radon.mean.shape[1])
    value = np.broadcast_to(problem.value, cells.shape)
    found = find_root(gain, (-FARTHEST, FARTHEST), args=(cells,))
    always = gain(np.full(cells.shape, -FARTHEST), cells) > 0
    return np.where(found.success, found.x, np.where(always, -np.inf, np.inf))


def _cells(radon: Radon, cell: np.ndarray) -> Radon:
    """Some cells of a mixture."""
    shape, width = radon.mean.shape, radon.mean.shape[1]
    return Radon(
        radon.mean[:, cell],
        np.broadcast_to(radon.sd, shape)[:, cell],
        np.broadcast_to(radon.shift, width)[cell],
        np.broadcast_to(radon.log_weight, shape)[:, cell],
    )


def reads_above(radon: Radon, test: Test, limit: np.ndarray) -> np.ndarray:
    """Pr(log reading > limit) given each component, (component, cell)."""
    return ndtr((radon.mean - limit) / test.reading(radon)[0])


def both_above(radon: Radon, level: float, test: Test, limit: np.ndarray) -> np.ndarray:
    """Pr(R > level, log reading > limit) given each component, (component, cell)."""
    sd, covariance = test.reading(radon)
    z = (radon.mean - np.log(level + radon.shift)) / radon.sd
    return bivariate(z, (radon.mean - limit) / sd, covariance / (sd * radon.sd))


def excess_above(radon: Radon, level: float, test: Test, limit: np.ndarray) -> np.ndarray:
    """E(max(R - level, 0); log reading > limit) given each component, (component, cell), pCi/L."""
    sd, covariance = test.reading(radon)
    correlation = covariance / (sd * radon.sd)
    cap = level + radon.shift
    z, w = (radon.mean - np.log(cap)) / radon.sd, (radon.mean - limit) / sd
    # Weighting a normal distribution by exp shifts its mean by its covariances.
    whole = np.exp(radon.mean + radon.sd**2 / 2)
    upper = whole * bivariate(z + radon.sd, w + covariance / sd, correlation)
    return np.maximum(upper - cap * bivariate(z, w, correlation), 0.0)


def bivariate(x: np.ndarray, y: np.ndarray, correlation: np.ndarray) -> np.ndarray:
    """Pr(X < x, Y < y) of standard normal variables, by Owen's T function.

    Owen (1956), Annals of Mathematical Statistics 27:1075-1090, equation 3.1.
    """
    x, y = (np.clip(np.where(v == 0, 1e-300, v), -HUGE, HUGE) for v in (x, y))
    root = np.sqrt(1 - correlation**2)
    t = owens_t(x, (y / x - correlation) / root) + owens_t(y, (x / y - correlation) / root)
    both = (ndtr(x) + ndtr(y)) / 2 - t - (x * y < 0) / 2
    return np.where(np.minimum(x, y) > -HUGE, np.maximum(both, 0.0), 0.0)


def boundaries(
    problem: Problem, test: Test, action_levels: np.ndarray, sd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Geometric mean radon from which to measure, and from which to remedy at once, pCi/L.

    For houses with log R ~ normal(M, sd^2), one pair for each action level (pCi/L) and sd. The
    two are equal where measuring never pays.
    """
    levels, sds = (np.ravel(each) for each in np.broadcast_arrays(action_levels, sd))

    def losses(means: np.ndarray, cell: np.ndarray) -> list[np.ndarray]:
        own = cell.ravel().astype(int)
        given = problem.at(levels[own])
        radon = Radon(means.reshape(1, -1), sds[None, own])
        measure = given.loss_measure(radon, test, limit_of(given, radon, test))
        every = given.loss_nothing(radon), measure, given.loss_remedy(radon)
        return [loss[0].reshape(means.shape) for loss in every]

    def crossing(first: int, second: int, low: np.ndarray, high: np.ndarray) -> np.ndarray:
        def difference(means: np.ndarray, cell: np.ndarray) -> np.ndarray:
            every = losses(means, cell)
            return every[first] - every[second]

        return find_root(difference, (low, high), args=(np.arange(levels.size),)).x

    low, high = np.log(problem.remedied) - 10.0, np.log(levels) + 10.0
    even = crossing(0, 2, low, high)
    _, measure, remedy = losses(even, np.arange(levels.size))
    # Without a crossing on its side, the root is missing.
    pays = measure < remedy
    ends = crossing(0, 1, low, even), crossing(1, 2, even, high)
    start, end = (np.exp(np.where(pays, root, even)) for root in ends)
    return start, end
