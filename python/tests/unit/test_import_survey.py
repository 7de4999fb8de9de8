"""The shipped tables: rewritten from the raw survey, and against what is known of it."""

from pathlib import Path

import pandas as pd
import pytest

from pooling.build.errors import DataError
from pooling.inputs.import_survey import COUNTY_COLUMNS, fips, main, read_raw, survey_names

ROOT = Path(__file__).parents[3]
RAW = ROOT.parent / "shared" / "data" / "radon"
DATA = ROOT / "data"

SURVEY = """\
idnum, state, state2, stfips, cntyfips, county, floor, activity, adjwt
1,MN,MN,27,  1,AITKIN              ,1,     2.2,   101.500000
2,MN,MN,27,  1,AITKIN              ,0,     2.2,   102.500000
3,R5,MN,27,  1,MILLIE LACS         ,9,     0.0,   103.500000
4,R5,WI,55,  3,BAD RIVER           ,0,     1.0,   104.500000
5,R5,WI,55,999,ONEIDA              ,0,    10.5,   105.500000
6,R5,WI,55,999,MENOMINEE           ,0,     5.0,   106.500000
7,R5,WI,55,999,MENOMINEE           ,0,     5.0,   107.500000

"""
PLACES = """\
stfips,ctfips,st,cty,lon,lat,Uppm
27,001,MN,AITKIN, -93.415,  46.608,0.502054
27,001,MN,AITKIN, -93.000,  46.000,0.502054
27,125,MN,REDLAKE, -96.095,  47.872,1.03105
55,003,WI,ASHLAND, -90.663,  46.383,0
56,001,WY,ALBANY,-105.723,  41.666,2.1
"""


@pytest.fixture
def raw(tmp_path):
    files = tmp_path / "srrs2.dat", tmp_path / "cty.dat"
    for file, text in zip(files, (SURVEY, PLACES), strict=True):
        file.write_bytes(text.replace("\n", "\r\n").encode())
    return files


def test_a_survey_of_seven_houses(raw, tmp_path):
    main([*map(str, raw), "-o", str(tmp_path)])
    assert (tmp_path / "households.csv").read_bytes() == (
        b"house_id,state,county_fips,floor,activity,weight\n"
        b"1,MN,27001,1,2.2,101.500000\n2,MN,27001,0,2.2,102.500000\n"
        b"3,R5,27001,9,0.0,103.500000\n4,R5,55003,0,1.0,104.500000\n"
        b"5,R5,55999,0,10.5,105.500000\n6,R5,55999,0,5.0,106.500000\n"
        b"7,R5,55999,0,5.0,107.500000\n"
    )
    assert (tmp_path / "counties.csv").read_bytes() == (
        b"county_fips,state,county,lon,lat,uranium\n"
        b"27001,MN,AITKIN,-93.415,46.608,0.502054\n"
        b"27125,MN,RED LAKE,-96.095,47.872,1.03105\n"
        b"55003,WI,ASHLAND,-90.663,46.383,\n"
        b"55999,WI,MENOMINEE,,,\n"
    )


