import pytest

from pooling.figures._drawing import save
from pooling.figures.shrinkage_by_size import frame, plot
from pooling.inputs.study import Figures


def test_frame_has_documented_columns_and_models_in_story_order(example_fit):
    table = frame([example_fit(converged=False), example_fit("per_county")], Figures())
    assert list(table.columns) == [
        "study",
        "model",
        "label",
        "quantity",
        "county",
        "houses",
        "x",
        "identified",
        "mean",
        "q5",
        "q95",
        "centre",
        "low",
        "high",
    ]
    assert list(table["label"].cat.categories) == [
        "per_county",
        "hierarchical_noncentered (not converged)",
    ]
    assert len(table) == 2 * 2 * 4


def test_estimates_and_intervals(example_fit):
    table = frame([example_fit("per_county")], Figures()).set_index(["quantity", "county"])
    # Of the 50 values mean + scale * (-1.2, -1.2, -1.1, -1.1, ..., 1.2) the 5% and 95%
    # quantiles are at -1.1 and 1.1; the scale of intercepts is 0.1, that of slopes 0.2.
    columns = ["mean", "q5", "q95"]
    assert table.loc[("intercept", "AITKIN"), columns].tolist() == pytest.approx([1.2, 1.09, 1.31])
    assert table.loc[("slope", "ANOKA"), columns].tolist() == pytest.approx([0.3, 0.08, 0.52])


def test_unidentified_slopes_move_neither_the_line_nor_the_panel(example_fit):
    table = frame([example_fit("per_county")], Figures())
    slopes = table[table["quantity"] == "slope"]
    assert slopes["identified"].tolist() == [True, True, False, False]
    # Median of -0.5 and 0.3.
    assert slopes["centre"].iloc[0] == pytest.approx(-0.1)
    assert slopes["high"].iloc[0] < 2
    intercepts = table[table["quantity"] == "intercept"]
    assert intercepts["identified"].all()
    assert intercepts["centre"].iloc[0] == pytest.approx(1.3)


def test_a_county_stands_at_the_same_place_in_every_panel(example_fit):
    table = frame([example_fit("per_county"), example_fit()], Figures())
    assert table.groupby("county")["x"].nunique().eq(1).all()
    assert (table["x"] / table["houses"]).between(0.93, 1.07).all()


def test_an_estimate_beyond_the_panel_stays_at_its_edge(example_fit):
    table = frame([example_fit("per_county")], Figures())
    figure = plot(table)
    beyond = figure.data[figure.data["where"] != "inside"]
    assert beyond["county"].tolist() == ["CASS", "MAHNOMEN"]
    assert beyond["mean"].tolist() == [beyond["high"].iloc[0], beyond["low"].iloc[0]]
    assert "triangles mark estimates outside" in figure.labels.caption.replace("\n", " ")


@pytest.mark.parametrize(("models", "counties"), [(1, 1), (2, 4), (6, 4)])
def test_plot_is_drawn(example_fit, tmp_path, models, counties):
    fits = [example_fit(f"model_{i}", converged=False, counties=counties) for i in range(models)]
    save(plot(frame(fits, Figures())), [tmp_path / "a.png"], "A title.")
    assert (tmp_path / "a.png").is_file()
