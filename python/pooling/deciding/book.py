"""The numbers of Bayesian Data Analysis, section 9.4, beside what its formulas give.

The third edition (Gelman et al. 2013, pages 246 to 256) and the paper before it (Lin, Gelman, Price
and Krantz 1999, Statistical Science 14:305-337) describe the United States by a model that was
not published. Here a nation of lognormal houses stands in for it, of which they give the moments,
so that its totals need agree only roughly; thresholds and losses follow from the formulas alone.
"""

import numpy as np
import pandas as pd
from scipy.special import ndtr, ndtri

from pooling.deciding.policies import Houses, best_action, compare
from pooling.deciding.tree import Problem, Radon, Test, boundaries, limit_of, test_of
from pooling.inputs.decision import Decision, Kind

HOUSES = 70e6  # ground-contact houses
MEDIAN, SPREAD = 0.67, 3.1  # pCi/L and geometric standard deviation of all houses
WITHIN = 2.3  # geometric standard deviation of the prediction of one house
GROUPS = 2000  # groups of equally many houses with one prediction each

BOOK = "Gelman et al. (2013), section 9.4, "
BRANCHES, TOTALS = "Deciding among the three branches", "Aggregate consequences"
PUBLISHED = (
    (
        "measure_from",
        1.0,
        BRANCHES,
        "pCi/L, geometric mean of the prediction from which to measure",
    ),
    ("remedy_from", 3.5, BRANCHES, "pCi/L, geometric mean from which to remedy without measuring"),
    ("nothing", 0.68, BRANCHES, "share of houses for which nothing is done"),
    ("measured", 0.26, TOTALS, "share measured; elsewhere 28%"),
    ("remedied_at_once", 0.05, BRANCHES, "share remedied without measuring"),
    ("remedied", 0.045, TOTALS, "share remedied in all"),
    ("treated_above_4", 0.74, TOTALS, "share remedied of the houses above 4 pCi/L"),
    ("treated_above_8", 0.91, TOTALS, "share remedied of the houses above 8 pCi/L"),
    ("cost", 7.3e9, TOTALS, "dollars for tests and remedies"),
    ("lives", 83_000, TOTALS, "deaths avoided in 30 years; elsewhere 84,000"),
)


def published_problem() -> tuple[Problem, dict[Kind, Test]]:
    """The problem at an action level of 4 pCi/L, and tests that see all of a house's radon."""
    settings = Decision()
    long_term = test_of(settings, "long-term")
    screening = Test(settings.cost_of("screening"), 0.0, np.log(settings.screening_spread))
    return Problem.of(settings), {"long-term": long_term, "screening": screening}


def nation() -> Houses:
    """Houses whose predictions vary as much as makes all of them together as published."""
    between = np.sqrt(np.log(SPREAD) ** 2 - np.log(WITHIN) ** 2)
    means = np.log(MEDIAN) + between * ndtri((np.arange(GROUPS) + 0.5) / GROUPS)
    radon = Radon(means[None], np.full((1, GROUPS), np.log(WITHIN)))
    none = np.zeros(GROUPS)
    return Houses(radon, np.full(GROUPS, HOUSES / GROUPS), none, 0.0, none)


def recomputed() -> dict[str, float]:
    """What the formulas give for each quantity of `PUBLISHED`."""
    problem, tests = published_problem()
    houses, test = nation(), tests["long-term"]
    start, end = boundaries(problem, test, np.array(problem.action_level), np.log(WITHIN))
    action, _ = best_action(problem, houses.radon, test)
    shares = np.bincount(action, minlength=3) / GROUPS
    effects = compare(problem, [float(problem.action_level)], houses, tests, Decision())
    ours = effects.set_index("policy").loc["ours"].to_dict()
    own = {"measure_from": float(start[0]), "remedy_from": float(end[0])}
    return ours | own | {"nothing": shares[0], "remedied_at_once": shares[2]}


def at_published_threshold() -> float:
    """Dollars that measuring saves against remedying at once, where the book's figure has it."""
    problem, tests = published_problem()
    threshold = {name: value for name, value, *_ in PUBLISHED}["remedy_from"]
    house = Radon(np.log([[threshold]]), np.log([[WITHIN]]))
    test = tests["long-term"]
    limit = limit_of(problem, house, test)
    measure = problem.loss_measure(house, test, limit)
    return float((problem.loss_remedy(house) - measure)[0, 0])


def upper_part(mean: float, sd: float, limit: float) -> float:
    """E(exp(z) | z > limit) Pr(z > limit) for z ~ normal(mean, sd^2)."""
    return float(np.exp(mean + sd**2 / 2) * ndtr((mean + sd**2 - limit) / sd))


def upper_part_as_printed(mean: float, sd: float, limit: float) -> float:
    """The same by the identity as it is printed above equation 9.8, which gives the other tail."""
    return float(np.exp(mean + sd**2 / 2) * (1 - ndtr((mean + sd**2 - limit) / sd)))


def book() -> pd.DataFrame:
    """One row per quantity: quantity, published, recomputed, source, about."""
    ours = recomputed()
    rows: list[dict] = [
        {"quantity": name, "published": value, "recomputed": ours[name], "source": BOOK + place}
        | {"about": about}
        for name, value, place, about in PUBLISHED
    ]
    house = float(np.log(4)), float(np.log(WITHIN)), float(np.log(2))
    rows += [
        {
            "quantity": "saved_at_3.5",
            "recomputed": at_published_threshold(),
            "source": BOOK + BRANCHES,
        }
        | {"about": "dollars by which measuring beats remedying at once where the book begins to"},
        {
            "quantity": "upper_part",
            "published": upper_part_as_printed(*house),
            "recomputed": upper_part(*house),
            "source": BOOK + "Decision analysis for individual homeowners",
            "about": "E(R | R > 2) Pr(R > 2) in pCi/L, geometric mean 4, by the printed identity",
        },
    ]
    return pd.DataFrame(rows, columns=["quantity", "published", "recomputed", "source", "about"])
