import pandas as pd
from plotnine import theme_get

from pooling.figures._theme import (
    ORANGE,
    OTHERS,
    VERMILION,
    label_colours,
    model_colours,
    theme_pooling,
)
from pooling.programs.order import TUTORIAL, story_order


def test_the_four_programs_keep_their_colours_whatever_else_is_drawn():
    few, many = model_colours(["pooled"]), model_colours(["zeta", "pooled", "alpha"])
    assert few["hierarchical_noncentered"] == many["hierarchical_noncentered"] == VERMILION


def test_other_models_get_free_colours_by_name():
    assert model_colours(["zeta", "alpha"])["zeta"] == model_colours(["alpha", "zeta"])["zeta"]
    assert model_colours(["zeta", "alpha"])["alpha"] == OTHERS[0]


def test_fifteen_models_have_fifteen_colours():
    models = [*TUTORIAL, *(f"model_{i:02d}" for i in range(11))]
    assert len({model_colours(models)[model] for model in models}) == 15


def test_story_order_goes_from_complete_to_partial_pooling_then_alphabetically():
    told = [
        *("pooled", "pooled_robust", "per_county", "per_county_common_slope"),
        *("varying_intercept_noncentered", "varying_intercept_uranium"),
        *("hierarchical_centered", "hierarchical_noncentered", "hierarchical_marginal"),
        *("hierarchical_uranium", "hierarchy", "zeta"),
    ]
    assert sorted(sorted(told), key=story_order) == told


def test_label_colours_follow_the_model_not_its_label():
    frame = pd.DataFrame(
        {
            "model": ["foo", "hierarchical_centered", None, "foo"],
            "label": ["foo", "hierarchical_centered (not converged)", None, "foo"],
        }
    )
    colours = label_colours(frame)
    assert list(colours) == ["hierarchical_centered (not converged)", "foo"]
    assert colours["hierarchical_centered (not converged)"] == ORANGE


def test_sizes_are_ratios_of_the_base_size_and_nothing_global_changes():
    before = theme_get()
    small, large = theme_pooling(base_size=10), theme_pooling(base_size=20)
    for name in ("plot_title", "plot_caption", "strip_text", "axis_title", "legend_text"):
        sizes = [look.themeables[name].theme_element.properties["size"] for look in (small, large)]
        assert sizes[1] == 2 * sizes[0]
    assert theme_get() == before
