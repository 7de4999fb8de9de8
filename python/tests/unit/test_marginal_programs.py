"""Programs that integrate county effects out, against the density with all houses at once.

What a program calls its population is read from its draws, so that a new program
of the same make is tested here as soon as it is there.
"""

from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
import pandas as pd
import pytest
from cmdstanpy import CmdStanModel
from programs import ROOT, SHIPPED, executable, text_of, tiny_data
from scipy import special, stats

from pooling.fits.store import BY_HOUSE
from pooling.inputs.priors import Lkj, Normal, Priors, Spread
from pooling.programs.source import declared, normalised

GENERATED = {
    stem: declared(
        normalised(ROOT / "stan" / f"{stem}.stan", ROOT / "stan"), "generated quantities"
    )
    for stem in SHIPPED
}
# With the density of counties' houses, their effects integrated out; and those that sample so.
# Counties that learn from their neighbours are in test_spatial.py.
BY_COUNTY = [
    stem
    for stem in SHIPPED
    if "log_lik_county" in GENERATED[stem] and "distance" not in declared(text_of(stem))
]
MARGINAL = [stem for stem in BY_COUNTY if "alpha" in GENERATED[stem]]
# Standard deviations of houses, by the names of those that have the prior of `sigma`.
OF_HOUSES = ("sigma", "sigma_basement", "sigma_first_floor", "sigma_state")
LIMIT = 0.5  # of the six counties, the first has a house at it and the third none above
# No two alike, so that no two can be mistaken for each other.
PRIORS = Priors(
    alpha=Normal(loc=1, scale=2),
    beta=Normal(loc=-0.5, scale=1.5),
    mu_alpha=Normal(loc=1.2, scale=0.8),
    mu_beta=Normal(loc=-0.4, scale=0.9),
    gamma_alpha=Normal(loc=0.6, scale=0.7),
    gamma_beta=Normal(loc=-0.8, scale=0.4),
    delta_alpha=Normal(loc=0.3, scale=0.5),
    sigma=Spread(scale=1.1),
    sigma_alpha=Spread(scale=1.3, upper=4),
    sigma_beta=Spread(upper=3),
    sigma_alpha_state=Spread(scale=0.6),
    sigma_beta_state=Spread(scale=1.4, upper=5),
    rho=Lkj(shape=1.5),
)
DRAWS = 1000


@dataclass
class Population:
    """Draws of one program, and what they say of the effects before any house is seen."""

    draws: dict[str, np.ndarray]
    data: dict
    censoring: bool = False

    def centre(self, effect: str) -> np.ndarray:
        """Prior mean of each county's `alpha` or `beta` (draw, county)."""
        state = np.array(self.data["state"]) - 1
        if f"mu_{effect}_state" in self.draws:
            mean = self.draws[f"mu_{effect}_state"][:, state]
        else:
            own = getattr(PRIORS, effect).loc
            mean = self.draws.get(f"mu_{effect}", np.full(DRAWS, own))[:, None]
        for slope, predictor in (("gamma", "log_uranium"), ("delta", "first_floor_share")):
            if f"{slope}_{effect}" in self.draws:
                mean = mean + np.outer(self.draws[f"{slope}_{effect}"], self.data[predictor])
        return np.broadcast_to(mean, (DRAWS, self.data["J"]))

    def spread(self, effect: str) -> np.ndarray:
        """Prior standard deviation of `alpha` or `beta` (draw,); 0 if all counties share it."""
        if f"sigma_{effect}" in self.draws:
            return self.draws[f"sigma_{effect}"]
        shared = f"mu_{effect}" in self.draws
        return np.full(DRAWS, 0.0 if shared else getattr(PRIORS, effect).scale)

    @cached_property
    def covariance(self) -> np.ndarray:
        """Prior covariance of a county's (alpha, beta), (draw, 2, 2)."""
        spread = np.stack([self.spread("alpha"), self.spread("beta")], axis=-1)
        rho = self.draws.get("rho", np.zeros(DRAWS))
        correlation = np.array([[np.ones(DRAWS), rho], [rho, np.ones(DRAWS)]]).transpose(2, 0, 1)
        return spread[:, :, None] * correlation * spread[:, None, :]

    @cached_property
    def mean(self) -> np.ndarray:
        """Prior mean of (alpha, beta), (draw, county, 2)."""
        return np.stack([self.centre("alpha"), self.centre("beta")], axis=-1)

    @cached_property
    def sigma(self) -> np.ndarray:
        """Spread of houses in each county and on each floor (draw, county, floor)."""
        names = ["sigma"] * 2 if "sigma" in self.draws else ["sigma_basement", "sigma_first_floor"]
        shape = (DRAWS, self.data["J"])
        columns = [np.broadcast_to(self.draws[name].reshape(DRAWS, -1), shape) for name in names]
        return np.stack(columns, axis=-1)

    @cached_property
    def unit(self) -> float:
        """Spread of houses about the mean of their floor and county, by the root of counties.

        Of those counties that have a house.
        """
        houses = pd.DataFrame({name: self.data[name] for name in BY_HOUSE})
        floors = houses.groupby(["county", "floor_measure"])["log_radon"]
        within = (houses["log_radon"] - floors.transform("mean")) ** 2
        return np.sqrt(within.sum() / (len(houses) - floors.ngroups) / houses["county"].nunique())

    def county(self, j: int) -> tuple[np.ndarray, np.ndarray]:
        """Design (house, 2) and response of the houses of a county, from 0."""
        own = np.array(self.data["county"]) == j + 1
        floor, y = (np.array(self.data[name])[own] for name in ("floor_measure", "log_radon"))
        return np.column_stack([np.ones(y.size), floor]), y

    def house_covariance(self, j: int) -> np.ndarray:
        """Covariance of the houses of a county (draw, house, house), its effects unknown."""
        x, y = self.county(j)
        noise = self.sigma[:, j, x[:, 1].astype(int), None] ** 2 * np.eye(y.size)
        return noise + x @ self.covariance @ x.T


