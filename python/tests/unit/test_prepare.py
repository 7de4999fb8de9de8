"""From tables and a study to Stan data: known counts, and numbers worked by hand."""

import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from programs import ROOT, rows_of_rule

from pooling.build.errors import DataError, StudyError
from pooling.inputs.prepare import Rules, log_radon, main, prepare
from pooling.inputs.priors import Normal, Priors, Spread
from pooling.inputs.response import Response
from pooling.inputs.study import Data
from pooling.inputs.tables import read_counties, read_houses

WIDE, HALF = Normal(loc=0, scale=10), Spread(scale=1)
PRIORS = Priors(
    alpha=Normal(loc=1, scale=2),
    beta=WIDE,
    mu_alpha=WIDE,
    mu_beta=WIDE,
    sigma=Spread(upper=100),
    sigma_alpha=HALF,
    sigma_beta=Spread(scale=0.5, upper=3),
)

HOUSES = """\
house_id,state,county_fips,floor,activity
b,MN,27003,0,0.9
a,MN,27001,1,0
c,MN,27003,1,1.9
d,R5,55003,0,9.9
e,R5,26999,0,1.0
f,MN,27001,9,1.0
g,IN,18001,0,3.0
"""
COUNTIES = """\
county_fips,state,county,lon,lat,uranium
27125,MN,RED LAKE,-96.095,47.872,1.03105
27003,MN,ANOKA,-93.246,45.273,0.5
27001,MN,AITKIN,-93.415,46.608,2
26999,MI,GRAND TRAVERSE,,,
18001,IN,ADAMS,,,
55003,WI,ASHLAND,-90.663,46.383,1
"""


@pytest.fixture
def prepared(tmp_path):
    """Prepare the seven houses above, after replacements in them, under `settings`."""

    def run(*replacements, counties=COUNTIES, **settings):
        houses = HOUSES
        for old, new in replacements:
            assert old in houses
            houses = houses.replace(old, new)
        (tmp_path / "houses.csv").write_text(houses, encoding="utf-8")
        (tmp_path / "counties.csv").write_text(counties, encoding="utf-8")
        data = Data(**settings)
        table = read_houses(tmp_path / "houses.csv", unit=data.unit)
        return prepare("trial", data, PRIORS, table, read_counties(tmp_path / "counties.csv"))

    return run


def test_three_states_by_hand(prepared):
    values, names = prepared(states=["MN", "R5"], drop_floors=[9], uranium=True)
    scales = {name: values.pop(name) for name in list(values) if name.startswith("prior_")}
    assert values.pop("log_radon") == pytest.approx(
        [0, math.log(0.1), math.log(2), math.log(10)], abs=1e-15
    )
    assert values.pop("log_uranium") == pytest.approx([math.log(2), -math.log(2), 0])
    assert values == {
        "N": 4,
        "J": 3,
        "county": [2, 1, 2, 3],
        "floor_measure": [0.0, 1.0, 1.0, 0.0],
        "first_floor_share": [1.0, 0.5, 0.0],
        "S": 2,
        "state": [1, 1, 2],
        "N_new": 0,
        "county_new": [],
        "floor_measure_new": [],
        "log_radon_new": [],
    }
    assert scales == {
        "prior_alpha_loc": 1,
        "prior_alpha_scale": 2,
        "prior_beta_loc": 0,
        "prior_beta_scale": 10,
        "prior_mu_alpha_loc": 0,
        "prior_mu_alpha_scale": 10,
        "prior_mu_beta_loc": 0,
        "prior_mu_beta_scale": 10,
        "prior_sigma_scale": math.inf,
        "prior_sigma_upper": 100,
        "prior_sigma_alpha_scale": 1,
        "prior_sigma_alpha_upper": math.inf,
        "prior_sigma_beta_scale": 0.5,
        "prior_sigma_beta_upper": 3,
    }
    assert names == {
        "study": "trial",
        "response": "log(x + 0.1)",
        "unit": "pCi/L",
        "action_level": 4.0,
        "house_id": ["b", "a", "c", "d"],
        "house_county": [27003, 27001, 27003, 55003],
        "county_fips": [27001, 27003, 55003],
        "county": ["AITKIN", "ANOKA", "ASHLAND"],
        "state": ["MN", "MN", "WI"],
        "houses": [1, 2, 1],
        "first_floor_houses": [1, 1, 0],
        "rules": [
            {"rule": "houses read", "rows": 7, "reason": "rows of houses.csv"},
            {"rule": "houses dropped", "rows": 1, "reason": "state not in data.states"},
            {"rule": "houses dropped", "rows": 1, "reason": "floor 9 is in data.drop_floors"},
            {
                "rule": "houses dropped",
                "rows": 1,
                "reason": "county_fips 26999 is in data.drop_counties",
            },
            {"rule": "counties with houses", "rows": 3, "reason": "rows of counties.csv"},
            {
                "rule": "counties left out",
                "rows": 1,
                "reason": "no house; data.unmeasured_counties is false",
            },
            {"rule": "houses moved", "rows": 1, "reason": "to the state that their county is in"},
            {
                "rule": "zero activities kept",
                "rows": 1,
                "reason": "0.1 pCi/L is added to every activity",
            },
            {"rule": "houses kept", "rows": 4, "reason": "floor 0 basement, 1 first floor"},
        ],
    }


