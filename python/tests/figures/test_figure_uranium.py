import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.uranium import frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "effect", "panel", "kind", "county", "houses"),
    *("log_uranium", "identified", "q5", "q50", "q95"),
]


def test_frame_holds_counties_and_the_line(example_fit):
    fits = [example_fit(name, uranium=True) for name in ("pooled", "hierarchical_uranium")]
    rows = frame(fits, Figures())
    assert list(rows.columns) == COLUMNS
    assert set(rows["model"]) == {"hierarchical_uranium"}
    level = rows[rows["effect"] == "intercept (basement)"]
    # AITKIN: 1.3 + 0.1 * (-1.2, ..., 1.2), every value twice.
    aitkin = level[level["county"] == "AITKIN"].iloc[0]
    assert aitkin[["log_uranium", "q5", "q50", "q95"]].tolist() == pytest.approx(
        [-0.4, 1.19, 1.3, 1.41]
    )
    ends = level[level["kind"] == "line"].iloc[[0, -1]]
    assert ends["log_uranium"].tolist() == pytest.approx([-0.4, 0.5])
    assert ends["q50"].tolist() == pytest.approx([1.2, 1.65])
    assert ends["q5"].tolist() == pytest.approx([1.09, 1.54])


def test_floor_effects_of_one_floor_are_not_identified(example_fit):
    rows = frame([example_fit("hierarchical_uranium", uranium=True)], Figures())
    floor = rows[(rows["effect"] == "slope (floor effect)") & (rows["kind"] == "county")]
    assert floor.set_index("county")["identified"].to_dict() == {
        "AITKIN": True,
        "ANOKA": True,
        "CASS": False,
        "MAHNOMEN": False,
    }


def test_a_study_without_uranium_has_nothing_to_show(example_fit):
    with pytest.raises(NothingToShow):
        frame([example_fit("hierarchical_uranium"), example_fit("pooled")], Figures())


@pytest.mark.parametrize("counties", [1, 4, 700])
def test_draws_any_number_of_counties(example_fit, tmp_path, counties):
    fit = example_fit("x_uranium", uranium=True, converged=False, counties=counties)
    drawn = plot(frame([fit], Figures()))
    target = tmp_path / "uranium.png"
    save(drawn, [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
    some = "dots for 300 of 700 counties" in drawn.labels.caption.replace("\n", " ")
    assert some == (counties == 700)
