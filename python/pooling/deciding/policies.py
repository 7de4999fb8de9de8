"""What policies for all houses would cost and save, as figure 9.7 of Gelman et al. (2013).

A policy says for each cell of houses whether they are tested, by which test, and above which
reading they are remedied. Bayesian Data Analysis, section 9.4, compares the same policies for the
whole United States.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from pooling.deciding.tree import (
    Problem,
    Radon,
    Test,
    both_above,
    excess_above,
    limit_of,
    reads_above,
)
from pooling.inputs.decision import Decision, Kind

HIGH = (4.0, 8.0)  # pCi/L: levels above which the book counts the houses that are treated
ZONE_1 = 4.0  # pCi/L, mean screening measurement: counties of zone 1 of the US EPA's map
INTERVAL = (0.05, 0.95)
ACTIONS = ("nothing", "measure", "remedy")


@dataclass(frozen=True)
class Policy:
    """What is done in each cell.

    Attributes
    ----------
    tested
        Whether houses are tested, (cell,).
    test
        How.
    limit
        Log reading above which they are remedied, (cell,): -inf remedies all, inf none.
    """

    tested: np.ndarray
    test: Test
    limit: np.ndarray


@dataclass(frozen=True)
class Houses:
    """The houses for which policies are compared.

    Attributes
    ----------
    radon
        Annual living-area radon of each cell.
    number
        Houses in each cell, (cell,).
    log_factor
        Logarithm of annual radon over an uncorrected screening measurement, (cell,).
    added
        What is added to a measurement before taking logarithms, pCi/L.
    screening
        Mean screening measurement of each cell's county, (cell,), pCi/L.
    """

    radon: Radon
    number: np.ndarray
    log_factor: np.ndarray
    added: float
    screening: np.ndarray


def best_action(problem: Problem, radon: Radon, test: Test) -> tuple[np.ndarray, np.ndarray]:
    """The action with the smallest expected loss, a position in `ACTIONS`, and the test's limit."""
    limit = limit_of(problem, radon, test)
    losses = problem.loss_nothing(radon), problem.loss_measure(radon, test, limit)
    every = np.stack([radon.average(loss) for loss in (*losses, problem.loss_remedy(radon))])
    return every.argmin(axis=0), limit


def best(problem: Problem, radon: Radon, test: Test) -> Policy:
    """The policy that has the smallest expected loss in each cell."""
    action, limit = best_action(problem, radon, test)
    return Policy(
        action == 1, test, np.select([action == 0, action == 1], [np.inf, limit], -np.inf)
    )


def policies(
    problem: Problem, houses: Houses, tests: dict[Kind, Test], kind: Kind
) -> Iterator[tuple[str, Policy]]:
    """Policies by name, at the problem's action level.

    Parameters
    ----------
    tests
        By kind, "long-term" and "screening".
    kind
        That of the recommended policy.
    """
    every, level = np.ones(houses.number.shape, bool), problem.action_level
    corrected = np.log(level + houses.radon.shift) * every
    raw = np.log(level + houses.added) + houses.log_factor
    zone = houses.screening > ZONE_1
    yield "ours", best(problem, houses.radon, tests[kind])
    yield "long_term", Policy(every, tests["long-term"], corrected)
    yield "screening", Policy(every, tests["screening"], corrected)
    yield "screening_uncorrected", Policy(every, tests["screening"], raw)
    yield "epa_zone", Policy(zone, tests["long-term"], np.where(zone, corrected, np.inf))
    yield "nothing", Policy(~every, tests["long-term"], np.full(every.shape, np.inf))


def outcome(policy: Policy, problem: Problem, houses: Houses, deaths: float) -> dict[str, float]:
    """Cost and effect of a policy.

    Parameters
    ----------
    deaths
        Expected deaths in a household per pCi/L over all the years.

    Returns
    -------
    dict
        cost (dollars), lives (deaths avoided over all the years), lives_q5, lives_q95 (central
        90% of the posterior of their expectation), measured, remedied (shares of houses),
        treated_above_4, treated_above_8 (shares of the houses above 4 and 8 pCi/L that are
        remedied), houses.
    """
    radon, number = houses.radon, houses.number
    total = number.sum()
    remedied = reads_above(radon, policy.test, policy.limit)
    avoided = excess_above(radon, problem.remedied, policy.test, policy.limit)
    lives = deaths * (number * avoided).sum(axis=1)
    share = (number * radon.average(remedied)).sum() / total
    measured = (number * policy.tested).sum() / total
    found = {
        "cost": total * (policy.test.cost * measured + problem.remedy * share),
        "lives": lives.mean(),
        "lives_q5": np.quantile(lives, INTERVAL[0]),
        "lives_q95": np.quantile(lives, INTERVAL[1]),
        "measured": measured,
        "remedied": share,
    }
    for level in HIGH:
        treated = radon.average(both_above(radon, level, policy.test, policy.limit))
        above = (number * radon.average(radon.above(level))).sum()
        found[f"treated_above_{level:g}"] = (number * treated).sum() / above
    return found | {"houses": total}


def compare(
    problem: Problem,
    levels: Sequence[float],
    houses: Houses,
    tests: dict[Kind, Test],
    decision: Decision,
) -> pd.DataFrame:
    """Outcomes of all policies at each action level: policy, action_level and those of `outcome`.

    Of the section it uses the test of the recommended policy and the household.
    """
    rows = []
    for level in levels:
        own = problem.at(level)
        for name, policy in policies(own, houses, tests, decision.test):
            effect = outcome(policy, own, houses, decision.deaths_per_pci)
            rows.append({"policy": name, "action_level": level} | effect)
    return pd.DataFrame(rows)
