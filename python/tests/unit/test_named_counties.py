"""Surveys as people have them: one table, names of counties, logarithms, several detectors."""

import math
import re

import pytest
from project import ROOT

import pooling
from pooling.build.errors import DataError, StudyError

README = (ROOT / "data/README.md").read_text(encoding="utf-8")
SECTION = README.partition("## Public files of the same data")[2].partition("\n## ")[0]
STUDIES = re.findall(r"```toml\n(.*?)```", SECTION, re.DOTALL)
PUBLIC = dict(zip(("HLMdiag", "rstanarm", "PyMC"), STUDIES, strict=True))
# The first houses of each: Rdatasets' csv/HLMdiag/radon.csv; rstanarm::radon; radon.csv of PyMC's
# examples, without the columns that nobody reads.
FILES = {
    "HLMdiag": """\
"","log.radon","basement","uranium","county","county.name"
"1",0.78845736036427,1,-0.6890475953545,1,"AITKIN"
"2",0.78845736036427,0,-0.6890475953545,1,"AITKIN"
"3",1.06471073699243,0,-0.6890475953545,1,"AITKIN"
"4",0,0,-0.6890475953545,1,"AITKIN"
"5",1.1314021114911,0,-0.847312860499705,2,"ANOKA"
""",
    "rstanarm": """\
"","floor","county","log_radon","log_uranium"
"1",1,"AITKIN",0.832909122935104,-0.689047595354500
"2",0,"AITKIN",0.832909122935104,-0.689047595354500
"3",0,"AITKIN",1.09861228866811,-0.689047595354500
"4",0,"AITKIN",0.0953101798043249,-0.689047595354500
"5",0,"ANOKA",1.16315080980568,-0.847312860499705
""",
    "PyMC": """\
,idnum,state,floor,basement,activity,county,fips,Uppm,county_code,log_radon
0,5081.0,MN,1.0,N,2.2,AITKIN,27001.0,0.502054,0,0.832909
1,5082.0,MN,0.0,Y,2.2,AITKIN,27001.0,0.502054,0,0.832909
2,5083.0,MN,0.0,Y,2.9,AITKIN,27001.0,0.502054,0,1.098612
3,5084.0,MN,0.0,Y,1.0,AITKIN,27001.0,0.502054,0,0.095310
4,5085.0,MN,0.0,Y,3.1,ANOKA,27003.0,0.428565,1,1.163151
""",
}
URANIUM = [math.log(0.502054), math.log(0.428565)]  # cty.dat: ppm in AITKIN and ANOKA
HEAD = 'title = "T"\npriors = {}\nsampler = { seed = 1 }\n[data]\nhouses = "../mine/radon.csv"\n'
HOUSES = """\
house,County name,Storey,Bq/m3
1,Aitkin,ground,74
2,AITKIN,basement,148
3,Anoka,basement,0
4,anoka ,basement,37
"""
COLUMNS = {"house_id": "house", "county": "County name", "floor": "Storey", "activity": "Bq/m3"}
SETTINGS = """\
unit = "Bq/m3"
action_level = 300
response = "log(x), 0 as 0.1"
floors = { basement = "basement", ground = "first floor" }
"""


@pytest.fixture
def prepared(tmp_path):
    """Prepare a table under a study, both in the places that README gives them."""

    def run(table, study, counties=None):
        for name in ("studies", "mine"):
            (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / "counties.csv").write_bytes((ROOT / "data/counties.csv").read_bytes())
        (tmp_path / "mine/radon.csv").write_text(table, encoding="utf-8")
        if counties:
            (tmp_path / "mine/counties.csv").write_text(counties, encoding="utf-8")
        (tmp_path / "studies/mine.toml").write_text(study, encoding="utf-8")
        return pooling.prepare(tmp_path / "studies/mine.toml")

    return run


def study(more="", settings=SETTINGS, **columns):
    """The study of `HOUSES`, with further columns and settings."""
    named = ", ".join(f'{ours} = "{theirs}"' for ours, theirs in (COLUMNS | columns).items())
    return f"{HEAD}columns = {{ {named} }}\n{settings}{more}"