def test_unmeasured_counties_come_with_their_uranium_and_no_house(prepared):
    values, names = prepared(states=["MN"], drop_floors=[9], unmeasured_counties=True, uranium=True)
    assert values["county"] == [2, 1, 2]
    # (1 + 1/2) / 2 stands for the share of the county without a house.
    assert values["first_floor_share"] == [1.0, 0.5, 0.75]
    assert rows_of_rule(names, "first-floor shares unknown") == 1
    [reason] = [r["reason"] for r in names["rules"] if r["rule"] == "first-floor shares unknown"]
    assert reason == "no house; set to 0.750, the mean of the counties with houses"
    assert values["log_uranium"][2] == pytest.approx(math.log(1.03105))
    assert (names["county_fips"][2], names["houses"][2]) == (27125, 0)
    assert rows_of_rule(names, "counties added") == 1


def test_uranium_is_left_out_unless_the_study_uses_it(prepared):
    values, _ = prepared(states=["IN", "MN"], drop_floors=[9])
    assert "log_uranium" not in values
    assert values["S"] == 2


def test_states_are_no_level_where_the_study_names_one(prepared):
    alone, _ = prepared(states=["MN"], drop_floors=[9])
    assert not {"S", "state"} & set(alone)


def test_uranium_that_a_county_lacks_is_an_error(prepared):
    with pytest.raises(
        StudyError, match=r"data\.uranium is true, but .* 1 of the study's counties"
    ):
        prepared(states=["IN", "MN"], drop_floors=[9], uranium=True)


def test_codes_of_a_survey_of_ones_own(prepared):
    values, _ = prepared(states=["MN"], floors={0: "first floor", 1: "basement", 9: "basement"})
    assert values["floor_measure"] == [1.0, 0.0, 0.0, 0.0]


def test_codes_for_no_county_are_kept_if_the_study_says_so(prepared):
    values, names = prepared(states=["R5"], drop_counties=[])
    assert names["county_fips"] == [26999, 55003]
    assert values["N"] == 2


def test_a_floor_code_that_the_study_does_not_mention(prepared):
    with pytest.raises(DataError) as caught:
        prepared(states=["MN"])
    assert str(caught.value).endswith(
        "houses.csv: line 7: column floor: 9 has no meaning in the study; define it in "
        "data.floors, or set data.drop_floors = [9] to exclude such houses (1 of 4)"
    )


def test_all_floor_codes_that_are_missing_are_in_one_remedy(prepared):
    with pytest.raises(DataError, match=r"line 2: .*drop_floors = \[3, 8, 9\] .*\(2 of 4\)"):
        prepared((",0,0.9", ",3,0.9"), (",9,", ",8,"), states=["MN"], drop_floors=[9])


def test_a_floor_code_cannot_be_kept_and_dropped():
    with pytest.raises(ValueError, match="floor 1 is both in floors and in drop_floors"):
        Data(drop_floors=[1])


def test_a_county_that_the_table_does_not_have(prepared):
    with pytest.raises(DataError, match=r"line 4: column county_fips: 27005 is not in .*counties"):
        prepared(("c,MN,27003", "c,MN,27005"), states=["MN"], drop_floors=[9])


def test_an_unknown_county_of_another_state_does_not_matter(prepared):
    values, _ = prepared(("g,IN,18001", "g,IN,18003"), states=["MN"], drop_floors=[9])
    assert values["N"] == 3


def test_a_state_without_houses(prepared):
    with pytest.raises(
        StudyError, match=r"data\.states: no house of WI in .*choose from its states: IN, MN, R5"
    ):
        prepared(states=["MN", "WI"])


