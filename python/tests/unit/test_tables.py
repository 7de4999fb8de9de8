"""What a table may be, and the one error that says what is wrong with it."""

import re

import pytest

from pooling.build.errors import DataError
from pooling.inputs.tables import line_number, read_counties, read_houses

HOUSES = """\
house_id,state,county_fips,floor,activity
a1,MN,27001,1,2.2
a2,MN,27001,0,0
a3,R5,27003,9,273.5
"""
COUNTIES = """\
county_fips,state,county,lon,lat,uranium
27001,MN,AITKIN,-93.415,46.608,0.502054
27003,MN,"ANOKA, MN",,,
"""


@pytest.fixture
def written(tmp_path):
    def write(text, name="houses.csv"):
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return path

    return write


def test_houses_come_with_types(written):
    rows = read_houses(written(HOUSES)).rows
    assert rows.pop("weight").isna().all()
    assert rows.to_dict("list") == {
        "house_id": ["a1", "a2", "a3"],
        "state": ["MN", "MN", "R5"],
        "county_fips": [27001, 27001, 27003],
        "floor": [1, 0, 9],
        "activity": [2.2, 0.0, 273.5],
    }
    assert rows.dtypes[["county_fips", "floor", "activity"]].tolist() == [int, int, float]


def test_counties_may_have_gaps(written):
    rows = read_counties(written(COUNTIES)).rows
    assert rows["county"].tolist() == ["AITKIN", "ANOKA, MN"]
    assert rows["uranium"].tolist()[0] == 0.502054
    assert rows.loc[1, ["lon", "lat", "uranium"]].isna().all()


def test_other_names_order_and_more_columns(written):
    path = written("radon,note,floor,state,fips,id\n2.2,,1,MN,27001,7\n")
    names = {"house_id": "id", "activity": "radon", "county_fips": "fips"}
    found = read_houses(path, names).rows.drop(columns="weight")
    assert found.loc[0].tolist() == [7, "MN", 27001, 1, 2.2]


@pytest.mark.parametrize(
    "text",
    [
        b"\xef\xbb\xbf" + HOUSES.encode(),
        HOUSES.replace("\n", "\r\n"),
        HOUSES.replace("\n", "\n\n"),
        HOUSES.replace(",", ", "),
        HOUSES.rstrip("\n"),
    ],
    ids=["byte order mark", "CRLF", "blank lines", "blanks after commas", "no last line end"],
)
def test_harmless_differences_change_nothing(written, text):
    expected = read_houses(written(HOUSES)).rows
    assert read_houses(written(text, "same.csv")).rows.equals(expected)


def test_a_state_called_na_is_no_gap(written):
    assert read_houses(written(HOUSES.replace("MN", "NA"))).rows["state"].tolist()[0] == "NA"