def test_tables_go_to_the_data_folder_unless_told_otherwise(raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    main([str(file) for file in raw])
    assert sorted(file.name for file in (tmp_path / "data").iterdir()) == [
        "counties.csv",
        "households.csv",
    ]


def test_files_in_the_wrong_order_are_named(raw, tmp_path):
    with pytest.raises(
        DataError, match=r"cty\.dat: line 1: no column idnum; give the original srrs2\.dat first"
    ):
        main([str(raw[1]), str(raw[0]), "-o", str(tmp_path / "data")])
    assert not (tmp_path / "data").exists()


def test_of_names_equally_frequent_the_first_by_alphabet_is_taken():
    survey = pd.DataFrame(
        {
            "state": "R5",
            "stfips": "27",
            "cntyfips": "189",
            "county": ["WHITE EARTH", "BOIS FORTE", ""],
        }
    )
    assert survey_names(survey, tribal=True).to_dict() == {27189: "BOIS FORTE"}
    assert survey_names(survey, tribal=False).empty


def test_shipped_tables_are_rewritten_byte_for_byte(tmp_path):
    if not RAW.is_dir():
        pytest.skip(f"the raw survey is not at {RAW}")
    main([str(RAW / "srrs2.dat"), str(RAW / "cty.dat"), "-o", str(tmp_path)])
    for name in ("households.csv", "counties.csv"):
        assert (tmp_path / name).read_bytes() == (DATA / name).read_bytes(), name


def test_raw_uranium_agrees_between_the_rows_of_a_county():
    """The reason why taking the first row of a county loses nothing but parts' centroids."""
    if not RAW.is_dir():
        pytest.skip(f"the raw survey is not at {RAW}")
    places = read_raw(RAW / "cty.dat", COUNTY_COLUMNS)
    key = fips(places["stfips"], places["ctfips"])
    # The survey's notes: 83 duplicate rows, the uranium agrees.
    assert key.duplicated().sum() == 83
    assert places.groupby(key)["Uppm"].nunique().max() == 1


@pytest.fixture(scope="module")
def houses():
    return pd.read_csv(DATA / "households.csv")


@pytest.fixture(scope="module")
def known():
    return pd.read_csv(DATA / "counties.csv", index_col="county_fips")


def test_shipped_houses_have_the_counts_of_the_survey(houses):
    # Counts of srrs2.dat as its distributors give them.
    assert len(houses) == 12777
    assert houses["house_id"].is_unique
    assert not houses.isna().any(axis=None)
    assert houses["floor"].value_counts()[[9, 2, 3]].tolist() == [287, 23, 19]
    assert (houses["activity"] == 0).sum() == 90
    assert houses["activity"].min() == 0
    assert houses["activity"].max() == 273.5
    assert (houses["state"] == "R5").sum() == 934


def test_shipped_counties_are_those_of_nine_states(known):
    # Counties of each state in 1990, and four codes on tribal land that are no county.
    expected = {"AZ": 15, "IN": 92, "MA": 14, "MI": 83, "MN": 87}
    expected |= {"MO": 115, "ND": 53, "PA": 67, "WI": 72}
    placed = known[known["lon"].notna()]
    assert placed["state"].value_counts().to_dict() == expected
    assert known.index[known["lon"].isna()].tolist() == [26999, 27189, 27999, 55999]
    assert known.index.is_monotonic_increasing
    assert known["county"].notna().all()
    assert known.loc[27051, ["county", "uranium"]].tolist() == ["GRANT", 1.47959]
    assert known.loc[27125, ["county", "uranium"]].tolist() == ["RED LAKE", 1.03105]
    assert known.loc[27073, ["county", "lon", "lat"]].tolist() == ["LAC QUI PARLE", -96.173, 44.995]
    # The second of its three parts, which is nearly all of it.
    assert known.loc[25021, ["county", "lon", "lat"]].tolist() == ["NORFOLK", -71.217, 42.159]


def test_shipped_uranium_is_blank_where_it_was_not_measured(houses, known):
    unmeasured = known[known["uranium"].isna() & known["lon"].notna()]
    assert unmeasured.index.tolist() == [4012, 25001, 25007, 25019, 25025]
    within = houses[houses["county_fips"].isin(unmeasured.index)]
    assert within["state"].value_counts().to_dict() == {"MA": 178, "AZ": 2}


@pytest.mark.parametrize(
    ("state", "number", "in_counties"),
    [
        ("AZ", 1400, 15),
        ("IN", 1851, 91),
        ("MA", 1548, 13),
        ("MN", 919, 85),
        ("MO", 1842, 115),
        ("ND", 1594, 53),
        ("PA", 2369, 67),
        ("R5", 725, 45),
    ],
)
def test_shipped_houses_on_known_floors_in_known_counties(
    houses, known, state, number, in_counties
):
    placed = known.index[known["lon"].notna()]
    clean = houses[houses["floor"].isin([0, 1]) & houses["county_fips"].isin(placed)]
    clean = clean[clean["state"] == state]
    assert (len(clean), clean["county_fips"].nunique()) == (number, in_counties)


def test_readme_gives_the_counts_of_the_tables(houses, known):
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    for fact in (
        f"{len(houses):,} houses",
        f"{len(known)} counties",
        f"0: {(houses['floor'] == 0).sum():,} houses, 1: {(houses['floor'] == 1).sum():,}",
        f"9: {(houses['floor'] == 9).sum()} houses",
        f"{(houses['activity'] == 0).sum()} houses have activity 0",
    ):
        assert fact in readme
