import pytest

from pooling.figures._drawing import save
from pooling.figures.caterpillar import frame, plot
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "parameter", "county_fips", "county", "row", "identified"),
    *("q5", "q25", "q50", "q75", "q95", "counties", "ordered_by"),
]


def test_quantiles_are_those_of_the_draws(example_fit):
    rows = frame([example_fit("hierarchical_noncentered")], Figures())
    assert list(rows.columns) == COLUMNS
    quantiles = rows.set_index(["parameter", "county"])[["q5", "q25", "q50", "q75", "q95"]]
    # Twice the values mean + scale * (-1.2, -1.1, ..., 1.2): the 5% quantile is the second
    # smallest value, the 25% quantile the seventh.
    assert list(quantiles.loc[("intercept (basement)", "AITKIN")]) == pytest.approx(
        [1.19, 1.24, 1.30, 1.36, 1.41]
    )
    assert list(quantiles.loc[("slope (floor effect)", "AITKIN")]) == pytest.approx(
        [-0.72, -0.62, -0.50, -0.38, -0.28]
    )


def test_counties_are_in_the_order_of_a_sound_partial_pooling_fit(example_fit):
    fits = [
        example_fit("per_county"),
        example_fit("hierarchical_centered", converged=False),
        example_fit("hierarchical_noncentered"),
    ]
    rows = frame(fits, Figures())
    assert set(rows["ordered_by"]) == {"hierarchical_noncentered"}
    for _, panel in rows.groupby(["label", "parameter"], observed=True):
        assert list(panel.sort_values("row")["county"]) == ["MAHNOMEN", "AITKIN", "CASS", "ANOKA"]


def test_slopes_without_houses_on_both_floors_are_not_identified(example_fit):
    rows = frame([example_fit("per_county")], Figures())
    unidentified = rows[~rows["identified"]]
    assert set(unidentified["parameter"]) == {"slope (floor effect)"}
    assert set(unidentified["county"]) == {"CASS", "MAHNOMEN"}


def test_many_counties_are_thinned_evenly_and_the_caption_says_so(example_fit):
    rows = frame([example_fit(counties=400, states=("MN", "WI"))], Figures())
    assert rows["row"].nunique() == 40
    assert rows.groupby("parameter", observed=True)["county_fips"].nunique().tolist() == [40, 40]
    assert rows["county"].str.contains(", MN").any()
    assert "40 of 400 counties, evenly spaced" in plot(rows).labels.caption.replace("\n", " ")


@pytest.mark.parametrize("counties", [1, 4])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("per_county", counties=counties)]]):
        rows = frame(fits, Figures())
        assert "hierarchical_noncentered (not converged)" in set(rows["label"])
        target = tmp_path / f"{number}.png"
        save(plot(rows), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000


def test_dots_beyond_the_panel_are_at_its_edge(example_fit):
    drawn = plot(frame([example_fit("per_county")], Figures())).data
    slopes = drawn[drawn["parameter"] == "slope (floor effect)"].set_index("county")
    # The fixture's unidentified slopes are 40 and -30, far from the identified ones.
    assert slopes["place"].to_dict() == {
        **{"CASS": "above", "MAHNOMEN": "below", "AITKIN": "inside", "ANOKA": "inside"}
    }
    assert slopes.loc["CASS", "q50"] == slopes.loc["CASS", "high"]
    assert slopes.loc["MAHNOMEN", "q50"] == slopes.loc["MAHNOMEN", "low"]
