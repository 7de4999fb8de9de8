import pandas as pd
import pytest

from pooling.build.errors import NothingToShow, StudyError
from pooling.figures._drawing import save
from pooling.figures.shrinkage import LARGE, MOVED, ellipse, frame, in_panel, plot
from pooling.inputs.study import Figures

HIERARCHICAL = "hierarchical_noncentered"
NONE = Figures()


def test_arrows_lead_from_no_pooling_to_partial_pooling(example_fit):
    models = ["hierarchical_uranium", "hierarchical_noncentered", "per_county", "pooled"]
    table = frame([example_fit(model) for model in models], Figures(lines=[27001]))
    assert set(table["from_label"]) == {"per_county"}
    assert set(table["label"]) == {"hierarchical_noncentered"}
    # Posterior means of conftest's ALPHA and BETA.
    anoka = table[table["county"] == "ANOKA"]
    columns = ["intercept_from", "slope_from", "intercept_to", "slope_to", "x", "y"]
    assert anoka[columns].iloc[0].tolist() == pytest.approx([1.8, 0.3, 1.6, -0.2, 1.8, 0.3])


def test_complete_pooling_is_one_point(example_fit):
    table = frame([example_fit(m) for m in ("pooled", "per_county", "foo_bar", HIERARCHICAL)], NONE)
    columns = ["pooled_label", "pooled_intercept", "pooled_slope"]
    assert table[columns].iloc[0].tolist() == ["pooled", pytest.approx(1.4), pytest.approx(-0.4)]
    without = frame([example_fit(model) for model in ("per_county", HIERARCHICAL)], NONE)
    assert without["pooled_label"].iloc[0] == ""


def test_the_population_has_the_posterior_mean_of_its_mean_and_variances(example_fit):
    row = frame([example_fit("per_county"), example_fit(HIERARCHICAL)], NONE).iloc[0]
    assert (row.mean_intercept, row.mean_slope, row.covariance) == pytest.approx((1.4, -0.4, 0))
    # Draws are mean + scale * (-1.2, -1.1, ..., 1.2), whose squares have mean 0.52.
    assert row.var_intercept == pytest.approx(1.5**2 + 0.5**2 * 0.52)
    assert row.var_slope == pytest.approx(1.6**2 + 0.5**2 * 0.52)


@pytest.mark.parametrize("model", ["hierarchical_uranium", "pooled"])
def test_without_one_population_there_is_no_ellipse(example_fit, model):
    fits = [example_fit("per_county"), example_fit(model)]
    table = frame(fits, NONE, from_model="per_county", to_model=model)
    assert table["mean_intercept"].isna().all()


def test_an_ellipse_holds_its_share():
    row = pd.Series(
        {"mean_intercept": 1.0, "mean_slope": -1.0, "var_intercept": 4.0, "var_slope": 1.0}
        | {"covariance": 0.0}
    )
    # chi-square with two degrees of freedom: 90% quantile 4.605, Abramowitz & Stegun table 26.8.
    line = ellipse(row, 0.9)
    assert line["x"].max() - 1 == pytest.approx(2 * 4.605**0.5, rel=1e-3)
    assert line["y"].max() + 1 == pytest.approx(4.605**0.5, rel=2e-3)


def test_counties_of_the_study_are_named_first(example_fit):
    fits = [example_fit("per_county", counties=40), example_fit(HIERARCHICAL, counties=40)]
    table = frame(fits, Figures(lines=[27007, 27005]))
    named = table[table["name"] != ""].sort_values("place")
    assert named["name"].tolist()[:2] == ["MAHNOMEN", "CASS"]
    assert named["needed"].tolist() == [True, True] + [False] * (len(named) - 2)
    assert 2 < len(named) <= 2 + LARGE + MOVED


def test_roles_can_be_chosen(example_fit):
    fits = [example_fit(model) for model in ("pooled", "per_county", "foo")]
    table = frame(fits, Figures(), from_model="pooled", to_model="foo")
    assert set(table["from_label"]) == {"pooled"}
    assert set(table["label"]) == {"foo"}
    assert table["intercept_from"].tolist() == pytest.approx([1.4] * 4)
    assert table["pooled_label"].iloc[0] == ""


def test_an_unidentified_slope_starts_on_the_upper_edge_at_its_intercept(example_fit):
    table = frame([example_fit("per_county"), example_fit()], Figures())
    cass = table[table["county"] == "CASS"].iloc[0]
    assert not cass["identified"]
    assert (cass["x"], cass["y"], cass["edge"]) == (pytest.approx(1.4), cass["high"], "above")
    # Its slope of 40 is the prior's and does not widen the panel.
    assert table["high"].iloc[0] < 1


@pytest.mark.parametrize(("to_model", "has_end"), [("foo", True), ("per_county", False)])
def test_with_pooling_an_unidentified_slope_has_an_estimate(example_fit, to_model, has_end):
    fits = [example_fit(model) for model in ("pooled", "per_county", "foo")]
    table = frame(fits, Figures(), from_model="pooled", to_model=to_model)
    cass = table[table["county"] == "CASS"].iloc[0]
    assert (cass["y"], cass["edge"]) == (pytest.approx(-0.4), "inside")
    # It ends at the estimate with pooling and on the edge without.
    assert cass["has_end"] == has_end
    assert cass["y_to"] == pytest.approx(-0.4 if has_end else cass["high"])


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
    with pytest.raises(StudyError, match="'bar'; choose TO= one of pooled, foo"):
        frame(fits, Figures(), from_model="pooled", to_model="bar")


@pytest.mark.parametrize("models", [["per_county"], ["pooled", "foo"], [HIERARCHICAL]])
def test_without_two_kinds_of_pooling_nothing_is_shown(example_fit, models):
    with pytest.raises(NothingToShow, match="choose others with FROM="):
        frame([example_fit(model) for model in models], Figures())


@pytest.mark.parametrize(("models", "counties"), [([], 1), (["pooled"], 4), (["pooled"], 120)])
def test_plot_is_drawn(example_fit, tmp_path, models, counties):
    models = [*models, "per_county", HIERARCHICAL]
    fits = [example_fit(m, converged=False, counties=counties) for m in models]
    figure = plot(frame(fits, Figures(lines=[27001])))
    save(figure, [tmp_path / "a.png"], "A title.")
    assert "per_county (not converged)" in figure.labels.title
    assert (tmp_path / "a.png").is_file()
