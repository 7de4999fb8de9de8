"""`make study`: what is guessed, what is left to decide, and what make says until it is."""

import pytest
from project import ROOT
from test_named_counties import FILES

import pooling
from pooling.build.errors import DataError, StudyError
from pooling.inputs import first_study
from pooling.inputs.study import read_study

OFFICER = """\
No.;County name;Floor: basement/ground;Bq/m3;Remarks
1;Hohe Rhön;basement;120;
2;Hohe Rhön;ground;35,5;winter
3;Jura;basement;1480;
4;JURA;ground;96;retest
"""


@pytest.fixture
def made(tmp_path, monkeypatch, capsys):
    """Write a first study of a table; its path and what was printed."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data/studies").mkdir(parents=True)
    (tmp_path / "data/counties.csv").write_bytes((ROOT / "data/counties.csv").read_bytes())

    def run(table, name="mine"):
        (tmp_path / "houses.csv").write_text(table, encoding="utf-8")
        path = tmp_path / f"data/studies/{name}.toml"
        first_study.main(["houses.csv", "-o", f"data/studies/{name}.toml"])
        return path, capsys.readouterr().out

    return run


def decided(path, *replacements):
    """The study after its author's decisions."""
    text = path.read_text()
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    path.write_text(text)
    return read_study(path).data


def test_a_spreadsheet_in_becquerels_lacks_only_its_action_level(made):
    path, said = made(OFFICER)
    assert 'Replace "?" in the file, in: action_level = "?".' in said
    assert 'columns = { house_id = "No.", county = "County name", activity = "Bq/m3"' in said
    assert 'as the column "Bq/m3" says' in said
    with pytest.raises(StudyError, match=r"mine\.toml: data\.action_level: has still to be"):
        read_study(path)
    data = decided(path, ('action_level = "?"', "action_level = 300"))
    assert data.measured().action_label == "300 Bq/m³"
    assert data.floors == {"basement": "basement", "ground": "first floor"}
    values, names = pooling.prepare(path)
    assert (values["county"], names["county"]) == ([1, 1, 2, 2], ["Hohe Rhön", "Jura"])
    assert values["floor_measure"] == [0, 1, 0, 1]


def test_a_logarithm_and_floors_in_numbers_are_left_to_decide(made):
    path, said = made(FILES["HLMdiag"])
    assert said.count('"?"\n') == 3, "unit, action level, response"
    assert 'floors = { 0 = "?", 1 = "?" }' in said
    assert "no column numbers them" in said
    with pytest.raises(StudyError, match=r"data\.response: has still to be decided"):
        read_study(path)
    made_by_hand = [
        ('unit = "?"', 'unit = "pCi/L"'),
        ('action_level = "?"', "action_level = 4"),
        ('response = "?"', 'response = "log(x), 0 as 0.1"'),
    ]
    with pytest.raises(StudyError, match=r"data\.floors\.0: has still to be decided"):
        decided(path, *made_by_hand)
    data = decided(path, ('0 = "?", 1 = "?"', '0 = "basement", 1 = "first floor"'))
    # Its uranium is below 0, so a logarithm.
    assert data.columns == {
        "county": "county.name",
        "log_radon": "log.radon",
        "floor": "basement",
        "log_uranium": "uranium",
    }
    assert data.uranium


def test_codes_of_the_survey_are_used_with_its_table_of_counties(made):
    path, _ = made(FILES["PyMC"])
    floors = ('0 = "?", 1 = "?"', '0 = "basement", 1 = "first floor"')
    level = ('action_level = "?"', "action_level = 4")
    data = decided(path, ('unit = "?"', 'unit = "pCi/L"'), level, floors)
    assert data.columns == {
        "house_id": "idnum",
        "county_fips": "fips",
        "state": "state",
        "activity": "activity",
        "floor": "floor",
    }
    values, names = pooling.prepare(path)
    assert names["county_fips"] == [27001, 27003]
    assert values["N"] == 5


def test_a_floor_of_no_known_word_is_left_to_decide(made):
    path, _ = made(OFFICER.replace("Bq/m3", "pCi/L") + "5;Jura;attic;50;\n")
    with pytest.raises(StudyError, match=r"data\.floors\.attic: has still to be decided"):
        read_study(path)
    data = decided(
        path, ('attic = "?", ', ""), ("floors = {", 'drop_floors = ["attic"]\nfloors = {')
    )
    assert (data.drop_floors, data.action_level) == (["attic"], 4)
    assert pooling.prepare(path)[0]["N"] == 4


@pytest.mark.parametrize(
    ("name", "values", "settings"),
    [
        ("Uppm", "0.5", {"uranium = true", 'uranium = "Uppm"'}),
        ("uranium", "1.5", {'uranium = "?"', 'uranium = "uranium"'}),
        ("uranium", "-0.5", {"uranium = true", 'log_uranium = "uranium"'}),
        ("log U", "1.5", {"uranium = true", 'log_uranium = "log U"'}),
    ],
)
def test_uranium_is_only_taken_for_what_it_must_be(made, name, values, settings):
    rows = [line.rpartition(";")[0] for line in OFFICER.splitlines()]
    table = "\n".join([f"{rows[0]};{name}", *(f"{row};{values}" for row in rows[1:])]) + "\n"
    text = made(table)[0].read_text()
    assert all(setting in text for setting in settings)
    assert "gamma_alpha" in text, "the priors of models with uranium"


def test_a_table_without_uranium_has_no_priors_of_it(made):
    text = made(OFFICER)[0].read_text()
    assert "uranium" not in text
    assert "gamma_alpha" not in text


def test_a_house_in_two_rows_is_left_to_decide(made):
    _, said = made(OFFICER + "4;Jura;ground;50;\n")
    assert 'repeated_houses = "?"' in said


def test_tied_counties_have_no_prior_of_their_own(made):
    path, _ = made(OFFICER.replace("ground;35,5", "basement;120"))
    text = path.read_text()
    assert "on their own no posterior: Hohe Rhön." in text
    assert "\nalpha " in text
    assert "\nbeta " not in text


def test_an_existing_study_is_not_overwritten(made):
    path, _ = made(OFFICER)
    before = path.read_bytes()
    with pytest.raises(StudyError, match=r"mine\.toml: exists; name another study"):
        made(FILES["PyMC"])
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("a,b\n1,2\n", "line 1: no column looks like county or county_fips; the columns are a, b"),
        ("county,floor\nA,0\n", "no column looks like activity or log_radon"),
        ("county,activity\nA,1\n", "no column looks like floor"),
        ("county,floor,activity\n", "the table has a header and no rows"),
    ],
)
def test_a_table_that_lacks_a_column(made, table, message):
    with pytest.raises(DataError, match=message):
        made(table)
