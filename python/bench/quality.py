"""Is a run to be trusted, and how much did it find out a second: the same code for every engine."""

from collections.abc import Mapping
from dataclasses import dataclass

import arviz_stats
import numpy as np

from bench.exchange import EFFECTS, POPULATION
from pooling.fits.limits import MAX_R_HAT, MIN_ESS_PER_CHAIN


@dataclass(frozen=True)
class Quality:
    """The worst over population parameters and county effects.

    R-hat and bulk effective sample size are those of Vehtari, Gelman, Simpson, Carpenter and
    Buerkner (2021), Bayesian Analysis 16(2).
    """

    min_ess_bulk: float
    max_r_hat: float
    divergences: int
    chains: int

    @property
    def passed(self) -> bool:
        """Whether the run passes the gate that fits of the workflow pass, as far as shared."""
        enough = self.min_ess_bulk >= MIN_ESS_PER_CHAIN * self.chains
        return enough and self.max_r_hat <= MAX_R_HAT and self.divergences == 0


def quality(draws: Mapping[str, np.ndarray], divergences: int) -> Quality:
    """Quality of draws, each (chain, draw) or (chain, draw, county)."""
    every = [draws[name] for name in (*POPULATION, *EFFECTS)]
    flat = np.concatenate([values.reshape(*values.shape[:2], -1) for values in every], axis=2)
    return Quality(
        min_ess_bulk=float(np.min(arviz_stats.ess(flat, method="bulk"))),
        max_r_hat=float(np.max(arviz_stats.rhat(flat))),
        divergences=int(divergences),
        chains=flat.shape[0],
    )
