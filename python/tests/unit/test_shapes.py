import pytest

from pooling.build.errors import DataError
from pooling.inputs.shapes import read_shapes

SQUARE = "((0 0, 0 1, 1 1, 1 0, 0 0))"


def written(folder, *rows, header="county_fips,outline"):
    path = folder / "shapes.csv"
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_rings_are_read_without_holes(tmp_path):
    hole = "((0 0, 0 9, 9 9, 0 0), (1 2, 1 3, 2 3, 1 2))"
    path = written(tmp_path, f'7,"MULTIPOLYGON ({SQUARE}, {hole})"', f'9,"POLYGON{SQUARE}"')
    table = read_shapes(path)
    points = table.groupby(["county_fips", "ring"]).size()
    assert points.to_dict() == {(7, 0): 5, (7, 1): 4, (9, 0): 5}
    assert table.iloc[1].tolist() == [7, 0, 0.0, 1.0]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (["x,POLYGON"], "row 1: county_fips: 'x' is not a county code"),
        ([f'1,"POLYGON {SQUARE}"'] * 2, "row 2: county_fips: 1 occurs twice"),
        (['1,"POLYGON ((0 0, 1"'], "row 1: outline: not a polygon; write it as well-known text"),
        (["1,"], "row 1: outline: not a polygon"),
        (['1,"POLYGON ((0 0, 0 1, 1 1, 1 0))"'], "row 1: outline: ring 1 is not closed"),
        (['1,"POLYGON ((0 0, 0 95, 1 1, 0 0))"'], "row 1: outline: beyond 180 or 90 degrees"),
    ],
)
def test_what_is_wrong_is_named_with_its_row(tmp_path, rows, message):
    with pytest.raises(DataError, match=rf"shapes\.csv: {message}"):
        read_shapes(written(tmp_path, *rows))


def test_a_missing_table_or_column_is_named(tmp_path):
    with pytest.raises(DataError, match=r"correct data\.county_shapes"):
        read_shapes(tmp_path / "none.csv")
    with pytest.raises(DataError, match="line 1: no column outline"):
        read_shapes(written(tmp_path, "1,2", header="county_fips,shape"))
    with pytest.raises(DataError, match="no outlines"):
        read_shapes(written(tmp_path))
