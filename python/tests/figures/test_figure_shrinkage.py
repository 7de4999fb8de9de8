import pandas as pd
import pytest

from pooling.build.errors import NothingToShow, StudyError
from pooling.figures._drawing import save
from pooling.figures.shrinkage import frame, in_panel, plot
from pooling.inputs.study import Figures


def test_frame_leads_from_one_model_to_every_other(example_fit):
    models = ["hierarchical_noncentered", "per_county", "pooled"]
    table = frame([example_fit(model) for model in models], Figures(lines=[27001]))
    assert list(table.columns) == [
        "study",
        "county",
        "name",
        "houses",
        "identified",
        "from_model",
        "from_label",
        "intercept_from",
        "slope_from",
        "has_start",
        "model",
        "label",
        "intercept_to",
        "slope_to",
        "has_end",
        "x",
        "y",
        "y_to",
        "edge",
        "left",
        "right",
        "low",
        "high",
    ]
    assert list(table["label"].cat.categories) == ["pooled", "hierarchical_noncentered"]
    assert table["name"].tolist() == ["AITKIN", "", "", ""] * 2
    anoka = table[(table["county"] == "ANOKA") & (table["model"] == "hierarchical_noncentered")]
    columns = ["intercept_from", "slope_from", "intercept_to", "slope_to", "x", "y"]
    assert anoka[columns].iloc[0].tolist() == pytest.approx([1.8, 0.3, 1.6, -0.2, 1.8, 0.3])


def test_roles_can_be_chosen(example_fit):
    fits = [example_fit(model) for model in ("pooled", "per_county", "foo")]
    table = frame(fits, Figures(), from_model="pooled", to_model="foo")
    assert set(table["from_label"]) == {"pooled"}
    assert set(table["label"]) == {"foo"}
    assert table["intercept_from"].tolist() == pytest.approx([1.4] * 4)


def test_an_unidentified_slope_starts_on_the_upper_edge_at_its_intercept(example_fit):
    table = frame([example_fit("per_county"), example_fit()], Figures())
    cass = table[table["county"] == "CASS"].iloc[0]
    assert not cass["identified"]
    assert (cass["x"], cass["y"], cass["edge"]) == (pytest.approx(1.4), cass["high"], "above")
    # Its slope of 40 is the prior's and does not widen the panel.
    assert table["high"].iloc[0] < 1


def test_with_pooling_an_unidentified_slope_has_an_estimate(example_fit):
    fits = [example_fit(model) for model in ("pooled", "per_county", "foo")]
    table = frame(fits, Figures(), from_model="pooled")
    cass = table[table["county"] == "CASS"].set_index("model")
    assert cass["y"].tolist() == pytest.approx([-0.4, -0.4])
    assert cass["edge"].tolist() == ["inside", "inside"]
    # It ends at the estimate with pooling and on the edge without.
    assert cass.loc["foo", ["has_end", "y_to"]].tolist() == [True, pytest.approx(-0.4)]
    assert cass.loc["per_county", ["has_end", "y_to"]].tolist() == [False, cass["high"].iloc[0]]


def test_an_arrow_from_beyond_the_panel_is_cut_at_the_edge_and_keeps_its_direction():
    many = pd.DataFrame(
        {
            "identified": True,
            "intercept_from": 1.0,
            "slope_from": [0.0] * 199 + [100.0],
            "has_start": True,
            "has_end": True,
            "intercept_to": 1.5,
            "slope_to": 0.0,
        }
    )
    far = in_panel(many).iloc[-1]
    # Slopes reach from -0.6 to 0.6: of the way down from 100 only 0.006 is in the panel.
    assert (far["low"], far["high"]) == pytest.approx((-0.6, 0.6))
    assert (far["x"], far["y"]) == pytest.approx((1.5 - 0.5 * 0.006, 0.6))
    assert far["edge"] == "above"


def test_a_model_that_is_not_there_is_an_error_that_names_those_that_are(example_fit):
    fits = [example_fit("pooled"), example_fit("foo")]
    with pytest.raises(NothingToShow, match="'per_county'; choose FROM= one of pooled, foo"):
        frame(fits, Figures())
    with pytest.raises(StudyError, match="'bar'; choose TO= one of"):
        frame(fits, Figures(), from_model="pooled", to_model="bar")


def test_one_model_alone_does_not_shrink(example_fit):
    with pytest.raises(NothingToShow, match="needs a second model beside 'per_county'"):
        frame([example_fit("per_county")], Figures())


@pytest.mark.parametrize(("models", "counties"), [(["foo"], 1), (["foo", "pooled", "bar"], 4)])
def test_plot_is_drawn(example_fit, tmp_path, models, counties):
    fits = [example_fit(m, converged=False, counties=counties) for m in ("per_county", *models)]
    figure = plot(frame(fits, Figures(lines=[27001])))
    save(figure, [tmp_path / "a.png"], "A title.")
    assert "per_county (not converged)" in figure.labels.title
    assert (tmp_path / "a.png").is_file()