def test_a_row_is_found_behind_blank_lines_and_line_ends_in_quotes(written):
    path = written('id,x\n\n"two\nlines",1\n3,4\n\n5,6\n')
    assert [line_number(path, row) for row in range(3)] == [3, 5, 7]
    with pytest.raises(IndexError):
        line_number(path, 3)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (",activity", ",radon", "line 1: no column activity; the columns are house_id, state,"),
        (",activity", ",floor", "line 1: more than one column floor;"),
        (",activity", "", "line 1: no column activity;"),
        ("2.2", "two", "line 2: column activity: 'two' is not a number; correct it"),
        ("2.2", "NA", "line 2: column activity: 'NA' is not a number; correct it"),
        ("2.2", "nan", "line 2: column activity: 'nan' is not a number; correct it"),
        ("2.2", "", "line 2: column activity: value is missing; fill it in or remove the row"),
        ("2.2", "-0.1", "line 2: column activity: -0.1 is negative; correct it or remove"),
        ("2.2", "inf", "line 2: column activity: inf is above 100,000 pCi/L; correct it"),
        ("2.2", "-inf", "line 2: column activity: -inf is negative; correct it"),
        ("273.5", "1e6", "line 4: column activity: 1000000 is above 100,000 pCi/L; correct it"),
        ("27003", "27003.5", "line 4: column county_fips: 27003.5 is not a whole number;"),
        ("27003", "1e300", "line 4: column county_fips: 1e+300 is not a whole number;"),
        ("27003", "ANOKA", "line 4: column county_fips: 'ANOKA' is not a number;"),
        ("27003", "0", "line 4: column county_fips: 0 is not a county code;"),
        ("27003", "", "line 4: column county_fips: value is missing;"),
        (",9,", ",,", "line 4: column floor: value is missing;"),
        ("R5", "", "line 4: column state: value is missing;"),
        ("a3", "", "line 4: column house_id: value is missing;"),
        ("a2,MN,27001,0,0", "a2,MN,27001,0,0,5", "line 3: 6 fields where the header has 5;"),
        ("a2,MN,27001,0,0", "a2,MN,27001,0", "line 3: 4 fields where the header has 5;"),
        ("a2,MN,27001,0,0", 'a2,"MN,27001,0,0', "line 3: 2 fields where the header has 5;"),
    ],
)
def test_one_error_names_line_column_value_and_remedy(written, old, new, message):
    path = written(HOUSES.replace(old, new, 1))
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        read_houses(path)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("county,lon", "cty,lon", "line 1: no column county; the columns are county_fips, state,"),
        ("0.502054", "0", "line 2: column uranium: 0 is not from 1e-6 to 1e6 ppm; correct it, or"),
        ("0.502054", "inf", "line 2: column uranium: inf is not from 1e-6 to 1e6 ppm;"),
        ("-93.415", "266.585", "line 2: column lon: 266.585 is not a longitude;"),
        ("46.608", "466.08", "line 2: column lat: 466.08 is not a latitude;"),
        ("27003", "27001", "line 3: column county_fips: 27001 occurs twice;"),
        ("AITKIN", "", "line 2: column county: value is missing;"),
        (",,,", ",,", "line 3: 5 fields where the header has 6;"),
    ],
)
def test_one_error_in_counties(written, old, new, message):
    path = written(COUNTIES.replace(old, new, 1))
    with pytest.raises(DataError, match=re.escape(f"{path}: {message}")):
        read_counties(path)


def test_every_row_with_a_field_too_many(written):
    """A table that pandas alone would read shifted by one column."""
    path = written(re.sub(r"(?m)(?<=\d)$", ",1", HOUSES))
    with pytest.raises(DataError, match="line 2: 6 fields where the header has 5"):
        read_houses(path)


def test_a_quote_that_is_never_closed_in_a_long_table(written):
    path = written(HOUSES + '"' + "a4,MN,27001,0,1\n" * 10_000)
    with pytest.raises(DataError, match="line 5: a quote opens here and is not closed"):
        read_houses(path)


def test_numbers_that_are_true_or_false(written):
    path = written("house_id,state,county_fips,floor,activity\n1,MN,True,0,1\n")
    with pytest.raises(DataError, match="line 2: column county_fips: True is not a number"):
        read_houses(path)


@pytest.mark.parametrize(
    ("floors", "codes"),
    [
        (["1", "0", "9"], [1, 0, 9]),
        (["1.0", "0.0", "9"], [1, 0, 9]),
        (["ground", " cellar ", "9"], ["ground", "cellar", 9]),
        (["True", "False", "0.5"], ["True", "False", "0.5"]),
    ],
)
def test_floors_are_whole_numbers_or_words(written, floors, codes):
    rows = "".join(f"h{i},MN,27001,{floor},1\n" for i, floor in enumerate(floors))
    found = read_houses(written("house_id,state,county_fips,floor,activity\n" + rows)).rows
    assert found["floor"].tolist() == codes


