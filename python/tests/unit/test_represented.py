"""Houses of the study by county and floor, with the survey's weights and without them."""

import pytest

from pooling.build.errors import DataError
from pooling.inputs.represented import represented
from pooling.inputs.study import Data
from pooling.inputs.tables import read_houses

HOUSES = """\
house_id,state,county_fips,floor,activity,weight
1,MN,27001,0,1.0,100.5
2,MN,27001,0,2.0,50
3,MN,27001,1,3.0,25
4,MN,27003,1,4.0,10
5,WI,55001,0,5.0,1000
"""
COUNTIES = [27001, 27003, 27005]


def read(tmp_path, text):
    (tmp_path / "houses.csv").write_text(text, encoding="utf-8")
    return represented(read_houses(tmp_path / "houses.csv"), Data(states=["MN"]), COUNTIES)


def test_weights_are_added_up(tmp_path):
    table = read(tmp_path, HOUSES)
    assert table["represented"].tolist() == [150.5, 25, 0, 10, 0, 0]
    assert table["houses"].tolist() == [2, 1, 0, 1, 0, 0]
    assert table["floor"].tolist() == ["basement", "first floor"] * 3
    assert table["weighted"].all()


def test_without_weights_houses_stand_for_themselves(tmp_path):
    text = "\n".join(line.rpartition(",")[0] for line in HOUSES.splitlines())
    table = read(tmp_path, text)
    assert table["represented"].tolist() == table["houses"].tolist()
    assert not table["weighted"].any()


@pytest.mark.parametrize(
    ("new", "message"),
    [
        (",", r"houses\.csv: line 3: column weight: value is missing, although other houses have"),
        (",0", r"houses\.csv: line 3: column weight: 0 is not a weight; give the number of houses"),
    ],
)
def test_weights_are_checked(tmp_path, new, message):
    with pytest.raises(DataError, match=message):
        read(tmp_path, HOUSES.replace(",50\n", f"{new}\n"))
