from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from pooling.figures._drawing import save
from pooling.figures.county_means import SEEN, UNSEEN, frame, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "seen", "county_fips", "county", "houses"),
    *("observed", "predicted", "q5", "q95"),
]


def test_means_are_of_the_same_houses(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    assert list(rows.columns) == COLUMNS
    means = rows.set_index("county")
    assert means["observed"].to_dict() == pytest.approx(
        {"AITKIN": 0.95, "ANOKA": 1.9, "CASS": 1.4, "MAHNOMEN": 0.6}
    )
    # 1.4 - 0.4 * share of first-floor houses: 2 of 4, 1 of 3, none, none.
    assert means["predicted"].tolist() == pytest.approx([1.2, 1.4 - 0.4 / 3, 1.4, 1.4])
    # 1.4 + 0.1 * (-1.2, ..., 1.2), every value twice.
    assert means.loc["CASS", ["q5", "q95"]].tolist() == pytest.approx([1.29, 1.51])


def test_each_panel_says_how_far_from_the_diagonal_counties_are(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    said = remarks(rows.assign(panel=rows["label"]))
    # Gaps 0.25, 19/30, 0 and 0.8: sqrt((0.0625 + 0.4011 + 0 + 0.64) / 4).
    assert said["gap"].tolist() == pytest.approx([0.525265], abs=1e-6)
    assert said["said"].tolist() == ["rms gap 0.53"]


def test_counties_without_houses_have_no_mean(example_fit):
    fit = example_fit()
    constants = fit.tree["constant_data"].to_dataset()
    constants["houses"] = constants["houses"].copy(data=[4, 3, 2, 0])
    fit.tree["constant_data"] = constants
    assert frame([fit], Figures())["county"].tolist() == ["AITKIN", "ANOKA", "CASS"]


def without_counties(fit, means):
    """The fit with these means of its houses when their county is left out."""
    rows = pd.DataFrame({"scheme": "loco", "house": fit.houses["house"], "mean": means, "elpd": -1})
    return replace(fit, left_out_together=rows)


def test_a_county_left_out_is_the_mean_of_its_houses_predictions(example_fit):
    # The second house of ANOKA has no prediction, so ANOKA has none.
    fit = without_counties(example_fit(), [1.2, 1.2, 0.8, 0.8, 1, np.nan, 1, 1.5, 1.5, 1.1])
    rows = frame([fit, example_fit("pooled")], Figures())
    assert rows["seen"].value_counts().to_dict() == {SEEN: 8, UNSEEN: 8}
    unseen = rows[rows["seen"] == UNSEEN].set_index(["model", "county"])
    found = unseen.loc["hierarchical_noncentered", "predicted"]
    assert found.tolist() == pytest.approx([1.0, np.nan, 1.5, 1.1], nan_ok=True)
    assert unseen[["q5", "q95"]].isna().all(axis=None)
    # The observed means are those of the same houses.
    assert unseen["observed"].tolist() == pytest.approx(2 * [0.95, 1.9, 1.4, 0.6])
    # The other model has no scores, and its panel says so.
    assert unseen.loc["pooled", "predicted"].isna().all()
    said = remarks(rows.assign(panel=rows["model"] + " " + rows["seen"].astype(str)))
    assert said.set_index("panel").loc[f"pooled {UNSEEN}", "said"] == "no scores"


def test_draws_counties_left_out_beside_them(example_fit, tmp_path):
    fits = [without_counties(example_fit(), 1.0), example_fit("pooled", converged=False)]
    drawn = plot(frame(fits, Figures()))
    save(drawn, [tmp_path / "a.png"], "Title\n\nText.")
    assert (tmp_path / "a.png").stat().st_size > 5000
    assert "a fit without any of the county's houses" in drawn.labels.caption.replace("\n", " ")


@pytest.mark.parametrize("counties", [1, 4, 500])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("per_county", counties=counties)]]):
        drawn = plot(frame(fits, Figures()))
        target = tmp_path / f"{number}.png"
        save(drawn, [target], "Title\n\nText.")
        assert target.stat().st_size > 5000
        caption = drawn.labels.caption.replace("\n", " ")
        assert ("400 of 500 counties" in caption) == (counties == 500)