def test_rows_are_the_ids_of_houses_without_any(written):
    text = re.sub("(?m)^[^,]*,", "", HOUSES)
    assert read_houses(written(text)).rows["house_id"].tolist() == [1, 2, 3]
    with pytest.raises(DataError, match="line 1: no column id; the columns are state,"):
        read_houses(written(text), {"house_id": "id"})


def test_the_error_gives_the_setting_and_the_name_in_the_file(written):
    path = written(HOUSES.replace("activity", "radon"))
    with pytest.raises(DataError, match=r'set data\.columns\.activity = "\.\.\." in the study'):
        read_houses(path)
    with pytest.raises(DataError, match=r"no column Radon; .* radon; set data\.columns\.activity"):
        read_houses(path, {"activity": "Radon"})
    path = written(HOUSES.replace("activity", "radon").replace("2.2", "-2.2"))
    with pytest.raises(DataError, match=r"line 2: column radon: -2\.2 is negative"):
        read_houses(path, {"activity": "radon"})


@pytest.mark.parametrize("text", ["", "\n\n", "\ufeff"])
def test_empty_file(written, text):
    with pytest.raises(DataError, match=r"houses\.csv: the file is empty"):
        read_houses(written(text))


def test_header_without_rows(written):
    with pytest.raises(DataError, match=r"houses\.csv: the table has a header and no rows"):
        read_houses(written(HOUSES.partition("\n")[0]))


def test_missing_file(tmp_path):
    with pytest.raises(DataError, match=r"none\.csv: no such table; correct data\.houses"):
        read_houses(tmp_path / "none.csv")


def test_encoding_is_named_with_its_line(written):
    path = written(COUNTIES.replace("ANOKA", "DOÑA ANA").encode("latin-1"))
    with pytest.raises(DataError, match=r"line 3: byte 0xd1 is not UTF-8; save the table as UTF-8"):
        read_counties(path)
    with pytest.raises(DataError, match="line 1: byte 0xff is not UTF-8"):
        read_houses(written(HOUSES.encode("utf-16")))


def test_columns_that_may_be_blank_may_be_missing(written):
    table = read_counties(written("county_fips,state,county\n1001,IA,A\n1003,IA,B\n"))
    assert table.rows["county"].tolist() == ["A", "B"]
    assert table.rows[["lon", "lat", "uranium"]].isna().all(axis=None)


@pytest.mark.parametrize("mark", [";", "\t"])
@pytest.mark.parametrize("decimal", [".", ","])
def test_semicolons_and_decimal_commas_change_nothing(written, mark, decimal):
    expected = read_houses(written(HOUSES)).rows
    text = HOUSES.replace(",", mark).replace(".", decimal)
    assert read_houses(written(text, "same.csv")).rows.equals(expected)
    pairs = COUNTIES.replace('"ANOKA, MN"', "ANOKA").replace(",", mark).replace(".", decimal)
    assert read_counties(written(pairs)).rows["lon"].tolist()[0] == -93.415


@pytest.mark.parametrize(
    ("numbers", "row", "value"),
    [
        (("148", "1.234", "96"), 3, "'1.234'"),  # 1234 or 1.234?
        (("14,8", "1.2", "96"), 3, "'1.2'"),
        (("14,8", "1.234,5", "96"), 3, "'1.234,5'"),
    ],
)
def test_what_may_be_thousands_is_refused(written, numbers, row, value):
    lines = [f"h{i};MN;27001;0;{number}" for i, number in enumerate(numbers)]
    path = written("house_id;state;county_fips;floor;activity\n" + "\n".join(lines) + "\n")
    message = f"line {row}: column activity: {value} may have a thousands separator; write numbers"
    with pytest.raises(DataError, match=re.escape(message)):
        read_houses(path)


def test_a_table_of_one_column_is_told_that_it_needs_commas(written):
    path = written("house_id|state|county_fips|floor|activity\n1|MN|27001|0|2\n")
    with pytest.raises(DataError, match=r"line 1: columns are separated by '\|'; save .* commas"):
        read_houses(path)