def six_counties() -> dict:
    """`tiny_data` with the last house in a sixth county: five have houses, county 4 has none."""
    data = tiny_data(PRIORS, J=6, log_limit=LIMIT)
    data["county"][-1] = 6
    for name, value in (("log_uranium", 0.2), ("first_floor_share", 0.0), ("state", 2)):
        data[name] = [*data[name], value]
    return data


@cache
def fit(stem: str) -> tuple[np.ndarray, Population]:
    """Log density as CmdStan reports it (draw,), and the population with its draws."""
    data = six_counties()
    run = CmdStanModel(exe_file=executable(stem)).sample(
        data=data,
        seed=20066,
        chains=1,
        iter_warmup=300,
        iter_sampling=DRAWS,
        sig_figs=17,
        show_progress=False,
    )
    censoring = "log_limit" in declared(text_of(stem))
    return run.method_variables()["lp__"][:, 0], Population(run.stan_variables(), data, censoring)


@pytest.fixture(params=MARGINAL)
def fitted(request):
    """What `fit` gives of a program that integrates county effects out."""
    return fit(request.param)


def scale_of(name: str, draws: dict[str, np.ndarray]) -> tuple:
    """Prior mean and standard deviation of a scaled distance, or of the effect where it is that.

    A distance in units of sigma / k has standard deviation k.
    """
    effect = name.partition("_")[0]
    own, mean, sd = (
        draws[f"{start}_{effect}{end}"].reshape(DRAWS, -1)
        for start, end in (("mu", "_state"), ("mu", ""), ("sigma", "_state"))
    )
    if np.array_equal(draws[name], own):
        return mean, sd
    return 0, sd * draws[name] / (own - mean)


def log_prior(population: Population) -> np.ndarray:
    """Log density of the sampled parameters as the sampler sees them, unbounded (draw,)."""
    total = np.zeros(DRAWS)
    for name, values in population.draws.items():
        flat = values.reshape(DRAWS, -1)
        prior = PRIORS.sigma if name in OF_HOUSES else getattr(PRIORS, name, None)
        if name == "sigma" and "sigma_state" in population.draws:
            continue  # those of the states, by county
        if name.startswith("sigma") and name.endswith("_free"):
            continue  # the same number seen otherwise; what it adds to the density is below
        if name.endswith(("_tilde", "_free")):
            terms = stats.norm.logpdf(flat, *scale_of(name, population.draws))
        elif name in ("alpha", "beta") or prior is None:
            continue
        elif isinstance(prior, Normal):
            terms = stats.norm.logpdf(flat, prior.loc, prior.scale)
        elif isinstance(prior, Spread) and name != "sigma" and f"{name}_free" in population.draws:
            free = population.draws[f"{name}_free"]
            slope = special.expit(free) - special.expit(free - prior.upper / population.unit)
            terms = (-0.5 * (values / prior.scale) ** 2 + np.log(slope))[:, None]
        elif isinstance(prior, Spread):
            # With the derivative of x = U / (1 + exp(-u)), or of exp(u) where U is infinite.
            terms = -0.5 * (flat / prior.scale) ** 2 + np.log(flat) + np.log1p(-flat / prior.upper)
        else:
            # LKJ, with the derivative of 2 / (1 + exp(-u)) - 1.
            terms = prior.shape * np.log1p(-(flat**2))
        total += terms.sum(axis=1)
    return total


