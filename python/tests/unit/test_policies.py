"""Policies for all houses, and the book's numbers beside ours."""

import numpy as np
import pytest

from pooling.deciding.book import PUBLISHED, book, nation, published_problem
from pooling.deciding.policies import Houses, compare
from pooling.deciding.tree import Radon
from pooling.inputs.decision import Decision


@pytest.fixture(scope="module")
def table():
    return book().set_index("quantity")


@pytest.fixture(scope="module")
def effects():
    problem, tests = published_problem()
    return compare(problem, [4.0], nation(), tests, Decision()).set_index("policy")


@pytest.mark.parametrize("quantity", ["measured", "remedied", "cost", "lives"])
def test_national_totals_agree_with_print_within_11_percent(table, quantity):
    row = table.loc[quantity]
    assert row["recomputed"] == pytest.approx(row["published"], rel=0.11)


@pytest.mark.parametrize(
    ("quantity", "value"),
    [
        # Computed once by simulation of the same nation.
        ("measured", 0.281),
        ("remedied", 0.048),
        ("treated_above_4", 0.75),
        ("treated_above_8", 0.93),
        ("cost", 7.75e9),
        ("lives", 88_400),
    ],
)
def test_national_totals_of_the_lognormal_nation(table, quantity, value):
    assert table.loc[quantity, "recomputed"] == pytest.approx(value, rel=0.01)


def test_what_the_book_says_of_its_upper_threshold_does_not_follow_from_its_formulas(table):
    assert table.loc["remedy_from", "published"] == 3.5
    assert table.loc["remedy_from", "recomputed"] == pytest.approx(6.31, rel=0.005)
    assert table.loc["measure_from", "recomputed"] == pytest.approx(1.04, rel=0.005)
    # More houses remedied at once than in all.
    published = {name: value for name, value, *_ in PUBLISHED}
    assert published["remedied_at_once"] > published["remedied"]
    assert table.loc["remedied_at_once", "recomputed"] < table.loc["remedied", "recomputed"]
    assert table.loc["saved_at_3.5", "recomputed"] > 500


def test_printed_identity_has_the_other_tail(table):
    """The two tails of R have its mean as their sum: 4 exp(log^2 2.3 / 2) pCi/L."""
    row = table.loc["upper_part"]
    mean = 4 * np.exp(np.log(2.3) ** 2 / 2)
    assert row["published"] + row["recomputed"] == pytest.approx(mean)
    draws = np.exp(np.log(4) + np.log(2.3) * np.random.default_rng(1).standard_normal(10**6))
    assert row["recomputed"] == pytest.approx(np.where(draws > 2, draws, 0).mean(), rel=0.01)


def test_recommended_policy_is_no_worse_than_any_other_by_its_own_value(effects):
    """Dollars spent, less $1000 per pCi/L: 1000 / 0.0048 dollars for a life of the average."""
    loss = effects["cost"] - effects["lives"] * 1000 / 4800e-6
    assert loss.idxmin() == "ours"
    assert loss["nothing"] == 0


def test_policies_test_and_remedy_whom_they_say(effects):
    assert effects.loc["nothing", ["cost", "lives", "measured", "remedied"]].eq(0).all()
    assert effects.loc[["long_term", "screening"], "measured"].eq(1).all()
    # No county of the nation has a known screening level, so none is in zone 1.
    assert effects.loc["epa_zone", "cost"] == 0
    # The nation's tests have no bias to correct.
    assert effects.loc["screening", "cost"] == effects.loc["screening_uncorrected", "cost"]


def test_zones_and_bias_of_two_counties_by_hand():
    """Radon known almost exactly, 3 and 10 pCi/L, in 100 and 300 houses.

    Screening tests read twice that, 6 and 20, and their county means say zone 1 only for the
    second. Long-term tests at $50 find the second above 4 pCi/L, for a remedy of $2000; so do
    corrected screening tests at $20, and uncorrected ones remedy both counties.
    """
    radon = Radon(np.log([[3.0, 10.0]]), np.full((1, 2), 1e-3))
    number, factor = np.array([100.0, 300.0]), np.log([0.5, 0.5])
    houses = Houses(radon, number, factor, 0.0, np.array([3.9, 20.0]))
    problem, tests = published_problem()
    sharp = {kind: type(test)(test.cost, test.wait, 1e-3) for kind, test in tests.items()}
    found = compare(problem, [4.0], houses, sharp, Decision()).set_index("policy")
    remedies = 300 * 2000
    wanted = {
        "ours": remedies,
        "long_term": 400 * 50 + remedies,
        "screening": 400 * 20 + remedies,
        "screening_uncorrected": 400 * 20 + 400 * 2000,
        "epa_zone": 300 * 50 + remedies,
        "nothing": 0,
    }
    assert found["cost"].to_dict() == pytest.approx(wanted)
    # 8 pCi/L less in 300 houses, at 4.8 deaths per thousand households and pCi/L.
    assert found.loc["ours", "lives"] == pytest.approx(300 * 8 * 4800e-6, rel=1e-4)
    assert found.loc["ours", "treated_above_8"] == pytest.approx(1)
