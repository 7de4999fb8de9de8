"""The decision tree: published numbers, independent quadrature, and mixtures against one normal.

Losses and thresholds are of Gelman et al. (2013), Bayesian Data Analysis, equations 9.4 to 9.13,
computed by two quadratures that agree; they are given to the last digit shown.
"""

import numpy as np
import pytest
from scipy import integrate, stats

from pooling.deciding.tree import (
    Problem,
    Radon,
    Test,
    bivariate,
    both_above,
    boundaries,
    excess_above,
    limit_of,
    updated,
)
from pooling.inputs.decision import Decision

Test.__test__ = False
PROBLEM = Problem(2000.0, 2.0, 1000.0)
LONG_TERM = Test(50.0, 1 / 30, np.log(1.2))


def house(median, spread=2.3):
    return Radon(np.log([[median]]), np.log([[spread]]))


def within(found, wanted, error=0.005):
    assert found == pytest.approx(wanted, rel=error)


@pytest.mark.parametrize(
    ("median", "remedy", "nothing", "measure", "above", "action"),
    [
        (0.5, 2660, 707, 773, 4.35, "nothing"),
        (1, 3112, 1415, 1424, 4.20, "nothing"),
        (1.5, 3394, 2122, 1961, 4.12, "measure"),
        (2, 3573, 2829, 2390, 4.07, "measure"),
        (4, 3866, 5659, 3415, 3.93, "measure"),
        (8, 3975, 11317, 4181, 3.81, "remedy"),
    ],
)
def test_losses_at_an_action_level_of_4(median, remedy, nothing, measure, above, action):
    limit = limit_of(PROBLEM, house(median), LONG_TERM)
    losses = {
        "remedy": PROBLEM.loss_remedy(house(median)).item(),
        "nothing": PROBLEM.loss_nothing(house(median)).item(),
        "measure": PROBLEM.loss_measure(house(median), LONG_TERM, limit).item(),
    }
    wanted = {"remedy": remedy, "nothing": nothing, "measure": measure}
    within(list(losses.values()), list(wanted.values()))
    within(np.exp(limit).item(), above)
    assert min(losses, key=losses.get) == action


@pytest.mark.parametrize(
    ("level", "spread", "start", "end"),
    [
        (3, 2.3, 0.73, 4.36),
        (4, 2.3, 1.04, 6.31),
        (5, 2.3, 1.35, 8.02),
        (8, 2.3, 2.27, 12.86),
        (10, 2.3, 2.88, 16.0),
        (20, 2.3, 5.93, 31.8),
        (4, 1.9, 1.65, 5.75),
        (4, 2.1, 1.31, 6.08),
        (4, 2.5, 0.84, 6.46),
        (4, 3.0, 0.52, 6.57),
    ],
)
def test_levels_from_which_to_measure_and_to_remedy(level, spread, start, end):
    found = boundaries(PROBLEM, LONG_TERM, np.array(level), np.log(spread))
    # Printed to two decimals.
    assert np.concatenate(found) == pytest.approx([start, end], rel=0.005, abs=0.005)


def test_a_test_that_costs_more_than_it_tells_is_never_bought():
    """Then one level divides the houses, at which nothing and a remedy cost the same."""
    dear = Test(5000.0, 1 / 30, np.log(1.2))
    start, end = boundaries(PROBLEM, dear, np.array(4.0), np.log(2.3))
    assert start == end
    at = house(start.item())
    within(PROBLEM.loss_nothing(at).item(), PROBLEM.loss_remedy(at).item(), 1e-6)


def test_value_of_radon_follows_from_the_action_level():
    """The published table: 4, 5, 10 and 20 pCi/L are $1000, $670, $250 and $111 per pCi/L."""
    for level, dollars in ((4, 1000), (5, 670), (10, 250), (20, 111)):
        within(Decision(action_level=level).dollars_per_pci, dollars)
        within(PROBLEM.at(level).action_level, level, 1e-12)


@pytest.mark.parametrize(
    ("household", "dollars", "level"), [("two nonsmokers", 370, 7.4), ("two smokers", 1900, 3.1)]
)
def test_households_that_pay_21_cents_per_millionth(household, dollars, level):
    """The published households: dollars per pCi/L, and the level at which to act."""
    decision = Decision(value_of_life=210_000, household=household)
    within(decision.dollars_per_pci, dollars)
    assert round(decision.indifferent_level, 1) == level


def test_a_test_with_an_unseen_part_against_quadrature():
    """E(max(R - 2, 0); reading > limit) by numerical integration of its definition.

    log R = seen + unseen with variances 0.5 and 0.16; the reading is seen + noise, variance 0.2.
    """
    test = Test(20.0, 0.0, np.sqrt(0.2), 0.4)
    radon = Radon(np.array([[0.7]]), np.sqrt([[0.66]]), 0.05)
    limit = np.array([1.1])

    def part(seen):
        # Given what is seen, the reading and the unseen part are independent.
        reads = stats.norm.sf(limit[0], seen, np.sqrt(0.2))
        own = Radon(np.array([[seen]]), np.array([[0.4]]), 0.05).excess(2.0).item()
        return stats.norm.pdf(seen, 0.7, np.sqrt(0.5)) * reads * own

    wanted = integrate.quad(part, -5, 7)[0]
    within(excess_above(radon, 2.0, test, limit).item(), wanted, 1e-6)