def test_no_house_left(prepared):
    with pytest.raises(StudyError, match=r"no house of .*houses\.csv is left"):
        prepared(states=["MN"], drop_floors=[9], drop_counties=[27001, 27003])


@given(st.floats(0, 1e5))
def test_transforms_are_the_logarithms_they_are_called(activity):
    x = np.array([activity])
    assert log_radon(x, Response("log(x + 0.1)"), Rules()) == pytest.approx(
        math.log(activity + 0.1), rel=1e-14, abs=1e-15
    )
    assert log_radon(x, Response("log(x), 0 as 0.1"), Rules()) == pytest.approx(
        math.log(activity or 0.1), rel=1e-14, abs=1e-15
    )


def test_becquerels_give_the_same_data_as_picocuries(prepared):
    """1 pCi/L is 37 Bq/m3."""
    settings = {"states": ["MN"], "drop_floors": [9]}
    values, names = prepared(**settings)
    swaps = []
    for line in HOUSES.splitlines()[1:]:
        start, _, pci = line.rpartition(",")
        swaps.append((f"{line}\n", f"{start},{37 * float(pci):.1f}\n"))
    others, renamed = prepared(*swaps, **settings, unit="Bq/m3", action_level=300)
    assert others.pop("log_radon") == pytest.approx(values.pop("log_radon"))
    assert others == values
    assert (renamed["unit"], renamed["action_level"]) == ("Bq/m3", 300)
    zeros = next(entry for entry in renamed["rules"] if entry["rule"] == "zero activities kept")
    assert (zeros["rows"], zeros["reason"]) == (1, "3.7 Bq/m³ is added to every activity")
    assert rows_of_rule(names, "zero activities kept") == 1


def test_command_line_writes_both_files_or_none(tmp_path):
    data, priors = tmp_path / "data.json", tmp_path / "priors.json"
    data.write_text('{"states": ["MN"]}', encoding="utf-8")
    priors.write_text(json.dumps(PRIORS.model_dump()), encoding="utf-8")
    output, coords = tmp_path / "out" / "mine.json", tmp_path / "out" / "mine.coords.json"
    tables = ROOT / "data" / "households.csv", ROOT / "data" / "counties.csv"
    command = [*map(str, (data, priors, *tables)), "-o", str(output), "--coords", str(coords)]
    main(command)
    values = json.loads(output.read_text(encoding="utf-8"))
    assert values["N"] == 919
    assert values["prior_sigma_scale"] == math.inf
    assert json.loads(coords.read_text(encoding="utf-8"))["study"] == "mine"

    before = output.read_bytes(), coords.read_bytes()
    data.write_text('{"states": ["XX"]}', encoding="utf-8")
    with pytest.raises(StudyError, match=r"^data/studies/.*no house of XX"):
        main(command)
    assert (output.read_bytes(), coords.read_bytes()) == before
    assert sorted(file.name for file in output.parent.iterdir()) == [coords.name, output.name]


def test_distances_only_if_the_study_uses_them(prepared):
    values, _ = prepared(states=["MN"], drop_floors=[9], distances=True, unmeasured_counties=True)
    # AITKIN, ANOKA and RED LAKE; between the first two 1.335 degrees of latitude and 0.169 of
    # longitude times cos(45.94): hypot(148.45, 13.07) km.
    assert np.shape(values["distance"]) == (3, 3)
    assert values["distance"][0][1] == pytest.approx(149.02, abs=0.02)
    assert [values["distance"][j][j] for j in range(3)] == [0, 0, 0]
    assert "distance" not in prepared(states=["MN"], drop_floors=[9])[0]


@pytest.mark.parametrize(
    ("counties", "said"),
    [
        (
            COUNTIES.replace("-93.246,45.273", ","),
            "data.distances is true, but the county table has no lon and lat for 1 of the study's "
            "counties, such as 27003; set it to false or add the values",
        ),
        (
            COUNTIES.replace("-93.246,45.273", "-93.415,46.608"),
            "data.distances is true, but counties 27001 and 27003 have the same lon and lat in the "
            "county table; correct them or set it to false",
        ),
    ],
)
def test_counties_without_a_place_of_their_own_are_refused(prepared, counties, said):
    with pytest.raises(StudyError) as caught:
        prepared(counties=counties, states=["MN"], drop_floors=[9], distances=True)
    assert str(caught.value) == said
