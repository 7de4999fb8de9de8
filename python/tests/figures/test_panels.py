import numpy as np
import pandas as pd
import pytest

from pooling.figures import _panels as panels
from pooling.figures._panels import (
    arrange,
    by_model,
    caption,
    even_grid,
    percent,
    reach,
    side,
    size_breaks,
    some_of_each,
    spread_out,
    strip,
    subject,
)


def ordered(values, categories):
    return pd.Series(pd.Categorical(values, categories, ordered=True))


def test_strip_breaks_remarks_and_long_names_but_keeps_every_character():
    assert strip("pooled") == "pooled"
    assert strip("hierarchical_noncentered") == "hierarchical_noncentered"
    assert (
        strip("hierarchical_centered (not converged)") == "hierarchical_centered\n(not converged)"
    )
    assert strip("hierarchical_uranium_noncentered") == "hierarchical_uranium_\nnoncentered"


@pytest.mark.parametrize(
    ("least", "most", "shown"),
    [
        (1, 116, [1, 10, 100]),  # Minnesota: 1, 2, 5, 10, 20, 50, 100
        (3, 16, [5, 10]),
        (8, 17, [8, 17]),  # 10 would be alone
        (4, 4, [4]),
    ],
)
def test_legend_of_sizes_has_round_numbers_that_occur(least, most, shown):
    assert size_breaks(pd.Series([most, least])) == shown


def test_by_model_tells_the_lesson_in_its_order_and_others_after_it(example_fit):
    fits = [example_fit(name) for name in ("zebra", "per_county", "aardvark", "pooled")]
    labels = by_model(pd.Series([fit.label for fit in fits]), fits)
    assert list(labels.cat.categories) == ["pooled", "per_county", "aardvark", "zebra"]
    assert list(labels) == ["zebra", "per_county", "aardvark", "pooled"]


@pytest.mark.parametrize(
    ("models", "columns", "first_row"),
    [
        (1, 2, ["level\nm0", "slope\nm0"]),
        (2, 2, ["level\nm0", "level\nm1"]),
        (4, 4, ["level\nm0", "level\nm1", "level\nm2", "level\nm3"]),
        (5, 4, ["level\nm0", "slope\nm0", "level\nm1", "slope\nm1"]),
    ],
)
def test_arrange_puts_few_models_side_by_side_and_wraps_many(models, columns, first_row):
    names = [f"m{i}" for i in range(models)]
    quantity = ordered(["level", "slope"] * models, ["level", "slope"])
    panel, beside = arrange(quantity, ordered(np.repeat(names, 2), names))
    assert beside == columns
    assert list(panel.cat.categories[:columns]) == first_row
    assert panel[1] == "slope\nm0"
    assert panel.cat.categories.size == 2 * models


def test_side_counts_the_ends_as_inside():
    found = side(pd.Series([-0.1, 0.0, 1.0, 1.1]), 0, 1)
    assert list(found) == ["below", "inside", "inside", "above"]


def test_spread_out_keeps_first_and_last():
    assert list(spread_out(range(10), 4)) == [0, 3, 6, 9]
    assert list(spread_out([7, 8], 4)) == [7, 8]


def test_percent_never_rounds_something_to_nothing():
    assert [percent(share) for share in (0.0, 0.0004, 0.125, 1.0)] == [
        *("0.0%", "< 0.1%", "12.5%", "100.0%")
    ]


def test_caption_wraps_by_width():
    assert max(map(len, caption("word " * 100, 5).splitlines())) <= 70


@pytest.mark.parametrize(
    ("values", "trim", "expected"),
    [
        # A range of 2.3 takes steps of 0.5, one of 40 steps of 10.
        ([0.4, 2.7], 0, (0.0, 3.0)),
        ([-13.0, 27.0], 0, (-20.0, 30.0)),
        ([0.0, 0.3], 0, (0.0, 0.3)),
        ([*np.linspace(0, 1, 101), 1e6], 0.02, (0.0, 1.0)),
        ([7.0], 0, (6.4, 7.6)),
        ([2.0, np.inf, np.nan, 3.0], 0, (2.0, 3.0)),
        ([np.nan], 0, (0.0, 1.0)),
    ],
)
def test_reach_is_round_and_holds_all_but_the_trimmed_values(values, trim, expected):
    assert reach(values, trim) == pytest.approx(expected)


def test_the_same_rows_of_each_panel_are_drawn():
    rows = pd.DataFrame({"panel": 5 * ["a"] + 5 * ["b"], "county": 2 * [*range(5)]})
    drawn = rows[some_of_each(rows, "panel", 3)]
    assert drawn["county"].tolist() == 2 * [0, 2, 4]
    assert some_of_each(rows, "panel", 5).all()


def test_houses_beyond_what_can_be_told_apart_are_thinned_evenly_county_by_county(monkeypatch):
    monkeypatch.setattr(panels, "MOST_HOUSES", 4)
    houses = pd.DataFrame({"county_fips": [1] * 8 + [2] * 3 + [3] * 6, "n": range(17)})
    kept = panels.some_houses(houses)
    # Of eight every second, of three all, and of six four.
    assert kept["n"].tolist()[:7] == [0, 2, 4, 6, 8, 9, 10]
    assert kept["county_fips"].value_counts().to_dict() == {1: 4, 2: 3, 3: 4}
    assert panels.about_houses(kept["county_fips"]) == (
        "houses, at most 4 per county, evenly spaced"
    )
    assert panels.about_houses(houses["county_fips"][8:11]) == "houses"


def test_a_title_names_the_only_model():
    assert subject(pd.Series(["pooled", "pooled", None])) == "pooled"
    assert subject(pd.Series(["pooled", "per_county"])) == "each model"


@pytest.mark.parametrize(
    ("panels", "grid"), [(1, (1, 1)), (4, (4, 1)), (5, (3, 2)), (9, (3, 3)), (10, (4, 3))]
)
def test_a_grid_has_few_empty_places(panels, grid):
    assert even_grid(panels, 4) == grid


def test_meanings_are_those_of_the_parameters_shown():
    assert panels.meanings(["nu", "mu_alpha"]) == "mu: means; nu: degrees of freedom."
    assert panels.meanings(["my_own"]) == ""
