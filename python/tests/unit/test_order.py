import pytest

from pooling.programs.order import ends_of_story, story_models

MINNESOTA = [
    *("hierarchical_centered", "hierarchical_marginal", "hierarchical_noncentered"),
    *("hierarchical_uranium", "per_county", "per_county_common_slope", "pooled"),
    *("varying_intercept_noncentered", "of_my_own"),
]


@pytest.mark.parametrize(
    ("left_out", "story"),
    [
        ([], ["pooled", "per_county", "hierarchical_noncentered"]),
        (["hierarchical_noncentered"], ["pooled", "per_county", "hierarchical_marginal"]),
        (["per_county"], ["pooled", "per_county_common_slope", "hierarchical_noncentered"]),
        (["pooled"], ["per_county", "hierarchical_noncentered"]),
    ],
)
def test_the_story_has_one_model_of_each_kind_of_pooling(left_out, story):
    assert story_models([model for model in MINNESOTA if model not in left_out]) == story


def test_a_varying_intercept_stands_in_where_slopes_do_not_vary():
    models = ["pooled", "varying_intercept_centered", "varying_intercept_noncentered"]
    assert story_models(models) == ["pooled", "varying_intercept_noncentered"]


def test_a_study_tells_its_story_with_the_models_that_it_names():
    assert story_models(MINNESOTA, ["of_my_own", "pooled"]) == ["of_my_own", "pooled"]
    with pytest.raises(ValueError, match="nonesuch is not a model of the study; choose from: hier"):
        story_models(MINNESOTA, ["nonesuch"])


def test_arrows_lead_from_the_last_model_without_partial_pooling_to_the_first_with_it():
    models = ["pooled", "per_county", "hierarchical_noncentered", "hierarchical_uranium"]
    assert ends_of_story(models) == ("per_county", "hierarchical_noncentered")
    assert ends_of_story(["of_my_own", "hierarchical_uranium"]) == ("", "hierarchical_uranium")
