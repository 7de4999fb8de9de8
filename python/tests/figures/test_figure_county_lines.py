import pytest

from pooling.build.errors import StudyError
from pooling.figures._drawing import save
from pooling.figures.county_lines import frame, plot
from pooling.inputs.study import Figures

CHOSEN = Figures(lines=[27005, 27001])


def test_frame_has_documented_columns_and_counties_in_the_order_asked_for(example_fit):
    table = frame([example_fit("per_county"), example_fit()], CHOSEN)
    assert list(table.columns) == [
        "study",
        "kind",
        "county",
        "identified",
        "model",
        "label",
        "draw",
        "intercept",
        "slope",
        "floor",
        "log_radon",
        "low",
        "high",
    ]
    assert list(table["county"].cat.categories) == ["CASS", "AITKIN"]
    assert set(table.loc[~table["identified"], "county"]) == {"CASS"}


def test_a_slope_that_all_counties_share_is_identified(example_fit):
    table = frame([example_fit("pooled"), example_fit()], CHOSEN)
    means = table[table["kind"] == "mean"].set_index(["model", "county"])["identified"]
    assert means.to_dict() == {
        ("pooled", "CASS"): True,
        ("pooled", "AITKIN"): True,
        ("hierarchical_noncentered", "CASS"): False,
        ("hierarchical_noncentered", "AITKIN"): True,
    }


def test_a_line_is_one_draw_of_one_county(example_fit):
    fit = example_fit("per_county")
    table = frame([fit], CHOSEN)
    posterior = fit.tree["posterior"]
    lines = table[(table["kind"] == "draw") & (table["county"] == "CASS")].set_index("draw")
    assert len(lines) == 50
    # Sample 28 is draw 3 of the second chain; CASS is the third county.
    assert lines.loc[28, "intercept"] == posterior["alpha"].values[1, 3, 2]
    assert lines.loc[28, "slope"] == posterior["beta"].values[1, 3, 2]


def test_means_and_houses(example_fit):
    table = frame([example_fit("per_county"), example_fit()], CHOSEN)
    means = table[table["kind"] == "mean"].set_index(["model", "county"])[["intercept", "slope"]]
    assert means.loc[("per_county", "AITKIN")].tolist() == pytest.approx([1.2, -0.5])
    assert means.loc[("hierarchical_noncentered", "CASS")].tolist() == pytest.approx([1.4, -0.4])
    houses = table[(table["kind"] == "house") & (table["county"] == "AITKIN")]
    assert houses["log_radon"].tolist() == [1.0, 1.4, 0.5, 0.9]
    assert houses["floor"].round().tolist() == [0, 0, 1, 1]
    assert houses["floor"].nunique() == 4


def test_an_unknown_county_is_an_error(example_fit):
    with pytest.raises(StudyError, match="county 1001 is not in the study"):
        frame([example_fit()], Figures(lines=[1001]))


@pytest.mark.parametrize(
    ("models", "counties"),
    [(["per_county"], 4), (["hierarchical_centered"], 1), (["pooled", "per_county", "foo"], 4)],
)
def test_plot_is_drawn_without_chosen_counties(example_fit, tmp_path, models, counties):
    fits = [example_fit(model, converged=False, counties=counties) for model in models]
    save(plot(frame(fits, Figures())), [tmp_path / "a.png"], "A title.")
    assert (tmp_path / "a.png").is_file()


def test_a_house_beyond_the_panel_stays_at_its_edge(example_fit):
    table = frame([example_fit()], CHOSEN)
    table["low"], table["high"] = 0.8, 3.0
    figure = plot(table)
    points = figure.data
    assert points.loc[points["where"] == "below", "log_radon"].tolist() == [0.8]
    assert "Triangles" in figure.labels.caption