@pytest.mark.parametrize("name", PUBLIC)
def test_public_copies_of_the_survey_are_the_survey(prepared, name):
    """AITKIN's houses have 2.2, 2.2, 2.9 and 1.0 pCi/L and ANOKA's first 3.1, in srrs2.dat."""
    assert len(PUBLIC[name].splitlines()) <= 10
    values, names = prepared(FILES[name], PUBLIC[name])
    added = 0.0 if name == "HLMdiag" else 0.1
    logs = [math.log(pci + added) for pci in (2.2, 2.2, 2.9, 1.0, 3.1)]
    assert values["log_radon"] == pytest.approx(logs)
    assert values["floor_measure"] == [1, 0, 0, 0, 0]
    assert values["county"] == [1, 1, 1, 1, 2]
    assert values["log_uranium"] == pytest.approx(URANIUM, abs=1e-6)
    assert names["county"] == ["AITKIN", "ANOKA"]


def test_names_are_counties_whatever_their_capitals(prepared):
    values, names = prepared(HOUSES, study())
    assert values["county"] == [1, 1, 2, 2]
    assert values["floor_measure"] == [1, 0, 0, 0]
    # 1 pCi/L is 37 Bq/m3: 2, 4, 0 (as 0.1) and 1 pCi/L
    assert values["log_radon"] == pytest.approx([math.log(x) for x in (2, 4, 0.1, 1)])
    assert "S" not in values, "no column of states, so no model of states"
    assert (names["county"], names["county_fips"]) == (["Aitkin", "Anoka"], [1, 2])
    rules = {entry["rule"]: (entry["rows"], entry["reason"]) for entry in names["rules"]}
    assert rules["names read"] == (2, "spelt otherwise than in an earlier row")
    assert rules["zero activities replaced"] == (1, "activity 0 counts as 3.7 Bq/m³")
    assert rules["houses kept"] == (4, "floor basement, ground first floor")


def test_states_tell_counties_of_one_name_apart(prepared):
    rows = HOUSES.splitlines()
    states = ["st", "MN", "MN", "WI", "MN"]
    table = "\n".join(f"{row},{state}" for row, state in zip(rows, states, strict=True)) + "\n"
    values, names = prepared(table, study(state="st"))
    assert names["county"] == ["Aitkin", "anoka", "Anoka"]
    assert (names["state"], values["county"]) == (["MN", "MN", "WI"], [1, 1, 3, 2])
    assert values["S"] == 2


def test_names_find_their_codes_in_a_table_of_counties(prepared):
    """FIPS codes of the survey's own table, with its uranium, by name and state."""
    rows = [f"{row},{'state' if row.startswith('house') else 'MN'}" for row in HOUSES.splitlines()]
    more = 'counties = "../counties.csv"\nuranium = true\n'
    values, names = prepared("\n".join(rows) + "\n", study(more, state="state"))
    assert names["county_fips"] == [27001, 27003]
    assert values["log_uranium"] == pytest.approx(URANIUM)


def test_names_without_their_state_must_tell(prepared):
    """The nine states have one AITKIN, but ADAMS in IN, ND, PA and WI."""
    text = study('counties = "../counties.csv"\n')
    _, names = prepared(HOUSES.replace("noka", "itkin"), text)
    assert (names["county_fips"], names["state"]) == ([27001], ["MN"])
    assert "houses moved" not in [entry["rule"] for entry in names["rules"]]
    message = r"line 4: column County name: 'Adams' is the name of several counties in .*; name"
    with pytest.raises(DataError, match=message):
        prepared(HOUSES.replace("Anoka", "Adams"), text)


def test_a_table_of_names_alone_adds_counties_without_a_house(prepared):
    more = 'counties = "../mine/counties.csv"\nunmeasured_counties = true\n'
    table = "county,lat,lon\nCass,47,-94\nAITKIN,46.6,-93.4\nAnoka,45.3,-93.2\n"
    values, names = prepared(HOUSES, study(more), table)
    assert (names["county"], names["houses"]) == (["AITKIN", "Anoka", "Cass"], [2, 2, 0])
    assert values["county"] == [1, 1, 2, 2]
    with pytest.raises(DataError, match=r"radon\.csv: line 4: column County name: 'Anoka' is not"):
        prepared(HOUSES, study(more), "county\nAitkin\nCass\n")
    with pytest.raises(DataError, match=r"line 4: column county: 'aitkin' occurs twice"):
        prepared(HOUSES, study(more), "county\nAitkin\nAnoka\naitkin\n")


