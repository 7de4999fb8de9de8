"""The survey as prepared: counts and moments that were published.

Elbers and Wiecki's table, Gelman and Hill's data, counts of srrs2.dat.
"""

import numpy as np
import pytest
from programs import ROOT, rows_of_rule

from pooling.inputs.prepare import prepare
from pooling.inputs.priors import Priors, Spread
from pooling.inputs.study import Data
from pooling.inputs.tables import read_counties, read_houses

PRIORS = Priors(sigma=Spread(scale=1))


@pytest.fixture(scope="module")
def survey():
    tables = (
        read_houses(ROOT / "data" / "households.csv"),
        read_counties(ROOT / "data" / "counties.csv"),
    )
    return lambda **settings: prepare("survey", Data(**settings), PRIORS, *tables)


@pytest.fixture(scope="module")
def minnesota(survey):
    return survey(states=["MN"], uranium=True)


@pytest.mark.parametrize(
    ("response", "limit"), [("log(x + 0.1)", np.log(0.2)), ("log(x), 0 as 0.1", np.log(0.1))]
)
def test_houses_up_to_the_detection_limit_are_known_by_their_response(survey, response, limit):
    """Of Minnesota three houses with 0 and one with 0.1 pCi/L, on first floors but the last."""
    settings = {"states": ["MN"], "response": response}
    values, names = survey(**settings, detection_limit=0.1)
    assert values["log_limit"] == pytest.approx(limit)
    below = np.array(values["log_radon"]) <= values["log_limit"]
    assert below.sum() == rows_of_rule(names, "activities up to the detection limit") == 4
    assert np.array(values["floor_measure"])[below].sum() == 3
    without, _ = survey(**settings)
    assert "log_limit" not in without
    assert values["log_radon"] == without["log_radon"]


def test_minnesota_has_the_published_counts(minnesota):
    values, names = minnesota
    assert (values["N"], values["J"]) == (919, 85)
    assert values["floor_measure"].count(0.0) == 766
    assert values["floor_measure"].count(1.0) == 153
    assert "S" not in values
    assert rows_of_rule(names, "houses read") == 12777
    assert rows_of_rule(names, "houses dropped") == 12777 - 919
    assert rows_of_rule(names, "zero activities kept") == 3
    assert rows_of_rule(names, "counties left out") == 2
    single = [c for c, n in zip(names["county"], names["houses"], strict=True) if n == 1]
    assert single == ["MAHNOMEN", "MURRAY", "WILKIN"]
    assert names["houses"].count(2) == 8
    assert max(names["houses"]) == 116 == names["houses"][names["county"].index("ST LOUIS")]
    assert names["first_floor_houses"].count(0) == 25
    assert names["county_fips"] == sorted(names["county_fips"])


def test_minnesota_opens_as_published(minnesota):
    values, names = minnesota
    opening = [names["county"][c - 1] for c in values["county"][:5]]
    assert opening == ["AITKIN"] * 4 + ["ANOKA"]
    assert values["floor_measure"][:5] == [1, 0, 0, 0, 0]
    assert values["log_radon"][:5] == pytest.approx(
        [0.832909, 0.832909, 1.098612, 0.095310, 1.163151], abs=5e-7
    )
    assert values["log_uranium"][0] == pytest.approx(-0.689048, abs=5e-7)


@pytest.mark.parametrize(
    ("response", "mean", "deviation"),
    [("log(x + 0.1)", 1.264779, 0.819355), ("log(x), 0 as 0.1", 1.224623, 0.853327)],
)
def test_minnesota_has_the_published_moments(survey, response, mean, deviation):
    values, _ = survey(states=["MN"], response=response)
    assert np.mean(values["log_radon"]) == pytest.approx(mean, abs=5e-7)
    assert np.std(values["log_radon"], ddof=1) == pytest.approx(deviation, abs=5e-7)


def test_minnesota_has_the_published_share_above_the_action_level(minnesota):
    """EPA's action level is 4 pCi/L."""
    values, _ = minnesota
    above = np.exp(values["log_radon"]) - 0.1 > 4 - 1e-9
    first = np.array(values["floor_measure"]) == 1
    shares = above.mean(), above[~first].mean(), above[first].mean()
    assert shares == pytest.approx((0.4516, 0.4922, 0.2484), abs=5e-5)


def test_minnesota_with_its_counties_without_a_house(survey):
    values, names = survey(states=["MN"], unmeasured_counties=True, uranium=True)
    added = [i for i, n in enumerate(names["houses"]) if n == 0]
    assert [names["county"][i] for i in added] == ["GRANT", "RED LAKE"]
    assert np.exp([values["log_uranium"][i] for i in added]) == pytest.approx([1.47959, 1.03105])
    assert values["J"] == 87
    assert {c - 1 for c in values["county"]}.isdisjoint(added)


def test_whole_survey(survey):
    values, names = survey(drop_floors=[2, 3, 9])
    # The sum of the survey's clean houses, AZ 1400 to R5 725.
    assert values["N"] == 12248
    assert values["S"] == 9
    assert "log_uranium" not in values
    assert [rows_of_rule(names, "houses dropped", f"floor {code} ") for code in (9, 2, 3)] == [
        287,
        23,
        19,
    ]
    assert sum(e["rows"] for e in names["rules"] if "drop_counties" in e["reason"]) == 200
    assert rows_of_rule(names, "houses moved") == 725
    assert rows_of_rule(names, "counties with houses") == values["J"] == len(set(values["county"]))


def test_houses_of_tribal_land(survey):
    values, names = survey(states=["R5"], drop_floors=[2, 3, 9])
    assert (values["N"], values["J"]) == (725, 45)
    assert sorted(set(names["state"])) == ["MI", "MN", "WI"]
