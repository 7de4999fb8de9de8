"""From a fit of screening measurements to annual living-area radon of new houses.

Within a county and floor, the logarithm of a screening measurement is

    level of the county + what is particular to the house + noise of the test,

and the logarithm of annual radon in the living area is

    level of the county + log(factor) + what is particular to the house + its own factor,

where the program's `sigma` is the standard deviation of the last two terms of the first line. The
study's section `[decision]` gives the factor, the noise and the standard deviation of the houses'
own factors, which no survey of single measurements can tell.
"""

from collections.abc import Collection

import numpy as np
import pandas as pd

from pooling.build.errors import StudyError
from pooling.deciding.tree import Radon
from pooling.fits.new_house import house_sd
from pooling.fits.spacing import positions
from pooling.fits.store import Fit
from pooling.fitting.generate import SCORED
from pooling.inputs.decision import Decision
from pooling.inputs.sections import FLOORS
from pooling.inputs.study import study_file

CONTRADICTING = 0.05


def has_expectation(parameters: Collection[str]) -> bool:
    """Whether radon has an expectation: not with Student-t errors of its logarithm."""
    return "nu" not in parameters


def annual(fit: Fit, decision: Decision, count: int = SCORED) -> Radon:
    """Annual living-area radon of new houses in each county and on each floor.

    Parameters
    ----------
    fit
        With normal errors of log radon.
    count
        Number of evenly spaced draws, each a component; all if there are fewer.

    Returns
    -------
    Radon
        Cells are counties in the order of `Fit.counties`, on the first floor after all basements.

    Raises
    ------
    StudyError
        Houses of the survey differ by less than the noise of a screening test alone, in more
        than a share of `CONTRADICTING` of the draws.
    """
    chosen, effects = positions(fit.tree["posterior"].to_dataset(), count), fit.effects()
    alpha, beta = (effects[name].values[chosen] for name in ("alpha", "beta"))
    sigma = [np.broadcast_to(house_sd(fit, floor)[chosen], alpha.shape) for floor in (0, 1)]
    means = np.concatenate([alpha, alpha + beta], axis=1)
    floors = np.repeat([0, 1], alpha.shape[1])
    radon = of_screening(means, np.concatenate(sigma, axis=1), floors, decision, fit.response.added)
    if radon is None:
        raise StudyError(
            f"{study_file(fit.study)}: decision.screening_spread: the noise that it leaves to a "
            f"single test, a factor of {np.exp(decision.screening_noise):.2f}, exceeds all "
            f"differences between houses of a county under {fit.model}; lower it, or raise "
            "factor_spread"
        )
    return radon


def of_screening(
    mean: np.ndarray, sd: np.ndarray, floor: np.ndarray, decision: Decision, added: float
) -> Radon | None:
    """Annual radon of houses whose screening measurements are normal given each draw.

    Parameters
    ----------
    mean, sd
        Of the logarithm of a measurement plus `added`, (component, cell), log pCi/L.
    floor
        Where it stands, 0 or 1, (cell,).
    added
        pCi/L.

    Returns
    -------
    Radon or None
        None if measurements vary less than the noise of a single one in more than a share of
        `CONTRADICTING` of the draws.
    """
    seen = sd**2 - decision.screening_noise**2
    if ((seen <= 0).mean(axis=0) > CONTRADICTING).any():
        return None
    # In the few draws that contradict the settings, houses differ in their factors only.
    seen = np.maximum(seen, 0.0)
    factor = np.array([decision.factor[name] for name in FLOORS])[np.asarray(floor, int)]
    return Radon(mean + np.log(factor), np.sqrt(seen + decision.factor_sd**2), added * factor)


def cells(fit: Fit) -> pd.DataFrame:
    """Names of the cells of `annual`: rows of `Fit.counties` with their floor."""
    return pd.concat([fit.counties.assign(floor=floor) for floor in FLOORS], ignore_index=True)


def screening_level(fit: Fit, decision: Decision, radon: Radon) -> np.ndarray:
    """Mean screening measurement in each cell of `annual`, (cell,), pCi/L."""
    log_factor = np.log(cells(fit)["floor"].map(decision.factor).to_numpy(float))
    variance = radon.sd**2 - decision.factor_sd**2 + decision.screening_noise**2
    return radon.average(np.exp(radon.mean - log_factor + variance / 2)) - fit.response.added
