import numpy as np
import pandas as pd

from pooling.figures._labels import place_names

LIMITS, INCHES = (0.0, 10.0, 0.0, 10.0), (10.0, 10.0)
NOTHING = np.empty((0, 2))


def placed(rows, points=NOTHING, lines=NOTHING):
    names = pd.DataFrame(rows, columns=["name", "x", "y", "needed"])
    return place_names(names, points, lines, LIMITS, INCHES, 10).set_index("name")


def test_a_name_stands_on_the_right_unless_a_point_is_there():
    assert placed([("A", 5, 5, False)]).loc["A", "x"] > 5
    assert placed([("A", 5, 5, False)], np.array([[5.15, 5.0]])).loc["A", "x"] < 5


def test_a_name_stays_in_the_panel():
    assert placed([("A", 9.95, 5, False)]).loc["A", "x"] < 9.95


def test_names_do_not_cover_each_other():
    found = placed([("ANOKA", 5, 5, False), ("CASS", 5.1, 5.05, False)])
    # A line of 10 points is 12 points high: 1/6 inch, here 1/6 of a unit.
    assert (
        abs(found.loc["ANOKA", "y"] - found.loc["CASS", "y"]) > 1 / 6
        or abs(found.loc["ANOKA", "x"] - found.loc["CASS", "x"]) > (5 + 4) / 2 * 0.72 * 10 / 72
    )


def test_without_room_only_a_needed_name_is_drawn():
    everywhere = np.stack(np.meshgrid(*[np.linspace(0, 10, 101)] * 2), axis=-1).reshape(-1, 2)
    assert list(placed([("A", 5, 5, True), ("B", 2, 2, False)], everywhere).index) == ["A"]


def test_a_needed_name_may_cover_a_line():
    along = np.stack([np.linspace(0, 10, 201), np.full(201, 5.0)], axis=-1)
    around = np.array([[5.0, 5.15], [5.0, 4.85]])
    assert "A" not in placed([("A", 5, 5, False)], around, along).index
    assert placed([("A", 5, 5, True)], around, along).loc["A"].tolist()[1] == 5
