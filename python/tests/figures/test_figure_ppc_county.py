import pytest

from pooling.figures._drawing import save
from pooling.figures.ppc_county import frame, plot, remarks
from pooling.inputs.study import Figures

COLUMNS = [
    *("study", "model", "label", "statistic", "county_fips", "county", "houses"),
    *("observed", "q5", "q50", "q95", "outside"),
]


def test_observed_statistics_are_those_of_the_houses(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    assert list(rows.columns) == COLUMNS
    observed = rows.set_index(["statistic", "county"])["observed"]
    assert observed["mean"].to_dict() == pytest.approx(
        {"AITKIN": 0.95, "ANOKA": 1.9, "CASS": 1.4, "MAHNOMEN": 0.6}
    )
    # AITKIN: 1.0, 1.4, 0.5, 0.9 are 0.05, 0.45, -0.45, -0.05 from their mean: sqrt(0.41 / 3).
    assert observed["standard deviation", "AITKIN"] == pytest.approx(0.369685, abs=1e-6)
    assert observed["standard deviation", "CASS"] == pytest.approx(0.02**0.5)
    assert rows.set_index("county")["houses"].loc["AITKIN"].tolist() == [4, 4]


def test_a_county_with_one_house_has_a_mean_but_no_spread(example_fit):
    rows = frame([example_fit()], Figures())
    assert rows.loc[rows["county"] == "MAHNOMEN", "statistic"].tolist() == ["mean"]
    assert "one house (1 here)" in plot(rows).labels.caption.replace("\n", " ")


def test_replicated_spreads_are_those_of_the_draws(example_fit):
    rows = frame([example_fit("pooled")], Figures())
    aitkin = rows[(rows["county"] == "AITKIN") & (rows["statistic"] == "standard deviation")].iloc[
        0
    ]
    # Two houses on each floor, beta apart: sd |beta| / sqrt(3), beta -0.4 + 0.2 * (-1.2, ..., 1.2);
    # the 5% quantile of |beta| is its second smallest value.
    assert aitkin[["q5", "q50", "q95"]].tolist() == pytest.approx(
        [0.18 / 3**0.5, 0.40 / 3**0.5, 0.62 / 3**0.5]
    )
    assert aitkin["outside"]
    anoka = rows[(rows["county"] == "ANOKA") & (rows["statistic"] == "mean")].iloc[0]
    assert anoka["q5"] < anoka["observed"] == pytest.approx(1.9)


def test_outside_counts_are_told_in_each_panel(example_fit):
    fit = example_fit()
    fit.tree["posterior_predictive"]["y_rep"] = fit.tree["posterior_predictive"]["y_rep"] + 50
    rows = frame([fit], Figures())
    means = rows[rows["statistic"] == "mean"]
    assert means["outside"].all()
    said = remarks(plot(rows).data)
    assert said["said"].iloc[0] == "4 of 4 outside"


@pytest.mark.parametrize("counties", [1, 4, 500])
def test_draws_unconverged_and_single_models(example_fit, tmp_path, counties):
    one = example_fit(converged=False, counties=counties)
    for number, fits in enumerate([[one], [one, example_fit("pooled", counties=counties)]]):
        rows = frame(fits, Figures())
        assert "hierarchical_noncentered (not converged)" in set(rows["label"])
        target = tmp_path / f"{number}.png"
        save(plot(rows), [target], "Title\n\nText.")
        assert target.stat().st_size > 5000


def test_many_counties_are_thinned_in_the_plot_alone(example_fit):
    rows = frame([example_fit(counties=500)], Figures())
    drawn = plot(rows)
    assert rows["county_fips"].nunique() == 500
    assert drawn.data["county_fips"].nunique() == 400
    assert "dots for 400 of 500 counties" in drawn.labels.caption