def test_reading_of_an_unbiased_test_updates_as_published():
    """Equation 9.7: precision-weighted mean and variance, M = log 2, S = log 2.3, reading log 5."""
    after = updated(house(2), LONG_TERM, np.log(5))
    precisions = 1 / np.log([2.3, 1.2]) ** 2
    within(after.mean.item(), (precisions @ np.log([2, 5])) / precisions.sum(), 1e-9)
    within(after.sd.item(), precisions.sum() ** -0.5, 1e-9)


def test_components_are_weighted_by_what_they_predict_of_a_reading():
    """Bayes' theorem for two components with equal weights, by hand."""
    radon = Radon(np.array([[0.0], [1.0]]), np.array([[0.5], [0.8]]))
    after = updated(radon, LONG_TERM, 0.9)
    spread = np.sqrt(np.array([0.5, 0.8]) ** 2 + np.log(1.2) ** 2)
    density = stats.norm.pdf(0.9, [0.0, 1.0], spread)
    assert after.weight[:, 0] == pytest.approx(density / density.sum())


def test_loss_after_measuring_is_the_mean_over_readings():
    """A mixture of two components: equation 9.13 by integration over the reading."""
    radon = Radon(np.array([[0.2], [1.0]]), np.array([[0.7], [0.9]]))
    limit = limit_of(PROBLEM, radon, LONG_TERM)
    spread = LONG_TERM.reading(radon)[0][:, 0]

    def part(reading):
        after = updated(radon, LONG_TERM, reading)
        density = stats.norm.pdf(reading, [0.2, 1.0], spread).mean()
        losses = PROBLEM.loss_remedy(after), PROBLEM.loss_nothing(after)
        return density * min(after.average(loss)[0] for loss in losses)

    inner = integrate.quad(part, -6, 8, points=[limit[0]], limit=200)[0]
    found = radon.average(PROBLEM.loss_measure(radon, LONG_TERM, limit))[0]
    waiting = radon.average(PROBLEM.loss_nothing(radon))[0] / 30
    within(found, 50 + waiting + inner, 1e-6)


def test_many_draws_that_agree_are_one_normal():
    """Draws of M with variance 0.04 about 0.5 and S^2 = 0.6 are log R ~ normal(0.5, 0.64)."""
    rng = np.random.default_rng(1)
    means = 0.5 + 0.2 * rng.standard_normal((20_000, 1))
    draws = Radon(means, np.full((20_000, 1), np.sqrt(0.6)))
    one = Radon(np.array([[0.5]]), np.sqrt([[0.64]]))
    limits = [limit_of(PROBLEM, radon, LONG_TERM) for radon in (draws, one)]
    within(limits[0], limits[1])
    losses = [
        [radon.average(loss).item() for loss in (
            PROBLEM.loss_nothing(radon),
            PROBLEM.loss_remedy(radon),
            PROBLEM.loss_measure(radon, LONG_TERM, limit),
        )]
        for radon, limit in zip((draws, one), limits, strict=True)
    ]  # fmt: skip
    within(losses[0], losses[1])


def test_no_reading_justifies_a_remedy_that_costs_a_fortune():
    fortune = Problem(1e9, 2.0, 1e-3)
    assert limit_of(fortune, house(1), LONG_TERM).item() == np.inf
    limit = np.array([np.inf])
    assert both_above(house(1), 4.0, LONG_TERM, limit).item() == 0
    nothing = fortune.loss_nothing(house(1)).item()
    found = fortune.loss_measure(house(1), LONG_TERM, limit).item()
    assert found == pytest.approx(50 + nothing * (1 + 1 / 30))


def test_every_reading_of_a_poor_test_justifies_a_remedy_where_radon_is_high():
    poor = Test(20.0, 0.0, 50.0)
    limit = limit_of(PROBLEM, house(20), poor)
    assert limit.item() == -np.inf
    found = PROBLEM.loss_measure(house(20), poor, limit).item()
    assert found == pytest.approx(20 + PROBLEM.loss_remedy(house(20)).item())


@pytest.mark.parametrize("x", [-1.3, 0.0, 0.4, 15.0])
@pytest.mark.parametrize("y", [-0.6, 0.0, 2.0])
@pytest.mark.parametrize("correlation", [0.2, 0.95])
def test_bivariate_normal_probability(x, y, correlation):
    cov = [[1, correlation], [correlation, 1]]
    wanted = stats.multivariate_normal.cdf([x, y], cov=cov)
    found = bivariate(np.array([x]), np.array([y]), np.array([correlation]))
    assert found == pytest.approx(wanted, abs=1e-6)
