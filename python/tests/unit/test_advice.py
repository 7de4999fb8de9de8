"""Actions of single houses, without a test and after their own."""

import numpy as np
import pandas as pd
import pytest

from pooling.build.errors import DataError
from pooling.deciding.tree import Problem, Radon, limit_of, test_of
from pooling.inputs.decision import Decision
from pooling.inputs.response import Response
from pooling.inputs.tables import read_houses_to_predict
from pooling.reporting.advice import advice, kinds_of_tests

test_of.__test__ = False
DECISION = Decision()
PCI = Response("log(x), 0 as 0.1")
SEEN = 0.75**2 - DECISION.screening_noise**2  # variance between houses that a screening test sees


def one_house(
    activity=np.nan, kind="screening", floor=0, level=1.0, decision=DECISION, response=PCI
):
    """Advice where all draws agree: a house whose screening tests are normal(level, 0.75^2)."""
    draws = np.full((50, 1), level), np.full((50, 1), 0.75)
    own = np.array([floor]), np.array([activity]), np.array([kind])
    return advice(*draws, *own, decision, response).iloc[0]


def mean_and_losses(mean, variance):
    """Expected radon and losses of one lognormal house, by the formulas of the tree."""
    radon = Radon(np.array([[mean]]), np.sqrt([[variance]]))
    problem, test = Problem.of(DECISION), test_of(DECISION, "long-term")
    measure = problem.loss_measure(radon, test, limit_of(problem, radon, test))
    each = (radon.expected(), problem.loss_nothing(radon), measure, problem.loss_remedy(radon))
    return [float(value[0, 0]) for value in each]


COLUMNS = ["annual_mean", "loss_nothing", "loss_measure", "loss_remedy"]


def test_without_a_test_the_county_says_what_to_do():
    found = one_house()
    wanted = mean_and_losses(1.0 + np.log(0.5), SEEN + DECISION.factor_sd**2)
    assert found[COLUMNS].to_numpy(float) == pytest.approx(wanted)
    # Geometric mean 1.36 pCi/L: from 1.3 or so on measure, at this standard deviation.
    assert found["action"] == "measure"


def test_after_a_screening_test_by_hand():
    """A reading of 20 in the basement: log R regressed on it with slope SEEN / 0.75^2."""
    found = one_house(20.0)
    slope = SEEN / 0.75**2
    mean = 1.0 + np.log(0.5) + slope * (np.log(20) - 1.0)
    variance = SEEN + DECISION.factor_sd**2 - slope * SEEN
    assert found[COLUMNS].to_numpy(float) == pytest.approx(mean_and_losses(mean, variance))
    # Its geometric mean is 5.3 pCi/L: a long-term test is still worth its price; not after 60.
    assert found["action"] == "measure"
    assert one_house(60.0)["action"] == "remedy"


def test_after_a_long_term_test_by_hand():
    """A reading of 5: precision-weighted means, as equation 9.7 of Gelman et al. (2013)."""
    found = one_house(5.0, "long-term")
    precisions = 1 / np.array([SEEN + DECISION.factor_sd**2, np.log(1.2) ** 2])
    mean = precisions @ [1.0 + np.log(0.5), np.log(5)] / precisions.sum()
    wanted = mean_and_losses(mean, 1 / precisions.sum())
    assert found[["annual_mean", "loss_nothing", "loss_remedy"]].to_numpy(float) == pytest.approx(
        [wanted[0], wanted[1], wanted[3]]
    )
    assert np.isnan(found["loss_measure"])
    assert found["action"] == "remedy"
    assert one_house(1.0, "long-term")["action"] == "nothing"


def test_the_factor_is_that_of_the_floor():
    """0.8 / 0.5 as much radon on the first floor for the same screening level."""
    ratio = one_house(floor=1)["annual_mean"] / one_house()["annual_mean"]
    assert ratio == pytest.approx(1.6)


def test_a_study_in_becquerel_decides_the_same():
    """37 Bq/m3 are 1 pCi/L; draws and levels of decisions are in pCi/L in every study."""
    pci = one_house(20.0)
    other = one_house(740.0, response=Response("log(x), 0 as 0.1", "Bq/m3", 148.0))
    assert other["annual_mean"] == pytest.approx(37 * pci["annual_mean"])
    assert other["loss_nothing"] == pytest.approx(pci["loss_nothing"])
    assert other["action"] == pci["action"]


@pytest.mark.parametrize("added", ["log(x + 0.1)", "log(x), 0 as 0.1"])
def test_a_test_that_finds_nothing_is_a_low_one(added):
    for kind in ("screening", "long-term"):
        found = one_house(0.0, kind, response=Response(added))
        assert 0 <= found["annual_mean"] < one_house()["annual_mean"]
        assert found["action"] == "nothing"


def test_where_houses_vary_less_than_the_noise_of_a_test_nothing_is_said():
    draws = np.full((50, 1), 1.0), np.full((50, 1), 0.3)
    own = np.array([0]), np.array([np.nan]), np.array(["screening"])
    assert advice(*draws, *own, DECISION, PCI).isna().all(axis=None)


def test_kinds_of_tests_are_read_and_checked(tmp_path):
    path = tmp_path / "new.csv"
    path.write_text("county,floor,test\nCASS,0,long-term\nCASS,1,\nCASS,0,screening\n")
    table, others = read_houses_to_predict(path)
    assert kinds_of_tests(table, others).tolist() == ["long-term", "screening", "screening"]
    assert kinds_of_tests(table, pd.DataFrame(index=others.index)).tolist() == ["screening"] * 3
    path.write_text("county,floor,test\nCASS,0,screening\nCASS,1,yearly\n")
    with pytest.raises(DataError, match=r"new\.csv: line 3: column test: 'yearly' is not a kind"):
        kinds_of_tests(*read_houses_to_predict(path))
