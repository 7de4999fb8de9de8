import pytest

from pooling.figures._drawing import save
from pooling.figures.data_overview import frame, plot
from pooling.inputs.study import Figures


def test_frame_counts_houses_by_county_and_floor(example_fit):
    table = frame([example_fit("pooled")], Figures())
    assert list(table.columns) == [
        "study",
        "response",
        "kind",
        "county",
        "rank",
        "floor",
        "houses",
        "log_radon",
    ]
    bars = table[table["kind"] == "county"].sort_values(["rank", "floor"])
    assert bars[["county", "rank", "floor", "houses"]].to_numpy().tolist() == [
        ["AITKIN", 1, "basement", 2],
        ["AITKIN", 1, "first floor", 2],
        ["ANOKA", 2, "basement", 2],
        ["ANOKA", 2, "first floor", 1],
        ["CASS", 3, "basement", 2],
        ["CASS", 3, "first floor", 0],
        ["MAHNOMEN", 4, "basement", 1],
        ["MAHNOMEN", 4, "first floor", 0],
    ]


def test_frame_holds_every_house_once(example_fit):
    table = frame([example_fit("pooled"), example_fit("per_county")], Figures())
    houses = table[table["kind"] == "house"]
    means = houses.groupby("floor", observed=True)["log_radon"].mean()
    # Basements 1.0 1.4 2.0 1.6 1.3 1.5 0.6, first floors 0.5 0.9 2.1.
    assert means["basement"] == pytest.approx(9.4 / 7)
    assert means["first floor"] == pytest.approx(3.5 / 3)
    assert len(houses) == 10


def test_names_are_turned_only_where_they_have_no_room(example_fit):
    def ticks(counties):
        names = plot(frame([example_fit(counties=counties)], Figures())).items[0]
        return names.theme.themeables["axis_text_x"].properties

    assert "rotation" not in ticks(6)
    assert ticks(30)["rotation"] == 90
    # The fewer, the larger.
    assert 9 == ticks(30)["size"] > ticks(85)["size"] > ticks(100)["size"] == 6


@pytest.mark.parametrize("counties", [1, 4, 130])
def test_plot_is_drawn(example_fit, tmp_path, counties):
    table = frame([example_fit(counties=counties, states=("MN", "ND"))], Figures())
    save(plot(table), [tmp_path / "a.png"], "A title.")
    assert (tmp_path / "a.png").is_file()