def test_uranium_of_a_county_is_one_number(prepared):
    rows = HOUSES.splitlines()
    for values, said in (((0.5, 0.5, "", 0.4), None), ((0.5, 0.6, 0.4, 0.4), "0.6")):
        cells = zip(rows, ("U", *values), strict=True)
        table = "\n".join(f"{row},{value}" for row, value in cells) + "\n"
        if said is None:
            found, _ = prepared(table, study("uranium = true\n", uranium="U"))
            assert found["log_uranium"] == pytest.approx([math.log(0.5), math.log(0.4)])
            continue
        message = r"line 3: column U: 0\.6 differs from 0\.5 in line 2, a house of the same county"
        with pytest.raises(DataError, match=message):
            prepared(table, study("uranium = true\n", uranium="U"))


TWICE = HOUSES + "2,Aitkin,basement,37\n"


def test_several_detectors_in_a_house_are_refused_with_the_reason(prepared):
    message = (
        r"radon\.csv: line 6: column house: 2 occurs twice, before in line 3: several detectors in "
        r'one house, which are not independent, .* set data\.repeated_houses = "first" or "mean"'
    )
    with pytest.raises(DataError, match=message):
        prepared(TWICE, study())


def test_several_detectors_in_a_house_are_reduced_to_one(prepared):
    values, names = prepared(TWICE, study('repeated_houses = "first"\n'))
    assert (values["N"], values["log_radon"][1]) == (4, pytest.approx(math.log(4)))
    values, names = prepared(TWICE, study('repeated_houses = "mean"\n'))
    # The geometric mean of 4 and 1 pCi/L.
    assert (values["N"], values["log_radon"][1]) == (4, pytest.approx(math.log(2)))
    assert names["house_id"] == [1, 2, 3, 4]
    averaged = next(entry for entry in names["rules"] if entry["rule"] == "houses averaged")
    assert averaged["rows"] == 2
    upstairs = TWICE.replace("2,Aitkin,basement,37", "2,Aitkin,ground,37")
    with pytest.raises(DataError, match=r"line 3: .* has detectors in different counties or on"):
        prepared(upstairs, study('repeated_houses = "mean"\n'))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("activity = ", "log_radon = ", "data: .*response is missing; columns.log_radon is"),
        ("activity = ", 'log_radon = "l", activity = ', "columns.activity and columns.log_radon"),
        ("county = ", 'county_fips = "f", county = ', "columns.county and columns.county_fips"),
        ("action_level", "unmeasured_counties = true\naction_level", "counties without a house"),
        ("action_level", 'counties = "../counties.csv"\naction_level', "uranium is read from the"),
    ],
)
def test_settings_that_exclude_each_other(prepared, old, new, message):
    settings = SETTINGS.replace('response = "log(x), 0 as 0.1"\n', "")
    text = study(settings=settings, uranium="U").replace(old, new, 1)
    with pytest.raises(StudyError, match=message):
        prepared(HOUSES, text)


def test_a_logarithm_of_becquerels(prepared):
    """log 74 Bq/m3 is log 2 pCi/L; with 0.1 added before, the unit of 0.1 would be unclear."""
    table = HOUSES.replace("Bq/m3", "logs").replace(",74", f",{math.log(74)}")
    table = table.replace(",148", ",5").replace(",37", ",4")
    text = study(log_radon="logs").replace(', activity = "Bq/m3"', "")
    values, _ = prepared(table, text)
    assert values["log_radon"][0] == pytest.approx(math.log(2))
    with pytest.raises(StudyError, match=r"response: 0\.1 pCi/L were added to activities in Bq/m3"):
        prepared(table, text.replace("log(x), 0 as 0.1", "log(x + 0.1)"))
    with pytest.raises(DataError, match=r"line 3: column logs: 148 is not the logarithm of an"):
        prepared(table.replace("basement,5", "basement,148"), text)
