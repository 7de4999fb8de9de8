from dataclasses import replace

import pandas as pd
import pytest

from pooling.drawing import save
from pooling.errors import NothingToShow
from pooling.figures.model_comparison import frame, plot
from pooling.study import Figures

COLUMNS = [
    *("study", "model", "label", "score", "elpd", "difference", "se", "houses", "missing"),
]


@pytest.fixture
def scored(example_fit):
    """Factory of fits whose left-out houses 1, 2, ... have these log densities."""

    def make(model, *elpd, converged=True):
        loo = pd.DataFrame({"house": range(1, len(elpd) + 1), "elpd": elpd})
        return replace(example_fit(model, converged=converged), loo=loo)

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


def test_a_house_without_a_score_under_one_model_counts_for_none(scored):
    fits = [scored("a", -1, -1, -1, -1), scored("b", -2, -2, -4, float("nan"))]
    rows = frame(fits, Figures())
    assert rows["elpd"].tolist() == [-3, -8]
    assert rows["missing"].tolist() == [0, 1]
    assert "without a score under a model: 1 of b" in plot(rows).labels.caption.replace("\n", " ")


def test_houses_are_matched_by_id(scored):
    fits = [scored("a", -1, -2), scored("b", -1, -2)]
    fits[1].loo["house"] = [2, 1]
    assert frame(fits, Figures())["se"].tolist()[1] == pytest.approx(2)


def test_the_best_model_is_one_that_passed_the_gate(scored):
    fits = [scored("a", -2, -2), scored("b", -1, -1, converged=False)]
    rows = frame(fits, Figures()).set_index("model")
    assert rows["difference"].to_dict() == {"a": 0, "b": 2}


def test_a_comparison_needs_two_scored_models(scored, example_fit):
    with pytest.raises(NothingToShow, match="two models"):
        frame([scored("a", -1, -1), example_fit("b")], Figures())
    with pytest.raises(NothingToShow, match="no house has"):
        frame([scored("a", -1, float("nan")), scored("b", float("nan"), -1)], Figures())


@pytest.mark.parametrize("models", [2, 15])
def test_draws_any_number_of_models(scored, tmp_path, models):
    fits = [
        scored(f"model_number_{i}", -1.0, -1.0 - i, -2.0, converged=i % 2 > 0)
        for i in range(models)
    ]
    target = tmp_path / "comparison.png"
    save(plot(frame(fits, Figures())), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