def log_likelihood(population: Population) -> np.ndarray:
    """Log density of each county's houses with the county's effects unknown (draw, county)."""
    total = np.zeros((DRAWS, population.data["J"]))
    for j in range(population.data["J"]):
        x, y = population.county(j)
        if not y.size:
            continue
        covariance = population.house_covariance(j)
        off = y - population.mean[:, j] @ x.T
        below = np.flatnonzero(population.censoring & (y <= LIMIT))
        for i in below:  # no county has two
            total[:, j] += log_below(LIMIT - y[i], off, covariance, i)
        rest = np.setdiff1d(np.arange(y.size), below)
        off, covariance = off[:, rest], covariance[:, rest][..., rest]
        square = (off * np.linalg.solve(covariance, off[..., None])[..., 0]).sum(axis=1)
        determinant = np.linalg.slogdet(covariance)[1]
        total[:, j] += -0.5 * (square + determinant + rest.size * np.log(2 * np.pi))
    return total


def log_below(above: float, off: np.ndarray, covariance: np.ndarray, i: int) -> np.ndarray:
    """Log probability of house i up to a limit given the other houses of its county (draw,).

    Parameters
    ----------
    above
        The limit minus the recorded radon of house i.
    off
        Recorded radon minus its prior expectation, (draw, house).
    """
    rest = np.delete(np.arange(off.shape[1]), i)
    cross = covariance[:, i, rest]
    gain = np.linalg.solve(covariance[:, rest][..., rest], cross[..., None])[..., 0]
    mean = (gain * off[:, rest]).sum(axis=1)
    sd = np.sqrt(covariance[:, i, i] - (gain * cross).sum(axis=1))
    return stats.norm.logcdf((off[:, i] + above - mean) / sd)


def test_log_density_is_that_of_all_houses_at_once(fitted):
    lp, population = fitted
    # Stan leaves out what depends on no parameter: the same in every draw.
    left_out = lp - log_prior(population) - log_likelihood(population).sum(axis=1)
    assert np.ptp(lp) > 5
    assert np.ptp(left_out) < 1e-7


@pytest.mark.parametrize("stem", BY_COUNTY)
def test_density_of_counties_is_that_of_their_houses_at_once(stem):
    """Also of programs that sample county effects, which play no part in it."""
    _, population = fit(stem)
    found = population.draws["log_lik_county"]
    exact = log_likelihood(population)
    assert not exact[:, 3].any(), "county 4 has no house, so a density of 1"
    assert np.abs(found - exact).max() < 1e-8 * (1 + np.abs(exact).max())


def test_effects_are_drawn_from_their_conditional_distribution(fitted):
    _, population = fitted
    drawn = np.stack([population.draws["alpha"], population.draws["beta"]], axis=-1)
    common_slope = not population.covariance[:, 1, 1].any()
    if common_slope:
        assert np.array_equal(drawn[..., 1], population.centre("beta"))
    for j in range(population.data["J"]):
        x, y = population.county(j)
        if population.censoring and (y <= LIMIT).any():
            continue  # not normal; test_stan_functions.py has their moments
        gain = population.covariance @ x.T @ np.linalg.inv(population.house_covariance(j))
        mean = population.mean[:, j]
        off = drawn[:, j] - mean - (gain @ (y - mean @ x.T)[..., None])[..., 0]
        left = population.covariance - gain @ x @ population.covariance
        z = off[:, :1] / np.sqrt(left[:, :1, 0])
        if not common_slope:
            z = np.linalg.solve(np.linalg.cholesky(left), off[..., None])[..., 0]
        # Independent, of mean 0 and variance 1, within four standard errors.
        products = z[:, :, None] * z[:, None, :] - np.eye(z.shape[1])
        assert abs(z.mean(axis=0)).max() < 4 / np.sqrt(DRAWS)
        assert abs(products.mean(axis=0)).max() < 4 * np.sqrt(2 / DRAWS)
