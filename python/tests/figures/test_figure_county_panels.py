import pytest

from pooling.figures._drawing import save
from pooling.figures._theme import label_colours
from pooling.figures.county_panels import frame, plot
from pooling.inputs.study import Figures

CHOSEN = Figures(panels=[27007, 27003])


def test_frame_has_a_line_for_each_county_and_model(example_fit):
    table = frame([example_fit("per_county"), example_fit("pooled", converged=False)], CHOSEN)
    assert list(table.columns) == [
        "study",
        "kind",
        "panel",
        "identified",
        "model",
        "label",
        "intercept",
        "slope",
        "floor",
        "log_radon",
        "low",
        "high",
    ]
    assert list(table["panel"].cat.categories) == [
        "MAHNOMEN\n1 + 0 houses",
        "ANOKA\n2 + 1 houses",
    ]
    lines = table[table["kind"] == "line"]
    assert lines["label"].tolist() == ["pooled (not converged)"] * 2 + ["per_county"] * 2
    assert lines["intercept"].tolist() == pytest.approx([1.4, 1.4, 0.6, 1.8])
    assert lines["slope"].tolist() == pytest.approx([-0.4, -0.4, -30.0, 0.3])
    assert lines["identified"].tolist() == [False, True, False, True]


def test_houses_belong_to_their_panel(example_fit):
    table = frame([example_fit()], CHOSEN)
    houses = table[table["kind"] == "house"].groupby("panel", observed=True)["log_radon"]
    assert houses.get_group("ANOKA\n2 + 1 houses").tolist() == [2.0, 1.6, 2.1]
    assert houses.get_group("MAHNOMEN\n1 + 0 houses").tolist() == [0.6]


def test_every_model_has_a_colour(example_fit):
    table = frame([example_fit(f"model_{i}") for i in range(15)], CHOSEN)
    assert len(label_colours(table)) == 15


@pytest.mark.parametrize(("models", "counties"), [(1, 1), (2, 4), (15, 9)])
def test_plot_is_drawn_without_chosen_counties(example_fit, tmp_path, models, counties):
    fits = [example_fit(f"model_{i}", converged=False, counties=counties) for i in range(models)]
    save(plot(frame(fits, Figures())), [tmp_path / "a.png"], "A title.")
    assert (tmp_path / "a.png").is_file()
