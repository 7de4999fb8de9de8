"""What to do in single houses, after their own test if they have one."""

import numpy as np
import pandas as pd

from pooling.deciding.annual import of_screening
from pooling.deciding.policies import ACTIONS
from pooling.deciding.tree import Problem, Radon, limit_of, test_of, updated
from pooling.inputs.decision import TEST_COSTS, Decision, Kind
from pooling.inputs.response import ZERO, Response
from pooling.inputs.tables import Table

ADVICE = ("annual_mean", *(f"loss_{name}" for name in ACTIONS), "action")


def kinds_of_tests(table: Table, others: pd.DataFrame) -> np.ndarray:
    """Kind of test of each house, from the column `test`; "screening" where it says nothing.

    Raises
    ------
    DataError
        It says something else.
    """
    if "test" not in others:
        return np.full(len(table.rows), "screening")
    written = others["test"].fillna("").astype(str).str.strip().replace("", "screening")
    unknown = ~written.isin([*TEST_COSTS])
    if unknown.any():
        read = Table(table.path, {"test": "test"}, others[["test"]])
        problem = f"is not a kind of test; write {' or '.join(TEST_COSTS)}"
        raise read.error("test", int(unknown.idxmax()), problem)
    return written.to_numpy(str)


def advice(
    level: np.ndarray,
    sd: np.ndarray,
    floor: np.ndarray,
    activity: np.ndarray,
    kind: np.ndarray,
    decision: Decision,
    response: Response,
) -> pd.DataFrame:
    """Expected losses and the best action of each house.

    Parameters
    ----------
    level, sd
        Draws of the mean and standard deviation of a screening measurement in such a house,
        (sample, house), log pCi/L.
    floor
        0 or 1, (house,).
    activity
        Its own measurement, in the study's unit, (house,); missing without one.
    kind
        "screening" or "long-term", of that measurement.

    Returns
    -------
    DataFrame
        annual_mean (expected annual radon in the living area, given the house's own test;
        study's unit), loss_nothing, loss_measure (missing after a long-term test), loss_remedy
        (dollars), action ("nothing", "measure", "remedy"). Everything is missing where houses
        vary less than the noise of a test.
    """
    empty = pd.DataFrame({name: np.full(floor.shape, np.nan) for name in ADVICE})
    radon = of_screening(level, sd, floor, decision, response.added)
    if radon is None:
        return empty
    radon = after_own_test(radon, floor, activity, kind, decision, response)
    problem, test = Problem.of(decision), test_of(decision, decision.test)
    limit = limit_of(problem, radon, test)
    losses = {
        "nothing": radon.average(problem.loss_nothing(radon)),
        "measure": radon.average(problem.loss_measure(radon, test, limit)),
        "remedy": radon.average(problem.loss_remedy(radon)),
    }
    settled = (kind == "long-term") & ~np.isnan(activity)
    losses["measure"] = np.where(settled, np.nan, losses["measure"])
    best = np.nanargmin(np.stack([losses[name] for name in ACTIONS]), axis=0)
    found = {"annual_mean": response.from_pci(radon.average(radon.expected()))}
    found |= {f"loss_{name}": loss for name, loss in losses.items()}
    return pd.DataFrame(found).assign(action=np.array(ACTIONS)[best])[[*ADVICE]]


def after_own_test(
    radon: Radon,
    floor: np.ndarray,
    activity: np.ndarray,
    kind: np.ndarray,
    decision: Decision,
    response: Response,
) -> Radon:
    """Radon of the houses given their own tests; unchanged without one."""
    pci = activity / response.from_pci(1.0)
    factor = np.where(floor == 1, decision.factor["first floor"], decision.factor["basement"])
    readings: dict[Kind, np.ndarray] = {
        "screening": response.log_radon(activity) + np.log(factor),
        "long-term": np.log(np.where((pci == 0) & (radon.shift == 0), ZERO, pci + radon.shift)),
    }
    mean, spread, weight = (
        np.array(np.broadcast_to(each, radon.mean.shape))
        for each in (radon.mean, radon.sd, radon.log_weight)
    )
    for own, reading in readings.items():
        chosen = (kind == own) & ~np.isnan(activity)
        if chosen.any():
            after = updated(radon, test_of(decision, own), reading)
            mean[:, chosen], spread[:, chosen] = after.mean[:, chosen], after.sd[:, chosen]
            weight[:, chosen] = np.asarray(after.log_weight)[:, chosen]
    return Radon(mean, spread, radon.shift, weight)
