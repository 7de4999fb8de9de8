import numpy as np
import pytest

from pooling.figures._drawing import save
from pooling.figures.trace import density, frame, plot, ranks
from pooling.inputs.study import Figures


def test_frame_has_a_row_for_each_parameter_of_each_model(example_fit):
    fits = [example_fit(converged=False), example_fit("per_county"), example_fit("pooled")]
    table = frame(fits, Figures())
    assert list(table.columns) == [
        "study",
        "model",
        "label",
        "parameter",
        "row",
        "kind",
        "by",
        "line",
        "chain",
        "colour",
        "identified",
        "x",
        "y",
        "low",
        "high",
    ]
    rows = table.groupby("model", sort=False)["parameter"].unique()
    # Complete pooling repeats its two numbers for every county: no rows for them.
    assert rows["pooled"].tolist() == ["mu_alpha", "mu_beta", "sigma"]
    assert rows["per_county"].tolist() == ["alpha", "beta", "sigma"]
    assert rows["hierarchical_noncentered"].tolist() == [
        "mu_alpha",
        "mu_beta",
        "sigma_alpha",
        "sigma_beta",
        "sigma",
        "alpha",
        "beta",
    ]
    assert "(not converged)" in table["row"].cat.categories[-1]


def test_draws_come_chain_after_chain(example_fit):
    fit = example_fit()
    table = frame([fit], Figures())
    draws = table[(table["parameter"] == "mu_alpha") & (table["kind"] == "draw")]
    second = draws[draws["line"] == 1].set_index("x")["y"]
    assert second.index.tolist() == list(range(26, 51))
    assert second[29] == fit.tree["posterior"]["mu_alpha"].values[1, 3]


def test_county_lines_follow_one_county_and_tell_unidentified_slopes(example_fit):
    fit = example_fit("per_county")
    table = frame([fit], Figures())
    slopes = table[(table["parameter"] == "beta") & (table["kind"] == "draw")]
    anoka = slopes[slopes["line"] == 1].set_index("x")["y"]
    assert anoka[29] == fit.tree["posterior"]["beta"].values[1, 3, 1]
    assert slopes.groupby("line")["identified"].first().tolist() == [True, True, False, False]
    # The range is that of ANOKA and AITKIN, -0.74 to 0.54, not CASS' 40.
    assert slopes["high"].iloc[0] == pytest.approx(0.54, abs=0.03)
    assert slopes["colour"].nunique() == 4


def test_chains_with_the_same_draws_have_level_ranks():
    draws = np.tile(np.arange(25.0), (2, 1))[:, :, None]
    assert ranks(draws, 20)["y"].tolist() == pytest.approx([1.0] * 12)


def test_a_chain_below_the_other_takes_the_low_ranks():
    draws = np.arange(50.0).reshape(2, 25, 1)
    table = ranks(draws, 20)
    # Five bins of ten ranks: the first chain fills two and a half of them. The last
    # value is repeated, to end the step line.
    assert table.loc[table["chain"] == 0, "y"].tolist() == pytest.approx([2, 2, 1, 0, 0, 0])
    assert table.loc[table["chain"] == 1, "y"].tolist() == pytest.approx([0, 0, 1, 2, 2, 2])


def test_density_is_symmetric_for_symmetric_draws_and_one_at_its_highest():
    values = np.concatenate([np.linspace(-3, 3, 301), np.linspace(-1, 1, 601)])
    table = density(values[None, :], -3.0, 3.0, 64)
    assert table["x"].max() == 1
    assert table["x"].to_numpy() == pytest.approx(table["x"].to_numpy()[::-1], abs=0.01)
    highest = table.loc[table["x"].idxmax(), "y"]
    assert abs(highest) < 1


def test_a_constant_parameter_has_a_density_too():
    assert density(np.full((1, 50), 2.0), 2.0, 2.0, 64)["x"].max() == 1


def test_each_parameter_has_a_band_from_its_lowest_to_its_highest_value(example_fit):
    drawn = plot(frame([example_fit("pooled"), example_fit()], Figures()))
    # Three parameters of pooled above seven, so bands 9, 8, 7 and 6 to 0.
    bands = drawn.data.groupby("row", observed=True)["y"].agg(["min", "max"])
    assert (bands["min"] // 1).tolist() == [9, 8, 7, 6, 5, 4, 3, 2, 1, 0]
    draws = drawn.data[(drawn.data["kind"] == "draw") & (drawn.data["parameter"] == "sigma")]
    assert draws.groupby("row", observed=True)["y"].min().tolist() == pytest.approx([7.06, 2.06])
    assert draws.groupby("row", observed=True)["y"].max().tolist() == pytest.approx([7.94, 2.94])


def test_draws_beyond_the_band_are_marked_at_its_edge(example_fit):
    data = plot(frame([example_fit("per_county")], Figures())).data
    slopes = data[(data["kind"] == "draw") & (data["parameter"] == "beta")]
    # CASS is at 40, MAHNOMEN at -30, in the middle of three bands.
    assert slopes.groupby("line")["where"].first().tolist()[2:] == ["above", "below"]
    assert slopes.groupby("line")["y"].first().tolist()[2:] == pytest.approx([1.94, 1.06])


@pytest.mark.parametrize(
    ("models", "counties"), [(["per_county"], 1), (["pooled", "hierarchical_centered"], 4)]
)
def test_plot_is_drawn(example_fit, tmp_path, models, counties):
    fits = [example_fit(model, converged=False, counties=counties) for model in models]
    save(plot(frame(fits, Figures())), [tmp_path / "a.png"], "A title.")
    assert (tmp_path / "a.png").is_file()
