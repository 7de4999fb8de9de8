from dataclasses import replace

import pandas as pd
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.model_comparison import frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "score", "elpd", "difference", "se", "houses", "missing"),
]


@pytest.fixture
def scored(example_fit):
    """Factory of fits whose first houses have these log densities when they are left out."""

    def make(model, *elpd, converged=True):
        fit = example_fit(model, converged=converged)
        loo = pd.DataFrame({"house": fit.houses["house"].iloc[: len(elpd)], "elpd": elpd})
        return replace(fit, loo=loo)

    return make


def test_differences_are_to_the_best_model_house_by_house(scored):
    rows = frame([scored("b", -1, -2, -1, -2), scored("a", -1, -1, -1, -1)], Figures())
    assert list(rows.columns) == COLUMNS
    assert rows["model"].tolist() == ["a", "b"]
    assert rows["elpd"].tolist() == [-4, -6]
    assert rows["difference"].tolist() == [0, -2]
    # Differences 0, -1, 0, -1: standard deviation sqrt(1 / 3), of a sum of four twice that.
    assert rows["se"].tolist() == pytest.approx([0, 2 / 3**0.5])
    assert rows["houses"].tolist() == [4, 4]


def test_differences_are_over_houses_that_both_models_score(scored):
    fits = [scored("a", -1, -1, -1, -1), scored("b", -2, -2, -4, float("nan"))]
    rows = frame(fits, Figures())
    assert rows["difference"].tolist() == [0, -5]
    assert rows["missing"].tolist() == [0, 1]
    assert "or the best one: 1 of b" in plot(rows).labels.caption.replace("\n", " ")


def test_houses_are_matched_by_id(scored):
    fits = [scored("a", -1, -2), scored("b", -1, -2)]
    fits[1].loo["house"] = fits[1].loo["house"].to_numpy()[::-1]
    assert frame(fits, Figures())["se"].tolist()[1] == pytest.approx(2)


def test_the_best_model_is_one_that_passed_the_gate(scored):
    fits = [scored("a", -2, -2), scored("b", -1, -1, converged=False)]
    rows = frame(fits, Figures()).set_index("model")
    assert rows["difference"].to_dict() == {"a": 0, "b": 2}


def test_a_comparison_needs_two_scored_models(scored, example_fit):
    with pytest.raises(NothingToShow, match="two models"):
        frame([scored("a", -1, -1), example_fit("b")], Figures())
    failed = [scored(name, -1, -1, converged=False) for name in "ab"]
    with pytest.raises(NothingToShow, match="one of them converged"):
        frame(failed, Figures())


def together(fit, scheme, *elpd):
    """The fit with these log densities of its ten houses under a scheme."""
    rows = pd.DataFrame({"scheme": scheme, "house": fit.houses["house"], "elpd": elpd})
    return replace(fit, left_out_together=rows)


def test_whole_counties_are_clusters(example_fit):
    # Houses of AITKIN, AITKIN, AITKIN, AITKIN, ANOKA, ANOKA, ANOKA, CASS, CASS, MAHNOMEN.
    better = together(example_fit("a"), "loco", *10 * [-1.0])
    worse = together(example_fit("b"), "loco", -2, -2, -1, -1, -2, -1, -1, -1, -1, -2)
    rows = frame([worse, better], Figures())
    assert rows["score"].tolist() == 2 * ["leave one county out"]
    assert rows["difference"].tolist() == [0, -4]
    # Counties -2, -1, 0, -1, less -0.4 a house: -0.4, 0.2, 0.8, -0.6; their squares sum to 1.2.
    assert rows["se"].tolist() == pytest.approx([0, (4 / 3 * 1.2) ** 0.5])


def test_tenths_of_houses_are_houses_of_their_own(example_fit):
    better = together(example_fit("a"), "kfold_house", *10 * [-1.0])
    worse = together(example_fit("b"), "kfold_house", *5 * [-1.0], *5 * [-2.0])
    # Five differences of -1 and five of 0: variance 5 / 18, times ten houses.
    assert frame([worse, better], Figures())["se"].tolist() == pytest.approx([0, (50 / 18) ** 0.5])


def test_panels_share_the_order_of_models_and_say_where_one_has_no_score(scored, example_fit):
    fits = [
        together(scored("a", -1, -1, -1, -1), "loco", *10 * [-3.0]),
        together(scored("b", -2, -2, -2, -2), "loco", *10 * [-2.0]),
        together(scored("c", -9, -9, -9, -9, converged=False), "loco", *10 * [float("nan")]),
    ]
    rows = frame(fits, Figures())
    assert rows["model"].tolist() == 2 * ["a", "b", "c"]
    assert rows["difference"].tolist()[:5] == [0, -4, -32, -10, 0]
    lacking = rows.iloc[5]
    assert lacking[["elpd", "difference", "se"]].isna().all()
    assert (lacking["houses"], lacking["missing"]) == (0, 10)
    caption = plot(rows).labels.caption.replace("\n", " ")
    assert "No score: the model failed its diagnostics" in caption


def test_a_model_far_behind_stands_at_the_edge(scored):
    fits = [scored(name, *4 * [-level]) for name, level in zip("abcd", (1, 2, 3, 900), strict=True)]
    drawn = plot(frame(fits, Figures()))
    # The median of 4, 8 and 3596 is 8.
    assert drawn.data["at"].tolist() == [0, -4, -8, -48]
    assert drawn.data["place"].tolist() == 3 * ["inside"] + ["below"]
    assert drawn.data["said"].iloc[3].strip() == "-3596.0 ± 0.0"


@pytest.mark.parametrize("models", [2, 15])
def test_draws_any_number_of_models(scored, tmp_path, models):
    fits = [
        scored(f"model_number_{i}", -1.0, -1.0 - i, -2.0, converged=i % 2 > 0)
        for i in range(models)
    ]
    target = tmp_path / "comparison.png"
    save(plot(frame(fits, Figures())), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
