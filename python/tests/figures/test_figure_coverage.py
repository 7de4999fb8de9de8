from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pooling.build.errors import NothingToShow
from pooling.figures._drawing import save
from pooling.figures.coverage import frame, plot
from pooling.inputs.study import Figures
from pooling.scoring.standard_errors import mean

COLUMNS = ["study", "model", "label", "score", "floor", "nominal", "share", "se", "houses"]
# The third, fourth and seventh house were measured on the first floor: all three are within a
# quarter of a half. Of the seven in basements four are, and six within 45%.
PIT = [0.3, 0.4, 0.5, 0.6, 0.7, 0.25, 0.75, 0.1, 0.9, 0.99]


def left_out(fit, pit, scheme="loo"):
    rows = pd.DataFrame({"scheme": scheme, "house": fit.houses["house"], "pit": pit})
    return replace(fit, **{"loo" if scheme == "loo" else "left_out_together": rows})


def test_shares_are_of_houses_within_the_central_interval(example_fit):
    rows = frame([left_out(example_fit("pooled"), PIT)], Figures())
    assert list(rows.columns) == COLUMNS
    assert rows["floor"].tolist() == ["basement", "basement", "first floor", "first floor"]
    assert rows["nominal"].tolist() == [0.5, 0.9, 0.5, 0.9]
    assert rows["share"].tolist() == pytest.approx([4 / 7, 6 / 7, 1, 1])
    # Standard deviation with n - 1, over the root of n: sqrt(4/7 * 3/7 / 6) and so on.
    assert rows["se"].tolist() == pytest.approx([(12 / 49 / 6) ** 0.5, 1 / 7, 0, 0])


def test_a_house_without_a_score_does_not_count(example_fit):
    rows = frame([left_out(example_fit("pooled"), [*PIT[:9], np.nan])], Figures())
    assert rows["share"].tolist() == pytest.approx([4 / 6, 1, 1, 1])
    assert rows["houses"].tolist() == [6, 6, 3, 3]


def test_a_survey_of_basements_has_no_panel_of_the_first_floor(example_fit):
    fit = example_fit("pooled")
    fit.tree["constant_data"]["floor_measure"] *= 0
    rows = frame([left_out(fit, PIT)], Figures())
    assert list(rows["floor"].cat.categories) == ["basement"]
    assert rows["share"].tolist() == pytest.approx([0.7, 0.9])


def test_errors_of_whole_counties_are_over_counties(example_fit):
    # Both houses of the second county are missed: m 0.6, sums less m n are 1.2 and -1.2.
    share, se = mean(np.array([1.0, 1, 1, 0, 0]), np.array([7, 7, 7, 9, 9]))
    assert (share, se) == pytest.approx((0.6, (2 * 2 * 1.2**2) ** 0.5 / 5))
    # ANOKA, houses 5 to 7, is missed and all others are not; in basements sums less m n are
    # 2 - 10/7, 0 - 10/7, 2 - 10/7 and 1 - 5/7, and their squares add up to 136/49; on the first
    # floor 2 - 4/3 and 0 - 2/3.
    pit = [0.5, 0.5, 0.5, 0.5, 0.0, 0.0, 0.0, 0.5, 0.5, 0.5]
    rows = frame([left_out(example_fit(), pit, "loco")], Figures())
    assert rows["score"].unique().tolist() == ["leave one county out"]
    assert rows["share"].tolist() == pytest.approx(2 * [5 / 7] + 2 * [2 / 3])
    errors = [(4 / 3 * 136 / 49) ** 0.5 / 7, (2 * 8 / 9) ** 0.5 / 3]
    assert rows["se"].tolist() == pytest.approx(np.repeat(errors, 2))


def test_a_model_that_was_not_refitted_has_no_share(example_fit):
    fits = [
        left_out(example_fit("pooled"), PIT, "loco"),
        left_out(example_fit(converged=False), np.nan, "loco"),
    ]
    rows = frame(fits, Figures())
    assert rows["share"].isna().tolist() == 4 * [False] + 4 * [True]
    caption = plot(rows).labels.caption.replace("\n", " ")
    assert "No score: the model failed its diagnostics" in caption
    with pytest.raises(NothingToShow, match=r"scores\.pointwise = true"):
        frame(fits[1:], Figures())


@pytest.mark.parametrize("counties", [1, 4])
def test_draws_schemes_side_by_side(example_fit, tmp_path, counties):
    fits = [example_fit(name, converged=False, counties=counties) for name in ("pooled", "foo")]
    fits = [left_out(fit, np.linspace(0, 1, len(fit.houses))) for fit in fits]
    fits[1] = left_out(fits[1], 0.5, "kfold_county")
    target = tmp_path / "coverage.png"
    save(plot(frame(fits, Figures())), [target], "Title\n\nText.")
    assert target.stat().st_size > 5000
